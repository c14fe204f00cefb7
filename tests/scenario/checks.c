/* What a scenario file expects, forbids and bounds. */
#include "scenario/parse.h"

static const char *const measures[SCN_MEASURES] = {
#define X(NAME, name, unit, what) #name,
	SCN_MEASURE_LIST(X)
#undef X
};

static bool read_what(struct parser *p, struct scn_check *c)
{
	const struct word w = next(p);

	for (unsigned int i = 0; i < STATE_COUNT; i++) {
		if (is(w, state_name(i))) {
			c->is_state = true;
			c->state = (enum state)i;
			return true;
		}
	}
	for (unsigned int i = 0; i < AUDIT_EVENT_COUNT; i++) {
		if (is(w, audit_event_name(i))) {
			c->event = (enum audit_event)i;
			return true;
		}
	}
	return wrong(p, "\"%.*s\": a state (as VOLATILE) or an event_type (as TransportSwitch) is wanted",
		     WORD(w));
}

/* The next word when it is a reason's name. */
static void read_reason(struct parser *p, struct scn_check *c)
{
	const char *before = p->at;
	const struct word w = next(p);

	for (unsigned int i = 1; i <= REASON_MAX; i++) {
		if (reason_name(i) && is(w, reason_name(i))) {
			c->reason = (enum reason)i;
			return;
		}
	}
	p->at = before;
}

static bool read_expect_times(struct parser *p, struct scn_check *c)
{
	if (accept(p, "between")) {
		if (!need_time(p, &c->least_us) || !accept(p, "and"))
			return wrong(p, "between TIME and TIME of TIME is wanted");
	} else if (!accept(p, "within")) {
		return wrong(p,
			     "a reason, on PATH, or within|between TIME ... of TIME is wanted here: \"%.*s\"",
			     WORD(next(p)));
	}
	if (!need_time(p, &c->most_us))
		return false;
	if (!accept(p, "of"))
		return wrong(p, "within TIME of TIME is wanted");
	return need_time(p, &c->of_us) &&
	       (c->least_us <= c->most_us || wrong(p, "between wants the smaller time first"));
}

static bool read_never_times(struct parser *p, struct scn_check *c)
{
	c->most_us = INT64_MAX;
	if (accept(p, "after") && !need_time(p, &c->least_us))
		return false;
	return !accept(p, "before") || need_time(p, &c->most_us);
}

static bool add_check(struct parser *p, struct scn_check c, bool both)
{
	struct scn *s = p->s;

	if (s->checks + both >= SCN_CHECKS)
		return wrong(p, "at most %d checks are allowed", SCN_CHECKS);
	s->check[s->checks++] = c;
	if (both) {
		c.end = SCN_SERVER;
		s->check[s->checks++] = c;
	}
	if (c.kind == SCN_EXPECT && c.of_us + c.most_us > p->last_us)
		p->last_us = c.of_us + c.most_us;
	return true;
}

bool parse_check(struct parser *p, enum scn_check_kind kind)
{
	struct scn_check c = { .kind = kind, .path = AUDIT_NO_PATH, .line = p->line };
	const bool both = accept(p, "both");

	if (!both && !need_end(p, &c.end))
		return false;
	if (!read_what(p, &c))
		return false;
	if (kind == SCN_FINALLY && !c.is_state)
		return wrong(p, "finally wants a state");
	if (kind != SCN_FINALLY)
		read_reason(p, &c);
	if (kind != SCN_NEVER && accept(p, "on") && !need_path(p, &c.path))
		return false;
	if ((kind == SCN_EXPECT && !read_expect_times(p, &c)) ||
	    (kind == SCN_NEVER && !read_never_times(p, &c)))
		return false;
	return add_check(p, c, both);
}

bool parse_bound(struct parser *p)
{
	struct scn_check c = { .kind = SCN_BOUND, .line = p->line };
	const struct word name = next(p);
	unsigned int m = 0;
	int64_t us;
	uint32_t ppm;
	uint64_t n;

	while (m < SCN_MEASURES && !is(name, measures[m]))
		m++;
	if (m == SCN_MEASURES)
		return wrong(p, "\"%.*s\": gap, lost, lost_percent, switches, sessions or records is wanted",
			     WORD(name));
	c.measure = (enum scn_measure)m;
	c.at_least = accept(p, "at") && accept(p, "least");
	const struct word w = next(p);
	if (m == SCN_GAP && word_time_us(w.text, w.len, &us))
		c.bound = (double)us / 1e3;
	else if (m == SCN_LOST_PERCENT && word_share_ppm(w.text, w.len, &ppm))
		c.bound = ppm / 1e4;
	else if (m != SCN_GAP && m != SCN_LOST_PERCENT && word_number(w.text, w.len, UINT32_MAX, &n))
		c.bound = (double)n;
	else
		return wrong(p, "\"%.*s\": gap wants a time, lost_percent a share, the others a number",
			     WORD(w));
	if ((m <= SCN_LOST_PERCENT) && p->s->probe_every_us == 0)
		return wrong(p, "%s wants probes: say \"traffic every TIME\" before", measures[m]);
	return add_check(p, c, false);
}
