/* An audit record as one line of key=value, for syslog and for those who read it with grep. */
#include "audit/audit.h"

#include <string.h>

#include "audit/fields.h"
#include "audit/out.h"
#include "base/text.h"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._-:@/+[]%", c));
}

static void text_key(struct out *o, const char *key)
{
	out_char(o, ' ');
	out_str(o, key);
	out_char(o, '=');
}

static void text_number(struct out *o, const char *key, uint64_t n)
{
	text_key(o, key);
	out_number(o, n);
}

static void text_name(struct out *o, const char *key, const char *name)
{
	text_key(o, key);
	out_str(o, name ? name : "unknown");
}

/* Foreign text: quoted where it is not one plain word, and never more than one line. */
static void text_string(struct out *o, const char *key, const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	bool plain = true;

	for (size_t i = 0; i < len; i++)
		plain = plain && is_plain(s[i]);
	text_key(o, key);
	if (!plain)
		out_char(o, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			out_char(o, '\\');
		out_char(o, c < 0x20 || c == 0x7f ? '?' : s[i]);
	}
	if (!plain)
		out_char(o, '"');
}

static void text_session(struct out *o, const struct audit_record *r)
{
	char hex[2 * sizeof(r->session_id) + 1];

	if (!r->has_session)
		return;
	hex_encode(hex, r->session_id, sizeof(r->session_id));
	text_name(o, "session", hex);
}

static void text_states(struct out *o, const struct audit_record *r)
{
	if (!r->has_session)
		return;
	if (audit_fields(r->event) & FIELD_TRANSITION)
		text_name(o, "from", state_name(r->from));
	text_name(o, audit_fields(r->event) & FIELD_TRANSITION ? "to" : "state", state_name(r->to));
}

static void text_paths(struct out *o, const struct audit_record *r)
{
	char remote[ENDPOINT_STRLEN];

	if (r->path_from != AUDIT_NO_PATH)
		text_number(o, "path_from", r->path_from);
	if (r->path_to != AUDIT_NO_PATH)
		text_number(o, "path_to", r->path_to);
	if (r->path_name[0])
		text_string(o, "path_name", r->path_name, sizeof(r->path_name));
	if (r->remote.port)
		text_string(o, "remote", endpoint_format(&r->remote, remote), sizeof(remote));
}

static void text_optional(struct out *o, const char *key, bool always, uint64_t n)
{
	if (always || n)
		text_number(o, key, n);
}

static void text_traffic(struct out *o, const struct audit_traffic *t)
{
#define X(key) text_number(o, #key, t->key);
	AUDIT_TRAFFIC_LIST(X)
#undef X
}

static void text_flaps(struct out *o, const struct audit_record *r)
{
	if (r->event != AUDIT_SESSION_STATE_CHANGE || r->count < 2)
		return;
#define X(key) text_number(o, #key, r->flaps.key);
	AUDIT_FLAPS_LIST(X)
#undef X
}

static void text_bounds(struct out *o, const struct audit_bounds *b)
{
	if (b->max_lifetime_ms == 0)
		return;
#define X(key) text_number(o, #key, b->key);
	AUDIT_BOUNDS_LIST(X)
#undef X
}

size_t audit_text(char out[AUDIT_JSON_MAX], const struct audit_record *r)
{
	struct out o = out_init(out, AUDIT_JSON_MAX);
	unsigned int fields = audit_fields(r->event);
	const char *name = audit_event_name(r->event);

	out_str(&o, name ? name : "unknown");
	if (r->peer[0])
		text_string(&o, "peer", r->peer, sizeof(r->peer));
	if (r->public_key[0])
		text_string(&o, "public_key", r->public_key, sizeof(r->public_key));
	text_session(&o, r);
	text_states(&o, r);
	text_name(&o, "reason", reason_name(r->reason));
	text_paths(&o, r);
	text_optional(&o, "budget_left", fields & FIELD_BUDGET, r->budget_left);
	text_optional(&o, "elapsed_ms", fields & FIELD_ELAPSED, r->elapsed_ms);
	text_optional(&o, "retry_after_ms", fields & FIELD_RETRY, r->retry_after_ms);
	text_optional(&o, "epoch", fields & FIELD_EPOCH, r->epoch);
	text_optional(&o, "srtt_us", false, r->srtt_us);
	text_optional(&o, "loss_ppm", false, r->loss_ppm);
	text_optional(&o, "late_ms", false, r->late_ms);
	if (fields & FIELD_TRAFFIC)
		text_traffic(&o, &r->traffic);
	text_flaps(&o, r);
	text_bounds(&o, &r->bounds);
	if (r->event == AUDIT_AUDIT_GAP)
		text_number(&o, "lost", r->count);
	else if (r->count > 1)
		text_number(&o, "count", r->count);
	text_optional(&o, "sources", false, r->sources);
	if (r->has_session) {
		text_number(&o, "state_version", r->state_version);
		text_number(&o, "binding_version", r->binding_version);
	}
	text_number(&o, "policy_version", r->policy_version);
	text_name(&o, "role", r->client ? "client" : "server");
	text_number(&o, "node", r->node_id);
	text_optional(&o, "seq", false, r->seq);
	return out_finish(&o);
}
