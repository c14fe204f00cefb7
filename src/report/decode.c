#include "report/decode.h"

#include <string.h>

#include "base/text.h"

enum kind { U8, U32, U64, AT, EVENT, STATE, BOTH_STATES, REASON, ROLE, ID, TEXT, REMOTE, RUN, HASH, COUNT };

#define AT_RECORD(member) offsetof(struct decoded, r.member)
#define TEXT_OF(member) AT_RECORD(member), sizeof(((struct audit_record *)0)->member)

/* In the order in which they are written: then each is found at once. */
static const struct key {
	const char *name;
	enum kind kind;
	size_t offset, size;
	bool needed;
} keys[] = {
	{ "seq", U64, AT_RECORD(seq), 0, false },
	{ "ts_ms", U64, AT_RECORD(ts_ms), 0, true },
	{ "boot_us", AT, AT_RECORD(at), 0, true },
	{ "event_type", EVENT, AT_RECORD(event), 0, true },
	{ "session_id", ID, AT_RECORD(session_id), 0, false },
	{ "peer", TEXT, TEXT_OF(peer), false },
	{ "public_key", TEXT, TEXT_OF(public_key), false },
	{ "role", ROLE, AT_RECORD(client), 0, true },
	{ "node_id", U8, AT_RECORD(node_id), 0, true },
	{ "worker", U8, AT_RECORD(worker), 0, true },
	{ "policy_version", U32, AT_RECORD(policy_version), 0, true },
	{ "state_version", U32, AT_RECORD(state_version), 0, false },
	{ "binding_version", U32, AT_RECORD(binding_version), 0, false },
	{ "from", STATE, AT_RECORD(from), 0, false },
	{ "to", STATE, AT_RECORD(to), 0, false },
	{ "state", BOTH_STATES, 0, 0, false },
	{ "reason_code", REASON, AT_RECORD(reason), 0, true },
	{ "path_from", U8, AT_RECORD(path_from), 0, false },
	{ "path_to", U8, AT_RECORD(path_to), 0, false },
	{ "path_name", TEXT, TEXT_OF(path_name), false },
	{ "remote", REMOTE, AT_RECORD(remote), 0, false },
	{ "budget_left", U32, AT_RECORD(budget_left), 0, false },
	{ "elapsed_ms", U64, AT_RECORD(elapsed_ms), 0, false },
	{ "retry_after_ms", U32, AT_RECORD(retry_after_ms), 0, false },
	{ "epoch", U32, AT_RECORD(epoch), 0, false },
	{ "srtt_us", U32, AT_RECORD(srtt_us), 0, false },
	{ "loss_ppm", U32, AT_RECORD(loss_ppm), 0, false },
	{ "late_ms", U32, AT_RECORD(late_ms), 0, false },
#define X(key) { #key, U64, AT_RECORD(traffic.key), 0, false },
	AUDIT_TRAFFIC_LIST(X)
#undef X
#define X(key) { #key, U32, AT_RECORD(flaps.key), 0, false },
	AUDIT_FLAPS_LIST(X)
#undef X
#define X(key) { #key, U32, AT_RECORD(bounds.key), 0, false },
	AUDIT_BOUNDS_LIST(X)
#undef X
		{ "lost", COUNT, AT_RECORD(count), 0, false },
	{ "count", COUNT, AT_RECORD(count), 0, false },
	{ "sources", U32, AT_RECORD(sources), 0, false },
	{ "run", RUN, offsetof(struct decoded, run), AUDIT_RUN_LEN, true },
	{ "prev", HASH, offsetof(struct decoded, prev), AUDIT_CHAIN_LEN, false },
	{ "chain", HASH, offsetof(struct decoded, chain), AUDIT_CHAIN_LEN, true },
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]), VALUE_MAX = 256 };

_Static_assert(KEYS <= 64, "a bit for each key");

struct cursor {
	const char *start, *at, *end;
};

struct value { /* of a key: a number, or an unescaped text */
	bool is_number;
	uint64_t number;
	size_t len;
	char text[VALUE_MAX];
};

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash: what the encoder escapes, and nothing else. */
static int unescape(struct cursor *c)
{
	int high, low;

	if (c->at == c->end)
		return -1;
	if (*c->at == '"' || *c->at == '\\')
		return *c->at++;
	if (c->end - c->at < 5 || memcmp(c->at, "u00", 3) != 0)
		return -1;
	high = hex_digit(c->at[3]);
	low = hex_digit(c->at[4]);
	c->at += 5;
	return high < 0 || low < 0 || (high == 0 && low == 0) ? -1 : high << 4 | low;
}

static bool take_text(struct cursor *c, struct value *v)
{
	v->len = 0;
	while (c->at < c->end && *c->at != '"') {
		int byte = (unsigned char)*c->at++;

		if (byte < 0x20 || byte == 0x7f)
			return false;
		if (byte == '\\')
			byte = unescape(c);
		if (byte < 0 || v->len + 1 >= sizeof(v->text))
			return false;
		v->text[v->len++] = (char)byte;
	}
	v->text[v->len] = '\0';
	return take(c, '"');
}

static bool take_number(struct cursor *c, uint64_t *out)
{
	const char *first = c->at;
	uint64_t n = 0;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
		const unsigned int digit = (unsigned int)(*c->at++ - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = 10 * n + digit;
	}
	*out = n;
	return c->at > first && (*first != '0' || c->at == first + 1);
}

static bool take_value(struct cursor *c, struct value *v)
{
	v->is_number = !take(c, '"');
	return v->is_number ? take_number(c, &v->number) : take_text(c, v);
}

