/* The parser of scenario files. */
#include "scenario/parse.h"

#define END_AFTER_US 2000000 /* without an "end": so long after the last thing that is said */

static const char *const ops[SCN_OPS] = {
#define X(NAME, name, follows) #name,
	SCN_OP_LIST(X)
#undef X
};

static const char *const follows[SCN_OPS] = {
#define X(NAME, name, follows) follows,
	SCN_OP_LIST(X)
#undef X
};

static const struct policy_key {
	const char *name;
	size_t at;
	enum { MS, COUNT, BYTES, PPM, POW2 } kind;
	uint32_t least, most;
} keys[] = {
#define X(section, key, KIND, def, least, most) \
	{ #section "." #key, offsetof(struct policy, key), KIND, least, most },
	POLICY_LIST(X)
#undef X
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

/* --- statements --- */

static bool read_profile(struct parser *p, struct link_profile *profile, char words[SCN_TEXT])
{
	char error[PROFILE_ERROR_MAX], line[SCN_TEXT];
	const char *rest;

	if (!rest_of_line(p, words))
		return false;
	snprintf(line, sizeof(line), "%s", words);
	rest = profile_parse(profile, line, error);
	if (!rest)
		return wrong(p, "%s", error);
	if (p->runner == SCN_NET && profile_wants_kinds(profile))
		return wrong(p, "with real daemons nobody knows what a packet is: say \"actor any\", or \"sim:\"");
	return !*rest ||
	       wrong(p,
		     "\"%s\": delay, jitter, loss, burst, dup, reorder, rate, queue, mtu, blackhole, actor or "
		     "none is wanted",
		     rest);
}

static bool read_path(struct parser *p)
{
	struct scn *s = p->s;
	struct scn_path *path = &s->path[s->paths];
	const struct word name = next(p);

	if (s->paths == SCN_PATHS)
		return wrong(p, "at most %d paths are allowed", SCN_PATHS);
	if (name.len == 0 || name.len > 8 ||
	    strspn(name.text, "abcdefghijklmnopqrstuvwxyz0123456789") < name.len)
		return wrong(p, "\"%.*s\": a name of 1 to 8 small letters and digits is wanted", WORD(name));
	*path = (struct scn_path){ .wire = s->paths };
	memcpy(path->name, name.text, name.len);
	for (uint8_t i = 0; i < s->paths; i++)
		if (strcmp(s->path[i].name, path->name) == 0)
			return wrong(p, "there is a path %s already", path->name);
	path->v6 = accept(p, "v6");
	path->nat = accept(p, "nat");
	if (path->v6 && path->nat)
		return wrong(p, "a path is v6 or has a nat, not both");
	if (accept(p, "over")) {
		if (!need_path(p, &path->wire))
			return false;
		path->profile = s->path[path->wire].profile;
		path->wire = s->path[path->wire].wire;
		if (!at_end(p))
			return wrong(p, "a path over another has its link and no words of its own");
	} else if (!read_profile(p, &path->profile, path->words)) {
		return false;
	}
	s->paths++;
	return true;
}

static const struct policy_key *find_key(struct word w)
{
	for (size_t i = 0; i < KEYS; i++)
		if (is(w, keys[i].name))
			return &keys[i];
	return NULL;
}

const char *scn_policy_key(size_t at)
{
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].at == at)
			return keys[i].name;
	return NULL;
}

void scn_policy_value(size_t at, uint32_t value, char out[32])
{
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].at == at && keys[i].kind == PPM)
			snprintf(out, 32, "%u.%06u", value / POLICY_PPM, value % POLICY_PPM);
		else if (keys[i].at == at)
			snprintf(out, 32, "%u", value);
}

/* A plain number; for times also 5s, for fractions also 20 %. */
static bool policy_word(const struct policy_key *k, struct word w, uint64_t *v)
{
	int64_t us;
	uint32_t ppm;

	if (k->kind == MS && word_time_us(w.text, w.len, &us)) {
		*v = (uint64_t)us / 1000;
		return true;
	}
	if (k->kind == PPM && word_share_ppm(w.text, w.len, &ppm)) {
		*v = ppm;
		return true;
	}
	return k->kind != PPM && word_number(w.text, w.len, UINT32_MAX, v);
}

static bool read_policy(struct parser *p, size_t *at, uint32_t *value)
{
	const struct word name = next(p), w = next(p);
	const struct policy_key *k = find_key(name);
	uint64_t v;

	if (!k)
		return wrong(
			p,
			"\"%.*s\": no such policy; wanted is one of DESIGN section 7, as switching.drain_ms",
			WORD(name));
	if (!policy_word(k, w, &v) || v < k->least || v > k->most)
		return wrong(p, "\"%.*s\": %s is %s from %u to %u", WORD(w), k->name,
			     k->kind == MS    ? "a time (as 5s, or in ms)"
			     : k->kind == PPM ? "a share (as 20%, here in millionths)"
					      : "a number",
			     k->least, k->most);
	*at = k->at;
	*value = (uint32_t)v;
	return true;
}

