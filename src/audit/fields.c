#include "audit/fields.h"

#include "base/text.h"

#define AT(member) .offset = offsetof(struct audit_record, member), .size = sizeof(((struct audit_record *)0)->member)

/* clang-format off */
const struct audit_field audit_fields[] = {
	{ "seq", FIELD_U64, FIELD_FILLED, AT(seq), .pass = 4 },
	{ "ts_ms", FIELD_U64, FIELD_ALWAYS, AT(ts_ms), .pass = FIELDS_NONE },
	{ "boot_us", FIELD_TIME, FIELD_ALWAYS, AT(at), .pass = FIELDS_NONE },
	{ "event_type", FIELD_EVENT, FIELD_ALWAYS, AT(event), .pass = FIELDS_NONE },
	{ "session_id", FIELD_HEX, FIELD_SESSION, AT(session_id), .alias = "session" },
	{ "peer", FIELD_TEXT, FIELD_FILLED, AT(peer), .pass = -1 },
	{ "public_key", FIELD_TEXT, FIELD_FILLED, AT(public_key), .pass = -1 },
	{ "role", FIELD_ROLE, FIELD_ALWAYS, AT(client), .pass = 3 },
	{ "node_id", FIELD_U8, FIELD_ALWAYS, AT(node_id), .alias = "node", .pass = 3 },
	{ "worker", FIELD_U8, FIELD_ALWAYS, AT(worker), .pass = FIELDS_NONE },
	{ "policy_version", FIELD_U32, FIELD_ALWAYS, AT(policy_version), .pass = 2 },
	{ "state_version", FIELD_U32, FIELD_SESSION, AT(state_version), .pass = 1 },
	{ "binding_version", FIELD_U32, FIELD_SESSION, AT(binding_version), .pass = 1 },
	{ "from", FIELD_STATE, FIELD_TRANSITION, AT(from) },
	{ "to", FIELD_STATE, FIELD_TRANSITION, AT(to) },
	{ "state", FIELD_STATES, FIELD_PRESENT, AT(to) },
	{ "reason_code", FIELD_REASON, FIELD_ALWAYS, AT(reason), .alias = "reason" },
	{ "path_from", FIELD_U8, FIELD_FILLED, AT(path_from) },
	{ "path_to", FIELD_U8, FIELD_FILLED, AT(path_to) },
	{ "path_name", FIELD_TEXT, FIELD_FILLED, AT(path_name) },
	{ "remote", FIELD_REMOTE, FIELD_FILLED, AT(remote) },
	{ "budget_left", FIELD_U32, FIELD_BUDGET, AT(budget_left) },
	{ "elapsed_ms", FIELD_U64, FIELD_ELAPSED, AT(elapsed_ms) },
	{ "retry_after_ms", FIELD_U32, FIELD_RETRY, AT(retry_after_ms) },
	{ "epoch", FIELD_U32, FIELD_EPOCH, AT(epoch) },
	{ "srtt_us", FIELD_U32, FIELD_FILLED, AT(srtt_us) },
	{ "loss_ppm", FIELD_U32, FIELD_FILLED, AT(loss_ppm) },
	{ "late_ms", FIELD_U32, FIELD_FILLED, AT(late_ms) },
#define X(key) { #key, FIELD_U64, FIELD_TRAFFIC, AT(traffic.key) },
	AUDIT_TRAFFIC_LIST(X)
#undef X
#define X(key) { #key, FIELD_U32, FIELD_FLAPS, AT(flaps.key) },
	AUDIT_FLAPS_LIST(X)
#undef X
#define X(key) { #key, FIELD_U32, FIELD_BOUNDS, AT(bounds.key) },
	AUDIT_BOUNDS_LIST(X)
#undef X
	{ "lost", FIELD_COUNT, FIELD_LOST, AT(count) },
	{ "count", FIELD_COUNT, FIELD_SEVERAL, AT(count) },
	{ "sources", FIELD_U32, FIELD_FILLED, AT(sources) },
};
/* clang-format on */

enum { COUNT = sizeof(audit_fields) / sizeof(audit_fields[0]) };

_Static_assert(COUNT <= 60, "a bit for each");
const unsigned int audit_fields_count = COUNT;

