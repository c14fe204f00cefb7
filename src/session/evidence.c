/*
 * What a reason says about a path: is it dead, is it only bad, why is a session switched for it, and how many switches a
 * minute may it cost? Pure functions of the reason and the policy; both ends judge by them.
 *
 * Any thread.
 */
#include "session/evidence.h"

bool evidence_is_dead(enum reason evidence)
{
	return evidence == REASON_HEARTBEAT_TIMEOUT || evidence == REASON_CONSECUTIVE_DROP_EXCEEDED ||
	       evidence == REASON_TRANSPORT_DEAD || evidence == REASON_ADDRESS_CHANGED ||
	       evidence == REASON_PEER_REPORTED || evidence == REASON_DATA_STALLED;
}

/*
 * The last switch of a minute is kept for a path that is dead, or as good as that (and for an operator): comfort may
 * not use it.
 */
uint32_t evidence_budget(const struct policy *pol, enum reason evidence, uint32_t loss_ppm)
{
	const uint32_t max = pol->max_switches_per_min;
	const bool hardly_carries =
		evidence == REASON_LOSS_THRESHOLD_EXCEEDED && loss_ppm > PROTO_RESERVE_LOSS_PPM;

	return evidence_is_dead(evidence) || evidence == REASON_POLICY_FORCED || hardly_carries ? max
												: max - 1;
}

enum reason evidence_reason(enum reason evidence)
{
	if (evidence == REASON_LOSS_THRESHOLD_EXCEEDED || evidence == REASON_LATENCY_THRESHOLD_EXCEEDED)
		return REASON_LOSS_RECOVERY;
	if (evidence == REASON_POLICY_FORCED)
		return REASON_POLICY_FORCED_RECOVERY;
	if (evidence == REASON_HEALTH_RECOVERED)
		return REASON_HEALTH_RECOVERED;
	return REASON_DEAD_TRANSPORT_RECOVERY;
}

bool evidence_is_quality(enum reason evidence)
{
	return evidence == REASON_LOSS_THRESHOLD_EXCEEDED || evidence == REASON_LATENCY_THRESHOLD_EXCEEDED;
}