static bool read_ways(struct parser *p, unsigned int *ways)
{
	const struct word w = next(p);

	*ways = is(w, "up") ? SCN_UP : is(w, "down") ? SCN_DOWN : is(w, "both") ? SCN_UP | SCN_DOWN : 0;
	return *ways || wrong(p, "\"%.*s\": both, up (from the client) or down is wanted", WORD(w));
}

static bool read_traffic(struct parser *p)
{
	struct link_profile rate = { 0 };
	char line[64], error[PROFILE_ERROR_MAX];
	uint64_t size = 100;
	const char *rest;

	if (accept(p, "tcp")) {
		if (p->runner != SCN_NET)
			return wrong(p, "the simulator has no TCP: say \"net: traffic tcp ...\"");
		if (!read_ways(p, &p->s->tcp_ways))
			return false;
		const struct word w = next(p);
		snprintf(line, sizeof(line), "rate %.*s", WORD(w));
		rest = profile_parse(&rate, line, error);
		if (!rest || *rest || rate.rate_bps < 1000000)
			return wrong(p, "\"%.*s\": a rate of at least 1mbit is wanted", WORD(w));
		p->s->tcp_mbit = (uint32_t)(rate.rate_bps / 1000000);
		return true;
	}
	if (!accept(p, "every"))
		return wrong(p, "traffic wants \"every TIME [size BYTES]\" or \"tcp up|down|both RATE\"");
	if (!need_time(p, &p->s->probe_every_us))
		return false;
	if (p->s->probe_every_us < 100)
		return wrong(p, "probes go every 100us or less often");
	if (accept(p, "size") && !need_number(p, 20, 1372, &size))
		return false;
	p->s->probe_size = (uint32_t)size;
	return true;
}

/* --- operations --- */

static bool read_addr(struct parser *p, struct scn_event *e)
{
	if (accept(p, "back"))
		return e->on = true;
	if (!accept(p, "lost"))
		return false;
	const struct word w = next(p);
	e->v4 = is(w, "v4") || is(w, "all");
	e->v6 = is(w, "v6") || is(w, "all");
	return e->v4 || e->v6;
}

static bool read_flood(struct parser *p, struct scn_event *e)
{
	const struct word w = next(p);
	uint64_t n;

	if (w.len < 3 || memcmp(w.text + w.len - 2, "/s", 2) != 0 ||
	    !word_number(w.text, w.len - 2, 100000, &n) || n == 0 || !accept(p, "for"))
		return false;
	e->per_s = (uint32_t)n;
	return need_time(p, &e->lasts_us);
}

static bool one_of(struct parser *p, const char *yes, const char *no, bool *out)
{
	*out = accept(p, yes);
	return *out || accept(p, no);
}

static bool read_link(struct parser *p, struct scn_event *e)
{
	struct link_profile scratch = p->s->path[e->path].profile;
	unsigned int ways;

	if (!read_ways(p, &ways))
		return false;
	e->ways = (uint8_t)ways;
	if (accept(p, "clear"))
		return e->clear = true;
	return !at_end(p) && read_profile(p, &scratch, e->words);
}

static bool read_what_follows(struct parser *p, struct scn_event *e)
{
	switch (e->op) {
	case SCN_OP_LINK:
		return need_path(p, &e->path) && read_link(p, e);
	case SCN_OP_CARRIER:
		return need_path(p, &e->path) && one_of(p, "on", "off", &e->on);
	case SCN_OP_INTERFACE:
		return need_path(p, &e->path) && one_of(p, "up", "down", &e->on);
	case SCN_OP_ADDR:
		return need_path(p, &e->path) && read_addr(p, e);
	case SCN_OP_NAT:
		return need_path(p, &e->path) && one_of(p, "poison", "rebind", &e->on) &&
		       (p->s->path[e->path].nat || wrong(p, "path %s has no nat", p->s->path[e->path].name));
	case SCN_OP_JUMP:
		return need_path(p, &e->path);
	case SCN_OP_TERMINATE:
		return need_end(p, &e->end);
	case SCN_OP_RESTART:
		return need_end(p, &e->end) && (!accept(p, "after") || need_time(p, &e->lasts_us));
	case SCN_OP_SUSPEND:
		return need_end(p, &e->end) && need_time(p, &e->lasts_us);
	case SCN_OP_RELOAD:
		return read_policy(p, &e->policy_at, &e->policy_value);
	case SCN_OP_REPLAY:
	case SCN_OP_FORGE:
		return read_flood(p, e);
	case SCN_OPS:
		break;
	}
	return false;
}

static bool read_op(struct parser *p, struct scn_event *e)
{
	const struct word w = next(p);
	unsigned int op = 0;

	while (op < SCN_OPS && !is(w, ops[op]))
		op++;
	if (op == SCN_OPS)
		return wrong(
			p,
			"\"%.*s\": link, carrier, interface, addr, nat, jump, terminate, reload, restart, suspend, replay or "
			"forge is wanted",
			WORD(w));
	e->op = (enum scn_op)op;
	p->error[0] = 0;
	if (read_what_follows(p, e))
		return true;
	return p->error[0] ? false : wrong(p, "%s wants %s", ops[op], follows[op]);
}

