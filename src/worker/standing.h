/*
 * One line on how the daemon stands, for the service manager's status: on the control loop, from the audit records
 * that pass there and what the workers count. Told when it changes, at most once in STANDING_MS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/time.h"

#define STANDING_MS 2000

struct standing {
	struct audit_record refused; /* the last one, with refused.count > 0 */
	uint64_t refusals;
	enum state state; /* of a client's session */
	char path[AUDIT_PATH_NAME_MAX + 1];
	struct jv_time told_at;
	char told[160];
};

void standing_note(struct standing *s, const struct audit_record *r);
/* The line, if it is another one than was told last and the time has come; NULL otherwise. */
const char *standing_news(struct standing *s, bool server, uint64_t sessions, struct jv_time now);
