/*
 * Client: moves that no trouble asks for. The session goes back to a path that stands before its own in the configuration, once
 * that has been well for long enough. How a jump is made is told in jump.c.
 *
 * On the thread of the engine.
 */
#include "session/comfort.h"

#include "session/client_state.h"
#include "session/evidence.h"
#include "session/jump.h"
#include "session/path.h"
#include "session/session.h"
#include "session/stall.h"
#include "session/state.h"

#define FAILBACK_DOUBT_MAX 5 /* a switch back waits 2^5 times as long at most */

/* --- orders --- */

void comfort_move(struct session *s, struct path *p, enum reason evidence, struct jv_time now)
{
	if (!state_event(s, EVENT_INSTABILITY, REASON_POLICY_FORCED, now))
		return;
	jump_recover(s, p, evidence, evidence_reason(evidence), false, now);
}

/* --- fail-back --- */

/*
 * A path that is well while idle and bad when it carries would be gone back to for ever. Each time that it is
 * left again before it has carried for as long as it had to be well, that time is doubled; one that holds ends
 * the doubt.
 */
static void trust(struct session *s, struct jv_time now)
{
	const uint64_t wait = (uint64_t)s->policy->failback_after_ms << s->jump->failback_doubt;

	if (time_is_never(s->jump->failed_back) || time_since_ms(now, s->jump->failed_back) < wait)
		return;
	s->jump->failed_back = TIME_NEVER;
	s->jump->failback_doubt = 0;
}

void comfort_switched(struct session *s, struct path *left, struct jv_time now)
{
	const enum reason evidence = s->jump->pending ? s->jump->evidence : REASON_PEER_REPORTED;
	const bool bad = evidence != REASON_POLICY_FORCED && evidence != REASON_HEALTH_RECOVERED;

	if (left->number == s->active->number)
		return;
	trust(s, now);
	if (bad)
		left->health->stable_since = now;
	if (!time_is_never(s->jump->failed_back) && bad && s->jump->failback_doubt < FAILBACK_DOUBT_MAX)
		s->jump->failback_doubt++;
	s->jump->failed_back = evidence == REASON_HEALTH_RECOVERED ? now : TIME_NEVER;
}

/* Has it been well for so long that it may be gone back to, and would it not be left again at once? */
static bool is_well(const struct session *s, const struct path *p, struct jv_time now)
{
	const struct policy *pol = s->policy;
	const struct health *h = path_health(p);
	const uint64_t wait = (uint64_t)pol->failback_after_ms << s->jump->failback_doubt;

	return path_is_warm(p, pol) && h->unanswered == 0 && path_loss_ppm(p) <= path_loss_ppm(s->active) &&
	       stall_may_take(p, now) && !h->loss_bad && !h->latency_bad && !path_latency_exceeded(p) &&
	       time_since_ms(now, h->stable_since) >= wait;
}

void comfort_fail_back(struct session *s, struct jv_time now)
{
	enum reason why;

	if (s->state != STATE_ATTACHED || s->policy->failback_after_ms == 0)
		return;
	trust(s, now);
	for (uint8_t n = 0; n < s->active->number; n++) {
		struct path *p = session_path_numbered(s, n);

		if (!p || !session_has_candidate(s, n) || !is_well(s, p, now))
			continue;
		if (jump_forbidden_ms(s, REASON_HEALTH_RECOVERED, &why, now) == 0)
			comfort_move(s, p, REASON_HEALTH_RECOVERED, now);
		return;
	}
}
