/* What each kind of audit record carries, and its name. */
#include "audit/fields.h"

#include <stddef.h>

static const char *const names[AUDIT_EVENT_COUNT] = {
#define X(NAME, name) [AUDIT_##NAME] = #name,
	AUDIT_LIST(X)
#undef X
};

static const unsigned int fields[AUDIT_EVENT_COUNT] = {
	[AUDIT_SESSION_STATE_CHANGE] = FIELD_TRANSITION | FIELD_BUDGET | FIELD_ELAPSED | FIELD_TRAFFIC,
	[AUDIT_TRANSPORT_SWITCH] = FIELD_BUDGET | FIELD_ELAPSED,
	[AUDIT_TRANSPORT_SWITCH_DENIED] = FIELD_BUDGET | FIELD_RETRY,
	[AUDIT_TRANSPORT_REBOUND] = FIELD_BUDGET,
	[AUDIT_REATTACH_ATTEMPT] = FIELD_BUDGET,
	[AUDIT_REATTACH_RESULT] = FIELD_BUDGET | FIELD_ELAPSED,
	[AUDIT_SESSION_REKEYED] = FIELD_EPOCH,
	[AUDIT_SESSION_TERMINATED] = FIELD_TRAFFIC,
};

const char *audit_event_name(unsigned int event)
{
	return event < AUDIT_EVENT_COUNT ? names[event] : NULL;
}

unsigned int audit_fields(enum audit_event event)
{
	return (unsigned int)event < AUDIT_EVENT_COUNT ? fields[event] : 0;
}

bool audit_is_warning(const struct audit_record *r)
{
	switch (r->event) {
	case AUDIT_TRANSPORT_SWITCH_DENIED:
	case AUDIT_SECURITY_REPLAY_DETECTED:
	case AUDIT_SECURITY_VALIDATION_FAILED:
	case AUDIT_AUDIT_GAP:
		return true;
	default:
		return r->reason == REASON_SECURITY_FAILURE || r->reason == REASON_ILLEGAL_TRANSITION;
	}
}