/* A key's place in the list; looked for behind the last one first. KEYS: unknown. */
static unsigned int take_key(struct cursor *c, unsigned int last)
{
	const char *name = c->at + 1;
	const char *quote;
	size_t len;

	if (!take(c, '"'))
		return KEYS;
	quote = memchr(c->at, '"', (size_t)(c->end - c->at));
	if (!quote)
		return KEYS;
	len = (size_t)(quote - name);
	c->at = quote + 1;
	if (!take(c, ':'))
		return KEYS;
	for (unsigned int i = 0; i < KEYS; i++) {
		const unsigned int k = (last + i) % KEYS;

		if (keys[k].name[0] == name[0] && strlen(keys[k].name) == len &&
		    memcmp(keys[k].name, name, len) == 0)
			return k;
	}
	return KEYS;
}

static bool name_to(unsigned int *out, const char *(*name)(unsigned int), unsigned int count,
		    const char *text)
{
	for (unsigned int i = 0; i < count; i++) {
		const char *n = name(i);

		if (n && n[0] == text[0] && strcmp(n, text) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool set_number(struct decoded *out, const struct key *k, uint64_t n)
{
	char *at = (char *)out + k->offset;

	switch (k->kind) {
	case U8:
		*(uint8_t *)at = (uint8_t)n;
		return n <= UINT8_MAX;
	case U32:
		*(uint32_t *)(void *)at = (uint32_t)n;
		return n <= UINT32_MAX;
	case U64:
	case COUNT:
		*(uint64_t *)(void *)at = n;
		return k->kind == U64 || n > 0;
	case AT:
		out->r.at.us = (int64_t)n;
		return n < INT64_MAX / 4;
	default:
		return false;
	}
}

static bool set_text(struct decoded *out, const struct key *k, const struct value *v)
{
	char *at = (char *)out + k->offset;
	unsigned int n = 0;
	bool ok = v->len == strlen(v->text);

	switch (k->kind) {
	case EVENT:
		ok = ok && name_to(&n, audit_event_name, AUDIT_EVENT_COUNT, v->text);
		out->r.event = n;
		return ok;
	case STATE:
	case BOTH_STATES:
		ok = ok && name_to(&n, state_name, STATE_COUNT, v->text);
		if (k->kind == STATE)
			*(enum state *)(void *)at = n;
		else
			out->r.from = out->r.to = n;
		return ok;
	case REASON:
		ok = ok && name_to(&n, reason_name, REASON_MAX + 1, v->text);
		out->r.reason = n;
		return ok;
	case ROLE:
		out->r.client = strcmp(v->text, "client") == 0;
		return out->r.client || strcmp(v->text, "server") == 0;
	case ID:
		out->r.has_session = true;
		return ok && hex_decode(out->r.session_id, sizeof(out->r.session_id), v->text);
	case TEXT:
		if (!ok || v->len > k->size || (v->len == k->size && k->size == 0))
			return false;
		memcpy(at, v->text, v->len < k->size ? v->len + 1 : v->len);
		return v->len > 0;
	case REMOTE:
		return ok && endpoint_parse(v->text, &out->r.remote) && out->r.remote.port != 0;
	case RUN:
	case HASH:
		return ok && hex_decode((uint8_t *)at, k->size, v->text);
	default:
		return false;
	}
}

/* What must stand together. */
static const char *judge(const struct decoded *out, uint64_t seen)
{
	uint64_t needed = 0, bounds = 0;
	bool is_change = out->r.event == AUDIT_SESSION_STATE_CHANGE;
	unsigned int states = 0;

	for (unsigned int i = 0; i < KEYS; i++) {
		const bool is_state = keys[i].kind == STATE && seen >> i & 1;

		if (keys[i].needed)
			needed |= UINT64_C(1) << i;
		if (keys[i].offset >= AT_RECORD(bounds) &&
		    keys[i].offset < AT_RECORD(bounds) + sizeof(struct audit_bounds))
			bounds |= UINT64_C(1) << i;
		states += is_state ? 1 : keys[i].kind == BOTH_STATES && seen >> i & 1 ? 4 : 0;
	}
	if ((seen & needed) != needed)
		return "a field is missing";
	if (!out->r.has_session ? states != 0 : states != (is_change ? 2 : 4))
		return "the states do not fit the event";
	if ((seen & bounds) != 0 && (seen & bounds) != bounds)
		return "some bounds are missing";
	if (out->r.seq == 0 && out->r.event != AUDIT_AUDIT_GAP)
		return "seq is missing";
	return NULL;
}

const char *decode(struct decoded *out, const char *line, size_t len)
{
	struct cursor c = { line, line, line + len };
	unsigned int k = 0;
	uint64_t seen = 0;
	struct value v;

	memset(out, 0, sizeof(*out));
	out->r.path_from = out->r.path_to = AUDIT_NO_PATH;
	out->r.count = 1;
	if (len >= AUDIT_LINE_MAX)
		return "the line is too long";
	if (!take(&c, '{'))
		return "no JSON object";
	do {
		const char *before = c.at;

		k = take_key(&c, k);
		if (k == KEYS)
			return "a key that is not known";
		if (seen >> k & 1)
			return "a key stands twice";
		seen |= UINT64_C(1) << k;
		if (!take_value(&c, &v))
			return "a value cannot be read";
		if (!(v.is_number ? set_number(out, &keys[k], v.number) : set_text(out, &keys[k], &v)))
			return "a value is out of range";
		out->has_prev = out->has_prev || strcmp(keys[k].name, "prev") == 0;
		out->chained = (size_t)(before - 1 - line);
	} while (take(&c, ','));
	if (!take(&c, '}') || c.at != c.end)
		return "no end of the object";
	if (k != KEYS - 1)
		return "the chain does not stand last";
	return judge(out, seen);
}