/* Events of one time keep the order of the file. */
static bool add_event(struct parser *p, const struct scn_event *e)
{
	struct scn *s = p->s;
	size_t i;

	if (s->events == SCN_EVENTS)
		return wrong(p, "at most %d events are allowed", SCN_EVENTS);
	for (i = s->events++; i > 0 && s->event[i - 1].at_us > e->at_us; i--)
		s->event[i] = s->event[i - 1];
	s->event[i] = *e;
	if (e->at_us + e->lasts_us > p->last_us)
		p->last_us = e->at_us + e->lasts_us;
	return true;
}

static bool read_event(struct parser *p)
{
	struct scn_event e = { .line = p->line };
	int64_t every = 0, until = 0;

	if (!need_time(p, &e.at_us))
		return false;
	if (accept(p, "every")) {
		if (!need_time(p, &every) || !accept(p, "until") || !need_time(p, &until) || every == 0)
			return wrong(p, "at TIME every TIME until TIME is wanted");
	}
	if (!read_op(p, &e))
		return false;
	do
		if (!add_event(p, &e))
			return false;
	while (every > 0 && (e.at_us += every) <= until);
	return true;
}

static bool read_only(struct parser *p)
{
	const struct word w = next(p);

	p->s->runners = is(w, "sim") ? SCN_SIM : SCN_NET;
	return is(w, "sim") || is(w, "net") || wrong(p, "\"%.*s\": only wants sim or net", WORD(w));
}

/* This line is for another runner, whose reading of the file will see to it. */
static bool is_for_another(struct parser *p)
{
	if (!accept(p, p->runner == SCN_NET ? "sim:" : "net:"))
		return false;
	p->at += strcspn(p->at, "\n");
	return true;
}

static bool read_statement(struct parser *p)
{
	uint32_t value;
	size_t at;

	if (is_for_another(p))
		return true;
	accept(p, p->runner == SCN_NET ? "net:" : "sim:");
	const struct word w = next(p);
	if (w.len == 0)
		return true;
	if (is(w, "title"))
		return rest_of_line(p, p->s->title);
	if (is(w, "only"))
		return read_only(p);
	if (is(w, "path"))
		return read_path(p);
	if (is(w, "traffic"))
		return read_traffic(p);
	if (is(w, "at"))
		return read_event(p);
	if (is(w, "bound"))
		return parse_bound(p);
	if (is(w, "expect") || is(w, "never") || is(w, "finally"))
		return parse_check(p, *w.text == 'e' ? SCN_EXPECT : *w.text == 'n' ? SCN_NEVER : SCN_FINALLY);
	if (is(w, "end")) {
		p->has_end = true;
		return need_time(p, &p->s->end_us);
	}
	if (!is(w, "policy"))
		return wrong(
			p,
			"\"%.*s\": title, only, path, policy, traffic, at, expect, never, finally, bound or end "
			"is wanted",
			WORD(w));
	if (!read_policy(p, &at, &value))
		return false;
	memcpy((char *)&p->s->policy + at, &value, sizeof(value));
	return true;
}

static bool is_whole(struct parser *p)
{
	struct scn *s = p->s;

	if (!s->title[0])
		return wrong(p, "there is no title");
	if (s->paths == 0)
		return wrong(p, "there is no path");
	if (s->checks == 0)
		return wrong(p, "nothing is expected, bounded or forbidden");
	if (!p->has_end)
		s->end_us = p->last_us + END_AFTER_US;
	else if (s->end_us < p->last_us)
		return wrong(p, "the end comes before what is said for later");
	return true;
}

bool scn_parse(struct scn *s, const char *file, const char *text, enum scn_runner runner,
	       char error[SCN_ERROR])
{
	struct parser p = { .s = s, .runner = runner, .error = error, .size = SCN_ERROR };

	*s = (struct scn){ .runners = SCN_SIM | SCN_NET, .policy = policy_defaults };
	snprintf(s->file, sizeof(s->file), "%s", file);
	error[0] = 0;
	while (*text) {
		p.at = text;
		p.line++;
		if (!read_statement(&p))
			return false;
		const struct word w = next(&p);
		if (w.len > 0)
			return wrong(&p, "\"%.*s\": nothing more is wanted on this line", WORD(w));
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return is_whole(&p);
}

bool scn_read(struct scn *s, const char *file, enum scn_runner runner, char error[SCN_ERROR])
{
	static char text[65536];
	FILE *f = fopen(file, "r");
	size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

	if (f)
		fclose(f);
	if (!f || n == sizeof(text)) {
		snprintf(error, SCN_ERROR, "%s: %s", file, f ? "longer than 64 KiB" : "cannot be read");
		return false;
	}
	text[n] = 0;
	return scn_parse(s, file, text, runner, error);
}
