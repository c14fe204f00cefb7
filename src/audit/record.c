/* What an audit record is called, and whether an operator should look at it. */
#include "audit/record.h"

#include <stddef.h>

static const char *const names[AUDIT_EVENT_COUNT] = {
#define X(NAME, name) [AUDIT_##NAME] = #name,
	AUDIT_LIST(X)
#undef X
};

const char *audit_event_name(unsigned int event)
{
	return event < AUDIT_EVENT_COUNT ? names[event] : NULL;
}

bool record_is_warning(const struct audit_record *r)
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
