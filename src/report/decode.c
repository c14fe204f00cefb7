#include "report/decode.h"

#include <string.h>

#include "audit/fields.h"
#include "base/text.h"

/* What stands behind the record; `chain` last. */
static const struct audit_field chain_fields[] = {
	{ "run", FIELD_HEX, FIELD_ALWAYS, offsetof(struct decoded, run), AUDIT_RUN_LEN, .pass = FIELDS_NONE },
	{ "prev", FIELD_HEX, FIELD_FILLED, offsetof(struct decoded, prev), AUDIT_CHAIN_LEN, .pass = FIELDS_NONE },
	{ "chain", FIELD_HEX, FIELD_ALWAYS, offsetof(struct decoded, chain), AUDIT_CHAIN_LEN, .pass = FIELDS_NONE },
};

enum { CHAIN_FIELDS = sizeof(chain_fields) / sizeof(chain_fields[0]), VALUE_MAX = 256 };

_Static_assert(offsetof(struct decoded, r) == 0, "the offsets of a record's fields are those of what is decoded");

static unsigned int key_count(void)
{
	return audit_fields_count + CHAIN_FIELDS;
}

/* In the order in which they are written: then each is found at once. */
static const struct audit_field *key_at(unsigned int k)
{
	return k < audit_fields_count ? &audit_fields[k] : &chain_fields[k - audit_fields_count];
}

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

/* A key's place in the list; looked for behind the last one first. key_count(): unknown. */
static unsigned int take_key(struct cursor *c, unsigned int last)
{
	const unsigned int keys = key_count();
	const char *name = c->at + 1, *quote;
	size_t len;

	if (!take(c, '"'))
		return keys;
	quote = memchr(c->at, '"', (size_t)(c->end - c->at));
	if (!quote)
		return keys;
	len = (size_t)(quote - name);
	c->at = quote + 1;
	if (!take(c, ':'))
		return keys;
	for (unsigned int i = 0; i < keys; i++) {
		const unsigned int k = (last + i) % keys;
		const char *key = key_at(k)->key;

		if (key[0] == name[0] && strlen(key) == len && memcmp(key, name, len) == 0)
			return k;
	}
	return keys;
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

static bool set_number(struct decoded *out, const struct audit_field *f, uint64_t n)
{
	char *at = (char *)out + f->offset;

	switch (f->kind) {
	case FIELD_U8:
		*(uint8_t *)at = (uint8_t)n;
		return n <= UINT8_MAX;
	case FIELD_U32:
		*(uint32_t *)(void *)at = (uint32_t)n;
		return n <= UINT32_MAX;
	case FIELD_U64:
	case FIELD_COUNT:
		*(uint64_t *)(void *)at = n;
		return f->kind == FIELD_U64 || n > 0;
	case FIELD_TIME:
		out->r.at.us = (int64_t)n;
		return n < INT64_MAX / 4;
	default:
		return false;
	}
}

static bool set_text(struct decoded *out, const struct audit_field *f, const struct value *v)
{
	char *at = (char *)out + f->offset;
	unsigned int n = 0;
	bool ok = v->len == strlen(v->text);

	switch (f->kind) {
	case FIELD_EVENT:
		ok = ok && name_to(&n, audit_event_name, AUDIT_EVENT_COUNT, v->text);
		out->r.event = n;
		return ok;
	case FIELD_STATE:
	case FIELD_STATES:
		ok = ok && name_to(&n, state_name, STATE_COUNT, v->text);
		*(enum state *)(void *)at = n;
		if (f->kind == FIELD_STATES)
			out->r.from = out->r.to = n;
		return ok;
	case FIELD_REASON:
		ok = ok && name_to(&n, reason_name, REASON_MAX + 1, v->text);
		out->r.reason = n;
		return ok;
	case FIELD_ROLE:
		out->r.client = strcmp(v->text, "client") == 0;
		return out->r.client || strcmp(v->text, "server") == 0;
	case FIELD_HEX:
		out->r.has_session = out->r.has_session || f->when == FIELD_SESSION;
		return ok && hex_decode((uint8_t *)at, f->size, v->text);
	case FIELD_TEXT:
		if (!ok || v->len > f->size)
			return false;
		memcpy(at, v->text, v->len < f->size ? v->len + 1 : v->len);
		return v->len > 0;
	case FIELD_REMOTE:
		return ok && endpoint_parse(v->text, &out->r.remote) && out->r.remote.port != 0;
	default:
		return false;
	}
}

/* What must stand together. */
static const char *judge(const struct decoded *out, uint64_t seen)
{
	uint64_t needed = 0, bounds = 0, of_change = 0, of_others = 0;
	const bool is_change = out->r.event == AUDIT_SESSION_STATE_CHANGE;

	for (unsigned int i = 0; i < key_count(); i++) {
		const uint64_t bit = UINT64_C(1) << i;
		const enum field_when when = key_at(i)->when;

		needed |= when == FIELD_ALWAYS ? bit : 0;
		bounds |= when == FIELD_BOUNDS ? bit : 0;
		of_change |= when == FIELD_TRANSITION ? bit : 0;
		of_others |= when == FIELD_PRESENT ? bit : 0;
	}
	if ((seen & needed) != needed)
		return "a field is missing";
	if ((seen & (of_change | of_others)) != (!out->r.has_session ? 0 : is_change ? of_change : of_others))
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
		if (k == key_count())
			return "a key that is not known";
		if (seen >> k & 1)
			return "a key stands twice";
		seen |= UINT64_C(1) << k;
		if (!take_value(&c, &v))
			return "a value cannot be read";
		if (!(v.is_number ? set_number(out, key_at(k), v.number) : set_text(out, key_at(k), &v)))
			return "a value is out of range";
		out->has_prev = out->has_prev || strcmp(key_at(k)->key, "prev") == 0;
		out->chained = (size_t)(before - 1 - line);
	} while (take(&c, ','));
	if (!take(&c, '}') || c.at != c.end)
		return "no end of the object";
	if (k != key_count() - 1)
		return "the chain does not stand last";
	return judge(out, seen);
}