/* Of events that carry them whatever they are. */
#define CARRIES(WHEN) (1u << (WHEN))
static const unsigned int carried[AUDIT_EVENT_COUNT] = {
	[AUDIT_SESSION_STATE_CHANGE] =
		CARRIES(FIELD_BUDGET) | CARRIES(FIELD_ELAPSED) | CARRIES(FIELD_TRAFFIC) | CARRIES(FIELD_TRANSITION),
	[AUDIT_TRANSPORT_SWITCH] = CARRIES(FIELD_BUDGET) | CARRIES(FIELD_ELAPSED),
	[AUDIT_TRANSPORT_SWITCH_DENIED] = CARRIES(FIELD_BUDGET) | CARRIES(FIELD_RETRY),
	[AUDIT_TRANSPORT_REBOUND] = CARRIES(FIELD_BUDGET),
	[AUDIT_REATTACH_ATTEMPT] = CARRIES(FIELD_BUDGET),
	[AUDIT_REATTACH_RESULT] = CARRIES(FIELD_BUDGET) | CARRIES(FIELD_ELAPSED),
	[AUDIT_SESSION_REKEYED] = CARRIES(FIELD_EPOCH),
	[AUDIT_SESSION_TERMINATED] = CARRIES(FIELD_TRAFFIC),
};

static bool of_event(const struct audit_record *r, enum field_when when)
{
	return (unsigned int)r->event < AUDIT_EVENT_COUNT && carried[r->event] >> when & 1;
}

static const char *name_or(const char *name)
{
	return name ? name : "unknown";
}

void fields_value(const struct audit_field *f, const struct audit_record *r, struct field_value *out)
{
	const char *at = (const char *)r + f->offset;
	const void *value = at;

	out->text = NULL;
	out->most = sizeof(out->room);
	switch (f->kind) {
	case FIELD_U8:
		out->number = *(const uint8_t *)value;
		break;
	case FIELD_U32:
		out->number = *(const uint32_t *)value;
		break;
	case FIELD_U64:
	case FIELD_COUNT:
		out->number = *(const uint64_t *)value;
		break;
	case FIELD_TIME:
		out->number = r->at.us > 0 ? (uint64_t)r->at.us : 0;
		break;
	case FIELD_EVENT:
		out->text = name_or(audit_event_name(r->event));
		break;
	case FIELD_STATE:
	case FIELD_STATES:
		out->text = name_or(state_name(*(const enum state *)value));
		break;
	case FIELD_REASON:
		out->text = name_or(reason_name(r->reason));
		break;
	case FIELD_ROLE:
		out->text = r->client ? "client" : "server";
		break;
	case FIELD_HEX:
		hex_encode(out->room, value, f->size);
		out->text = out->room;
		break;
	case FIELD_TEXT:
		out->text = at;
		out->most = f->size;
		break;
	case FIELD_REMOTE:
		out->text = endpoint_format(&r->remote, out->room);
		break;
	}
}

static bool is_filled(const struct audit_field *f, const struct audit_record *r)
{
	struct field_value v;

	if (f->kind == FIELD_REMOTE)
		return r->remote.port != 0;
	fields_value(f, r, &v);
	return v.text ? v.text[0] != '\0' : v.number != (f->kind == FIELD_U8 ? AUDIT_NO_PATH : 0);
}

bool fields_carried(const struct audit_field *f, const struct audit_record *r)
{
	switch (f->when) {
	case FIELD_ALWAYS:
		return true;
	case FIELD_FILLED:
		return is_filled(f, r);
	case FIELD_BUDGET:
	case FIELD_ELAPSED:
	case FIELD_RETRY:
	case FIELD_EPOCH:
		return of_event(r, f->when) || is_filled(f, r);
	case FIELD_TRAFFIC:
		return of_event(r, f->when);
	case FIELD_SESSION:
		return r->has_session;
	case FIELD_TRANSITION:
		return r->has_session && of_event(r, FIELD_TRANSITION);
	case FIELD_PRESENT:
		return r->has_session && !of_event(r, FIELD_TRANSITION);
	case FIELD_FLAPS:
		return r->event == AUDIT_SESSION_STATE_CHANGE && r->count > 1;
	case FIELD_BOUNDS:
		return r->bounds.max_lifetime_ms != 0;
	case FIELD_LOST:
		return r->event == AUDIT_AUDIT_GAP;
	case FIELD_SEVERAL:
		return r->event != AUDIT_AUDIT_GAP && r->count > 1;
	}
	return false;
}
