#include "report/contract.h"

#include <stdint.h>

#define R(name) (UINT64_C(1) << REASON_##name)
#define TERMINAL                                                                                         \
	(R(SESSION_LIFETIME_EXCEEDED) | R(TRANSPORT_TTL_EXCEEDED) | R(SECURITY_FAILURE) |                \
	 R(OPERATOR_TERMINATED) | R(PEER_CLOSED) | R(PEER_REMOVED) | R(SUPERSEDED) | R(OWNERSHIP_LOST) | \
	 R(REKEY_OVERDUE) | R(MACHINE_CLONED))
#define INSTABLE                                                                                     \
	(R(HEARTBEAT_TIMEOUT) | R(LOSS_THRESHOLD_EXCEEDED) | R(CONSECUTIVE_DROP_EXCEEDED) |          \
	 R(LATENCY_THRESHOLD_EXCEEDED) | R(TRANSPORT_DEAD) | R(ADDRESS_CHANGED) | R(PEER_REPORTED) | \
	 R(POLICY_FORCED) | R(DATA_STALLED))
#define DENIAL                                                                                    \
	(R(UNKNOWN_SESSION) | R(INVALID_STATE_FOR_REATTACH) | R(SESSION_EXPIRED) | R(BAD_PROOF) | \
	 R(REPLAY_DETECTED) | R(STALE_REQUEST) | R(STALE_BINDING_VERSION) | R(COOLDOWN_ACTIVE) |  \
	 R(SWITCH_RATE_LIMITED) | R(POLICY_DENIED) | R(INVALID_TRANSPORT_CANDIDATE) |             \
	 R(OWNERSHIP_CONFLICT) | R(OWNERSHIP_STORE_UNAVAILABLE))

static uint64_t reasons(enum state from, enum state to)
{
	if (from == STATE_TERMINATED)
		return 0;
	if (to == STATE_TERMINATED)
		return TERMINAL | (from == STATE_BIRTH ? R(HANDSHAKE_TIMEOUT) : 0);
	if (from == STATE_BIRTH && to == STATE_ATTACHED)
		return R(ATTACHED_TO_TRANSPORT);
	if (from == STATE_ATTACHED && to == STATE_VOLATILE)
		return INSTABLE;
	if (from == STATE_VOLATILE && to == STATE_ATTACHED)
		return R(HEALTH_RECOVERED);
	if (from == STATE_VOLATILE && to == STATE_DEGRADED)
		return R(VOLATILE_PERSISTED) | R(SWITCH_RATE_LIMITED) | R(NO_CANDIDATE_TRANSPORTS);
	if ((from == STATE_VOLATILE || from == STATE_DEGRADED) && to == STATE_RECOVERING)
		return R(LOSS_RECOVERY) | R(DEAD_TRANSPORT_RECOVERY) | R(POLICY_FORCED_RECOVERY) |
		       R(HEALTH_RECOVERED);
	if (from == STATE_RECOVERING && to == STATE_ATTACHED)
		return R(REATTACH_SUCCESS);
	if (from == STATE_RECOVERING && to == STATE_DEGRADED)
		return R(REATTACH_VALIDATION_FAILED) | R(NO_CANDIDATE_TRANSPORTS) | R(POLICY_DENIED) |
		       R(SWITCH_RATE_LIMITED) | R(RECOVERY_WINDOW_EXPIRED);
	return 0;
}

bool contract_allows(enum state from, enum state to, enum reason why)
{
	return (unsigned int)why < 64 && reasons(from, to) >> why & 1;
}

/* The states behind one more change. `why`: NULL, or the reason that this change must be for. */
static unsigned int step(unsigned int states, const enum reason *why)
{
	unsigned int next = 0;

	for (enum state from = STATE_ATTACHED; from < STATE_TERMINATED; from++)
		for (enum state to = STATE_ATTACHED; states & 1u << from && to < STATE_TERMINATED; to++)
			if (why ? contract_allows(from, to, *why) : reasons(from, to) != 0)
				next |= 1u << to;
	return next;
}

bool contract_leads(enum state from, enum state to, uint64_t changes, enum reason why)
{
	const uint64_t enough = 16; /* from then on all of them can be reached */
	unsigned int states = 1u << from;

	if (from == STATE_BIRTH || from >= STATE_TERMINATED || to >= STATE_TERMINATED || changes == 0)
		return false;
	for (uint64_t i = 1; i < (changes < enough ? changes : enough); i++)
		states = step(states, NULL);
	return step(states, &why) >> to & 1;
}

uint64_t contract_data_ms(const struct audit_bounds *b)
{
	const uint64_t drops =
		b->max_consecutive_drops > CONTRACT_DROPS ? b->max_consecutive_drops : CONTRACT_DROPS;

	if (b->heartbeat_idle_ms == 0)
		return 0;
	return 2ull * b->heartbeat_idle_ms + drops * b->heartbeat_interval_ms + CONTRACT_REST_MS;
}

bool contract_explains(enum audit_event event, enum reason why)
{
	uint64_t may = UINT64_MAX;

	switch (event) {
	case AUDIT_SESSION_CREATED:
	case AUDIT_SESSION_REKEYED:
	case AUDIT_POLICY_RELOADED:
	case AUDIT_AUDIT_GAP:
		may = R(NONE);
		break;
	case AUDIT_TRANSPORT_ATTACHED:
		may = R(ATTACHED_TO_TRANSPORT);
		break;
	case AUDIT_TRANSPORT_SWITCH:
		may = INSTABLE;
		break;
	case AUDIT_TRANSPORT_REBOUND:
		may = R(ADDRESS_CHANGED);
		break;
	case AUDIT_TRANSPORT_SWITCH_DENIED:
		may = DENIAL;
		break;
	case AUDIT_REATTACH_RESULT:
		may = DENIAL | R(REATTACH_SUCCESS) | R(REATTACH_VALIDATION_FAILED) |
		      R(NO_CANDIDATE_TRANSPORTS) | R(RECOVERY_WINDOW_EXPIRED);
		break;
	case AUDIT_SESSION_TERMINATED:
	case AUDIT_HANDSHAKES_UNFINISHED:
		may = TERMINAL | R(HANDSHAKE_TIMEOUT);
		break;
	default:
		break;
	}
	return (unsigned int)why < 64 && may >> why & 1;
}
