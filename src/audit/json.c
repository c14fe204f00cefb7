/*
 * An audit record as one JSON object on one line.
 *
 * Written by hand since it runs for every record and must be bounded: the keys stand in a fixed order, the
 * texts of a record are short arrays, so the longest object there can be fits AUDIT_JSON_MAX.
 */
#include "audit/audit.h"

#include <string.h>

#include "audit/fields.h"
#include "audit/out.h"
#include "base/text.h"

static void json_key(struct out *o, const char *key)
{
	out_char(o, o->at == o->start ? '{' : ',');
	out_char(o, '"');
	out_str(o, key);
	out_str(o, "\":");
}

static void json_number(struct out *o, const char *key, uint64_t n)
{
	json_key(o, key);
	out_number(o, n);
}

/* Length of the UTF-8 sequence at `s`, or 0 when it is none (cut off, overlong, surrogate, too large). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (!len || left < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void json_ascii(struct out *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		out_char(o, '\\');
		out_char(o, (char)c);
	} else if (c < 0x20 || c == 0x7f) {
		out_str(o, "\\u00");
		out_char(o, hex[c >> 4]);
		out_char(o, hex[c & 15]);
	} else {
		out_char(o, (char)c);
	}
}

/* At most `max` bytes of `s`; a byte that is not UTF-8 becomes U+FFFD. */
static void json_string(struct out *o, const char *key, const char *s, size_t max)
{
	size_t left = strnlen(s, max);
	const unsigned char *p = (const unsigned char *)s;

	json_key(o, key);
	out_char(o, '"');
	while (left) {
		size_t len = *p < 0x80 ? 1 : utf8_length(p, left);

		if (*p < 0x80)
			json_ascii(o, *p);
		else if (!len)
			out_str(o, "\xef\xbf\xbd");
		for (size_t i = 0; len > 1 && i < len; i++)
			out_char(o, (char)p[i]);
		p += len ? len : 1;
		left -= len ? len : 1;
	}
	out_char(o, '"');
}

static void json_name(struct out *o, const char *key, const char *name)
{
	json_string(o, key, name ? name : "unknown", 64);
}

static void json_session(struct out *o, const struct audit_record *r)
{
	char hex[2 * sizeof(r->session_id) + 1];

	if (!r->has_session)
		return;
	hex_encode(hex, r->session_id, sizeof(r->session_id));
	json_string(o, "session_id", hex, sizeof(hex));
}

static void json_states(struct out *o, const struct audit_record *r)
{
	if (!r->has_session)
		return;
	json_number(o, "state_version", r->state_version);
	json_number(o, "binding_version", r->binding_version);
	if (audit_fields(r->event) & FIELD_TRANSITION) {
		json_name(o, "from", state_name(r->from));
		json_name(o, "to", state_name(r->to));
	} else {
		json_name(o, "state", state_name(r->to));
	}
}

static void json_paths(struct out *o, const struct audit_record *r)
{
	char remote[ENDPOINT_STRLEN];

	if (r->path_from != AUDIT_NO_PATH)
		json_number(o, "path_from", r->path_from);
	if (r->path_to != AUDIT_NO_PATH)
		json_number(o, "path_to", r->path_to);
	if (r->path_name[0])
		json_string(o, "path_name", r->path_name, sizeof(r->path_name));
	if (r->remote.port)
		json_string(o, "remote", endpoint_format(&r->remote, remote), sizeof(remote));
}

static void json_traffic(struct out *o, const struct audit_traffic *t)
{
#define X(key) json_number(o, #key, t->key);
	AUDIT_TRAFFIC_LIST(X)
#undef X
}

static void json_flaps(struct out *o, const struct audit_record *r)
{
	if (r->event != AUDIT_SESSION_STATE_CHANGE || r->count < 2)
		return;
#define X(key) json_number(o, #key, r->flaps.key);
	AUDIT_FLAPS_LIST(X)
#undef X
}

static void json_bounds(struct out *o, const struct audit_bounds *b)
{
	if (b->max_lifetime_ms == 0)
		return;
#define X(key) json_number(o, #key, b->key);
	AUDIT_BOUNDS_LIST(X)
#undef X
}

static void json_optional(struct out *o, const char *key, bool always, uint64_t n)
{
	if (always || n)
		json_number(o, key, n);
}

size_t audit_json(char out[AUDIT_JSON_MAX], const struct audit_record *r)
{
	struct out o = out_init(out, AUDIT_JSON_MAX);
	unsigned int fields = audit_fields(r->event);

	if (r->seq)
		json_number(&o, "seq", r->seq);
	json_number(&o, "ts_ms", r->ts_ms);
	json_number(&o, "boot_us", r->at.us > 0 ? (uint64_t)r->at.us : 0);
	json_name(&o, "event_type", audit_event_name(r->event));
	json_session(&o, r);
	if (r->peer[0])
		json_string(&o, "peer", r->peer, sizeof(r->peer));
	if (r->public_key[0])
		json_string(&o, "public_key", r->public_key, sizeof(r->public_key));
	json_name(&o, "role", r->client ? "client" : "server");
	json_number(&o, "node_id", r->node_id);
	json_number(&o, "worker", r->worker);
	json_number(&o, "policy_version", r->policy_version);
	json_states(&o, r);
	json_name(&o, "reason_code", reason_name(r->reason));
	json_paths(&o, r);
	json_optional(&o, "budget_left", fields & FIELD_BUDGET, r->budget_left);
	json_optional(&o, "elapsed_ms", fields & FIELD_ELAPSED, r->elapsed_ms);
	json_optional(&o, "retry_after_ms", fields & FIELD_RETRY, r->retry_after_ms);
	json_optional(&o, "epoch", fields & FIELD_EPOCH, r->epoch);
	json_optional(&o, "srtt_us", false, r->srtt_us);
	json_optional(&o, "loss_ppm", false, r->loss_ppm);
	json_optional(&o, "late_ms", false, r->late_ms);
	if (fields & FIELD_TRAFFIC)
		json_traffic(&o, &r->traffic);
	json_flaps(&o, r);
	json_bounds(&o, &r->bounds);
	if (r->event == AUDIT_AUDIT_GAP)
		json_number(&o, "lost", r->count);
	else if (r->count > 1)
		json_number(&o, "count", r->count);
	json_optional(&o, "sources", false, r->sources);
	out_char(&o, '}');
	return out_finish(&o);
}
