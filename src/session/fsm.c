/*
 * The session's state machine: rows of states, events and reasons, and nothing else.
 *
 * Any thread.
 */
#include "session/fsm.h"

#include <stdint.h>

#define ST(name) (1u << STATE_##name)
#define WHY(name) (UINT64_C(1) << REASON_##name)
#define LIVING (ST(BIRTH) | ST(ATTACHED) | ST(VOLATILE) | ST(DEGRADED) | ST(RECOVERING))

#define WHY_INSTABLE                                                                                         \
	(WHY(HEARTBEAT_TIMEOUT) | WHY(LOSS_THRESHOLD_EXCEEDED) | WHY(CONSECUTIVE_DROP_EXCEEDED) |            \
	 WHY(LATENCY_THRESHOLD_EXCEEDED) | WHY(TRANSPORT_DEAD) | WHY(ADDRESS_CHANGED) | WHY(PEER_REPORTED) | \
	 WHY(POLICY_FORCED) | WHY(DATA_STALLED))
#define WHY_DEGRADE (WHY(VOLATILE_PERSISTED) | WHY(SWITCH_RATE_LIMITED) | WHY(NO_CANDIDATE_TRANSPORTS))
#define WHY_SWITCH                                                                         \
	(WHY(LOSS_RECOVERY) | WHY(DEAD_TRANSPORT_RECOVERY) | WHY(POLICY_FORCED_RECOVERY) | \
	 WHY(HEALTH_RECOVERED))
#define WHY_FAIL                                                                               \
	(WHY(REATTACH_VALIDATION_FAILED) | WHY(NO_CANDIDATE_TRANSPORTS) | WHY(POLICY_DENIED) | \
	 WHY(SWITCH_RATE_LIMITED) | WHY(RECOVERY_WINDOW_EXPIRED))
#define WHY_END                                                                                 \
	(WHY(SESSION_LIFETIME_EXCEEDED) | WHY(TRANSPORT_TTL_EXCEEDED) | WHY(SECURITY_FAILURE) | \
	 WHY(OPERATOR_TERMINATED) | WHY(PEER_CLOSED) | WHY(PEER_REMOVED) | WHY(SUPERSEDED) |    \
	 WHY(OWNERSHIP_LOST) | WHY(REKEY_OVERDUE) | WHY(MACHINE_CLONED))

/* clang-format off */
static const struct row {
	unsigned int from; /* any of these states */
	enum event event;
	enum state to;
	uint64_t reasons;
} rows[] = {
	/* from                       event                    to                reasons */
	{ ST(BIRTH),                  EVENT_ATTACH_OK,         STATE_ATTACHED,   WHY(ATTACHED_TO_TRANSPORT) },
	{ ST(BIRTH),                  EVENT_HANDSHAKE_EXPIRED, STATE_TERMINATED, WHY(HANDSHAKE_TIMEOUT) },
	{ ST(ATTACHED),               EVENT_INSTABILITY,       STATE_VOLATILE,   WHY_INSTABLE },
	{ ST(VOLATILE),               EVENT_HEALTH_RESTORED,   STATE_ATTACHED,   WHY(HEALTH_RECOVERED) },
	{ ST(VOLATILE),               EVENT_DEGRADE,           STATE_DEGRADED,   WHY_DEGRADE },
	{ ST(VOLATILE) | ST(DEGRADED), EVENT_SWITCH_START,     STATE_RECOVERING, WHY_SWITCH },
	{ ST(RECOVERING),             EVENT_REATTACH_OK,       STATE_ATTACHED,   WHY(REATTACH_SUCCESS) },
	{ ST(RECOVERING),             EVENT_REATTACH_FAIL,     STATE_DEGRADED,   WHY_FAIL },
	{ LIVING,                     EVENT_TERMINAL,          STATE_TERMINATED, WHY_END },
};
/* clang-format on */

bool fsm_next(enum state from, enum event event, enum reason why, enum state *to)
{
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		if (r->event != event || !(r->from & 1u << from))
			continue;
		if (why >= 64 || !(r->reasons & UINT64_C(1) << why))
			return false;
		*to = r->to;
		return true;
	}
	return false;
}
