/* What a scenario expects, held against what came of it. */
#include "scenario/scenario.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNDER_WAY_US 250000 /* a probe and its echo, on a busy machine */

static const char *const ends[SCN_ENDS] = { "client", "server" };

static const struct {
	const char *name, *unit;
} measures[SCN_MEASURES] = {
#define X(NAME, name, unit, what) { #name, unit },
	SCN_MEASURE_LIST(X)
#undef X
};

void scn_record_add(struct scn_outcome *o, struct scn_record r)
{
	if (o->records == o->cap) {
		o->cap = o->cap ? 2 * o->cap : 1024;
		o->record = realloc(o->record, o->cap * sizeof(*o->record));
		if (!o->record)
			abort();
	}
	o->record[o->records++] = r;
}

void scn_check_text(const struct scn *s, const struct scn_check *c, char out[SCN_TEXT])
{
	static const char *const kinds[] = { "", "never ", "finally " };
	int n;

	if (c->kind == SCN_BOUND) {
		snprintf(out, SCN_TEXT, "%s%s", measures[c->measure].name, c->at_least ? " at least" : "");
		return;
	}
	n = snprintf(out, SCN_TEXT, "%s%s %s", kinds[c->kind], ends[c->end],
		     c->is_state ? state_name(c->state) : audit_event_name(c->event));
	if (c->reason != REASON_NONE)
		n += snprintf(out + n, SCN_TEXT - (size_t)n, " %s", reason_name(c->reason));
	if (c->path != AUDIT_NO_PATH)
		n += snprintf(out + n, SCN_TEXT - (size_t)n, " on %s", s->path[c->path].name);
	if (c->kind == SCN_EXPECT)
		snprintf(out + n, SCN_TEXT - (size_t)n, " after %g s", (double)c->of_us / 1e6);
}

static bool fits(const struct scn_check *c, const struct scn_record *r)
{
	if (r->end != c->end)
		return false;
	if (c->is_state ? r->event != AUDIT_SESSION_STATE_CHANGE || r->to != c->state : r->event != c->event)
		return false;
	return (c->reason == REASON_NONE || r->reason == c->reason) &&
	       (c->path == AUDIT_NO_PATH || r->path == c->path);
}

/* When that moment of the plan really was. */
static int64_t moment(const struct scn_outcome *o, int64_t planned_us)
{
	for (size_t i = 0; i < o->moments; i++)
		if (o->moment[i].planned_us == planned_us)
			return o->moment[i].done_us;
	return planned_us;
}

/* The last thing that had been done by then; INT64_MAX: nothing had. */
static int64_t moment_before(const struct scn_outcome *o, int64_t us)
{
	int64_t last = INT64_MAX;

	for (size_t i = 0; i < o->moments && o->moment[i].done_us <= us; i++)
		last = o->moment[i].done_us;
	return last;
}

/* The first record behind the last expectation's of this end that fits. */
static void judge_expect(const struct scn_check *c, const struct scn_outcome *o, double slack, size_t *from,
			 struct scn_verdict *v)
{
	const int64_t of = moment(o, c->of_us);

	v->unit = "ms";
	v->bound = slack > 0 ? (double)c->most_us / 1e3 * slack : INFINITY;
	for (size_t i = *from; i < o->records; i++) {
		const struct scn_record *r = &o->record[i];

		if (!fits(c, r) || r->at_us < of)
			continue;
		*from = i + 1;
		v->measured = true;
		v->value = (double)(r->at_us - of) / 1e3;
		/* Exactly in the simulator; elsewhere timers may be early by as little as they round. */
		v->ok = v->value <= v->bound &&
			v->value >= (double)c->least_us / 1e3 * (slack == 1 ? 1 : 0.98);
		return;
	}
}

static void judge_never(const struct scn_check *c, const struct scn_outcome *o, struct scn_verdict *v)
{
	v->ok = v->measured = true;
	v->unit = "";
	for (size_t i = 0; i < o->records; i++) {
		const struct scn_record *r = &o->record[i];

		v->value += fits(c, r) && r->at_us >= moment(o, c->least_us) && r->at_us <= c->most_us;
	}
	v->ok = v->value == 0;
}

/* The last state of the session that was attached last, and the path that this transition named. */
static void judge_finally(const struct scn_check *c, const struct scn_outcome *o, struct scn_verdict *v)
{
	const struct scn_record *last = NULL;

	v->unit = "";
	for (size_t i = 0; i < o->records; i++) {
		const struct scn_record *r = &o->record[i];

		if (r->end != c->end || r->event != AUDIT_SESSION_STATE_CHANGE)
			continue;
		if (!last || r->reason == REASON_ATTACHED_TO_TRANSPORT ||
		    memcmp(r->session_id, last->session_id, sizeof(r->session_id)) == 0)
			last = r;
	}
	v->measured = last;
	v->ok = last && fits(c, last);
}

static double count(const struct scn_outcome *o, enum scn_end end, enum scn_measure m)
{
	double n = 0;

	for (size_t i = 0; i < o->records; i++) {
		const struct scn_record *r = &o->record[i];

		if (r->end == end)
			n += m == SCN_RECORDS || (m == SCN_SWITCHES && r->event == AUDIT_TRANSPORT_SWITCH) ||
			     (m == SCN_SESSIONS && r->event == AUDIT_SESSION_STATE_CHANGE &&
			      r->reason == REASON_ATTACHED_TO_TRANSPORT);
	}
	return n;
}

