/*
 * Moves of a client that no trouble asks for: an operator's order, and the return to a path that stands before ours in
 * the configuration. How a jump is done is told in client.c.
 */
#include "session/comfort.h"

#include "session/candidate.h"
#include "session/client.h"
#include "session/client_state.h"
#include "session/path.h"
#include "session/server.h"
#include "session/session.h"
#include "session/stall.h"
#include "session/trail.h"

#define ORDER_WAIT_MS 2000   /* an order waits for a fresh locator */
#define FAILBACK_DOUBT_MAX 5 /* a switch back waits 2^5 times as long at most */

/* --- orders --- */

static void comfort(struct session *s, struct path *p, enum reason evidence, struct jv_time now)
{
	if (!session_event(s, EVENT_INSTABILITY, REASON_POLICY_FORCED, now))
		return;
	client_recover(s, p, evidence, switch_reason(evidence), false, now);
}

/* Why this session cannot be moved there now, or REASON_NONE. */
static enum reason order_denied(struct session *s, uint8_t number, uint32_t *retry_after_ms,
				struct jv_time now)
{
	enum reason why;

	*retry_after_ms = 0;
	if (s->state != STATE_ATTACHED)
		return REASON_INVALID_STATE_FOR_REATTACH;
	if (!candidate_is_up(s, number) || !candidate_has_room(s, number, now))
		return REASON_INVALID_TRANSPORT_CANDIDATE;
	*retry_after_ms = client_forbidden_ms(s, REASON_POLICY_FORCED, &why, now);
	return *retry_after_ms > 0 ? why : REASON_NONE;
}

static void refused(struct session *s, struct path *p, uint64_t token, enum reason why,
		    uint32_t retry_after_ms, struct jv_time now)
{
	trail_denied(s, why, p, retry_after_ms, now);
	if (token)
		s->engine->io.jump_done(s->engine->ctx, token, why, retry_after_ms);
}

/* Must a path be opened for it, and is there no locator at present? */
static bool lacks_locator(struct session *s, uint8_t number, struct jv_time now)
{
	const struct path *p = session_path_numbered(s, number);

	return s->state == STATE_ATTACHED && candidate_is_up(s, number) && (!p || p == s->active) &&
	       !candidate_has_locator(s, now);
}

static void order(struct session *s, uint8_t number, uint64_t token, struct jv_time now)
{
	struct path *p = NULL;
	uint32_t retry_after_ms;
	enum reason why = order_denied(s, number, &retry_after_ms, now);

	if (why == REASON_NONE) {
		p = session_path_numbered(s, number);
		if (!p || p == s->active)
			p = client_open_ordered(s, number, now);
		if (!p)
			why = REASON_INVALID_TRANSPORT_CANDIDATE;
	}
	if (why != REASON_NONE) {
		refused(s, p, token, why, retry_after_ms, now);
		return;
	}
	s->jump.ordered = token != 0;
	s->jump.token = token;
	comfort(s, p, REASON_POLICY_FORCED, now);
}

void client_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now)
{
	struct order *waiting = &s->engine->client->order;

	if (waiting->session || !lacks_locator(s, number, now))
		order(s, number, token, now);
	else
		*waiting = (struct order){ s, number, token, time_add_ms(now, ORDER_WAIT_MS) };
}

void client_order_again(struct session *s, struct jv_time now)
{
	struct order *waiting = &s->engine->client->order;
	const struct order o = *waiting;

	if (o.session != s || (time_before(now, o.until) && lacks_locator(s, o.number, now)))
		return;
	waiting->session = NULL;
	order(s, o.number, o.token, now);
}

void client_order_ends(struct session *s, enum reason why)
{
	struct order *waiting = &s->engine->client->order;

	if (waiting->session != s)
		return;
	waiting->session = NULL;
	if (waiting->token)
		s->engine->io.jump_done(s->engine->ctx, waiting->token, why, 0);
}

void client_jump_asked(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;

	if (s->state != STATE_ATTACHED || f->jump.binding_version != s->binding_version ||
	    session_is_stale(s, f->jump.age_us, now))
		return;
	client_order(s, f->jump.path, 0, now);
}

/* --- fail-back --- */

/*
 * A path that is well while idle and bad when it carries would be gone back to for ever. Each time that it is
 * left again before it has carried for as long as it had to be well, that time is doubled; one that holds ends
 * the doubt.
 */
static void trust(struct session *s, struct jv_time now)
{
	const uint64_t wait = (uint64_t)s->policy.failback_after_ms << s->failback_doubt;

	if (time_is_never(s->failed_back) || time_since_ms(now, s->failed_back) < wait)
		return;
	s->failed_back = TIME_NEVER;
	s->failback_doubt = 0;
}

void client_switched(struct session *s, struct path *left, struct jv_time now)
{
	const enum reason evidence = s->jump.pending ? s->jump.evidence : REASON_PEER_REPORTED;
	const bool bad = evidence != REASON_POLICY_FORCED && evidence != REASON_HEALTH_RECOVERED;

	if (left->number == s->active->number)
		return;
	trust(s, now);
	if (bad)
		left->stable_since = now;
	if (!time_is_never(s->failed_back) && bad && s->failback_doubt < FAILBACK_DOUBT_MAX)
		s->failback_doubt++;
	s->failed_back = evidence == REASON_HEALTH_RECOVERED ? now : TIME_NEVER;
}

/* Has it been well for so long that it may be gone back to, and would it not be left again at once? */
static bool is_well(const struct session *s, const struct path *p, struct jv_time now)
{
	const struct policy *pol = &s->policy;
	const uint64_t wait = (uint64_t)pol->failback_after_ms << s->failback_doubt;

	return path_is_warm(p, pol) && p->unanswered == 0 && path_loss_ppm(p) <= path_loss_ppm(s->active) &&
	       stall_may_take(p, now) && !p->loss_bad && !p->latency_bad && !path_latency_exceeded(p) &&
	       time_since_ms(now, p->stable_since) >= wait;
}

void client_fail_back(struct session *s, struct jv_time now)
{
	enum reason why;

	if (s->state != STATE_ATTACHED || s->policy.failback_after_ms == 0)
		return;
	trust(s, now);
	for (uint8_t n = 0; n < s->active->number; n++) {
		struct path *p = session_path_numbered(s, n);

		if (!p || !candidate_is_up(s, n) || !is_well(s, p, now))
			continue;
		if (client_forbidden_ms(s, REASON_HEALTH_RECOVERED, &why, now) == 0)
			comfort(s, p, REASON_HEALTH_RECOVERED, now);
		return;
	}
}
