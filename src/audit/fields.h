/* Which fields an event always carries; a field that is not zero is written in any case. */
#pragma once

#include <stdbool.h>

#include "audit/record.h"

enum audit_field {
	FIELD_TRANSITION = 1 << 0, /* from and to; other events of a session carry `state` */
	FIELD_BUDGET = 1 << 1,
	FIELD_ELAPSED = 1 << 2,
	FIELD_RETRY = 1 << 3,
	FIELD_EPOCH = 1 << 4,
	FIELD_TRAFFIC = 1 << 5,
};

unsigned int audit_fields(enum audit_event event);
/* Something an operator should look at: a refusal, a forgery, a gap. */
bool audit_is_warning(const struct audit_record *r);