static double measure(const struct scn_outcome *o, enum scn_measure m)
{
	const double client = count(o, SCN_CLIENT, m), server = count(o, SCN_SERVER, m);

	switch (m) {
	case SCN_GAP:
		return (double)o->gap_us / 1e3;
	case SCN_LOST:
		return (double)(o->sent - o->came_back);
	case SCN_LOST_PERCENT:
		return o->sent > 0 ? 100.0 * (double)(o->sent - o->came_back) / (double)o->sent : 100;
	case SCN_SESSIONS:
		return client;
	default:
		return client > server ? client : server;
	}
}

static bool is_silence(enum reason r)
{
	return r == REASON_CONSECUTIVE_DROP_EXCEEDED || r == REASON_HEARTBEAT_TIMEOUT || r == REASON_DATA_STALLED;
}

/*
 * Was everything that is lost sent while the client's path was silent and not yet known to be? An end keeps what it sent
 * for a while only, so such losses grow with the time this takes. They begin with what was under way at the event.
 */
static bool lost_in_silence(const struct scn_outcome *o)
{
	int64_t since = INT64_MAX;

	for (size_t i = 0; i < o->records; i++) {
		const struct scn_record *r = &o->record[i];

		if (r->end != SCN_CLIENT || r->event != AUDIT_SESSION_STATE_CHANGE)
			continue;
		if (r->to == STATE_VOLATILE && is_silence(r->reason))
			since = moment_before(o, r->at_us) - UNDER_WAY_US;
		else if (r->to == STATE_ATTACHED && o->first_lost_us >= since && o->last_lost_us <= r->at_us)
			return true;
		else if (r->to == STATE_ATTACHED)
			since = INT64_MAX;
	}
	return false;
}

static void judge_bound(const struct scn_check *c, const struct scn_outcome *o, double slack,
			struct scn_verdict *v)
{
	v->measured = true;
	v->unit = measures[c->measure].unit;
	v->value = measure(o, c->measure);
	v->bound = c->bound;
	if (c->measure == SCN_GAP)
		v->bound = slack > 0 ? c->bound * slack : INFINITY;
	if (c->measure == SCN_LOST && slack == 0 && lost_in_silence(o))
		v->value = 0;
	v->ok = c->at_least ? v->value >= c->bound : v->value <= v->bound;
}

size_t scn_judge(const struct scn *s, const struct scn_outcome *o, double slack, struct scn_verdict *out)
{
	size_t from[SCN_ENDS] = { 0 }, bad = 0;

	for (size_t i = 0; i < s->checks; i++) {
		const struct scn_check *c = &s->check[i];
		struct scn_verdict *v = &out[i];

		*v = (struct scn_verdict){ 0 };
		scn_check_text(s, c, v->text);
		switch (c->kind) {
		case SCN_EXPECT:
			judge_expect(c, o, slack, &from[c->end], v);
			break;
		case SCN_NEVER:
			judge_never(c, o, v);
			break;
		case SCN_FINALLY:
			judge_finally(c, o, v);
			break;
		case SCN_BOUND:
			judge_bound(c, o, slack, v);
			break;
		}
		bad += !v->ok;
	}
	return bad;
}

bool scn_reached(const struct scn *s, const struct scn_outcome *o, int64_t planned_us)
{
	static struct scn_verdict v[SCN_CHECKS];

	scn_judge(s, o, 0, v);
	for (size_t i = 0; i < s->checks; i++) {
		const struct scn_check *c = &s->check[i];
		const int64_t due = c->kind == SCN_EXPECT ? c->of_us + c->most_us : s->end_us;

		if ((c->kind == SCN_EXPECT || c->kind == SCN_FINALLY) && due <= planned_us && !v[i].ok)
			return false;
	}
	return true;
}

void scn_print(FILE *f, const struct scn_verdict *v, size_t n, bool all)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].ok && !all)
			continue;
		fprintf(f, "    %-4s  %-64s", v[i].ok ? "ok" : "FAIL", v[i].text);
		if (!v[i].measured)
			fprintf(f, "      did not come\n");
		else
			fprintf(f, isinf(v[i].bound) ? " %9.4g %-2s\n" : " %9.4g %-2s (bound %.6g)\n", v[i].value,
				v[i].unit, v[i].bound);
	}
}

void scn_print_json(FILE *f, const struct scn *s, const char *runner, const struct scn_verdict *v, size_t n)
{
	const char *name = strrchr(s->file, '/') ? strrchr(s->file, '/') + 1 : s->file;

	fprintf(f, "{\"scenario\":\"%.*s\",\"title\":\"%s\",\"runner\":\"%s\",\"checks\":[",
		(int)strcspn(name, "."), name, s->title, runner);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s{\"what\":\"%s\",\"ok\":%s,\"bound\":%.6g,\"unit\":\"%s\",\"measured\":",
			i ? "," : "", v[i].text, v[i].ok ? "true" : "false",
			isinf(v[i].bound) ? -1 : v[i].bound, v[i].unit);
		if (v[i].measured)
			fprintf(f, "%.6g}", v[i].value);
		else
			fprintf(f, "null}");
	}
	fprintf(f, "]}\n");
}
