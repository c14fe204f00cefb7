/*
 * Client: an operator's order to jump, given here or at the server. Where a path has to be opened for it and there is no fresh
 * locator, the order waits for one.
 *
 * On the thread of the engine.
 */
#include "session/order.h"

#include "session/client_state.h"
#include "session/comfort.h"
#include "session/grant.h"
#include "session/jump.h"
#include "session/open.h"
#include "session/session.h"
#include "session/skew.h"
#include "session/trail.h"

#define ORDER_WAIT_MS 2000 /* an order waits for a fresh locator */

/* Why this session cannot be moved there now, or REASON_NONE. */
static enum reason order_denied(struct session *s, uint8_t number, uint32_t *retry_after_ms,
				struct jv_time now)
{
	enum reason why;

	*retry_after_ms = 0;
	if (s->state != STATE_ATTACHED)
		return REASON_INVALID_STATE_FOR_REATTACH;
	if (!session_has_candidate(s, number) || !grant_has_room(s, number, now))
		return REASON_INVALID_TRANSPORT_CANDIDATE;
	*retry_after_ms = jump_forbidden_ms(s, REASON_POLICY_FORCED, &why, now);
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

	return s->state == STATE_ATTACHED && session_has_candidate(s, number) && (!p || p == s->active) &&
	       !open_has_locator(s, now);
}

static void obey(struct session *s, uint8_t number, uint64_t token, struct jv_time now)
{
	struct path *p = NULL;
	uint32_t retry_after_ms;
	enum reason why = order_denied(s, number, &retry_after_ms, now);

	if (why == REASON_NONE) {
		p = session_path_numbered(s, number);
		if (!p || p == s->active)
			p = open_ordered(s, number, now);
		if (!p)
			why = REASON_INVALID_TRANSPORT_CANDIDATE;
	}
	if (why != REASON_NONE) {
		refused(s, p, token, why, retry_after_ms, now);
		return;
	}
	s->jump->ordered = token != 0;
	s->jump->token = token;
	comfort_move(s, p, REASON_POLICY_FORCED, now);
}

void order_jump(struct session *s, uint8_t number, uint64_t token, struct jv_time now)
{
	struct order *waiting = &s->engine->client->order;

	if (waiting->session || !lacks_locator(s, number, now))
		obey(s, number, token, now);
	else
		*waiting = (struct order){ s, number, token, time_add_ms(now, ORDER_WAIT_MS) };
}

void order_again(struct session *s, struct jv_time now)
{
	struct order *waiting = &s->engine->client->order;
	const struct order o = *waiting;

	if (o.session != s || (time_before(now, o.until) && lacks_locator(s, o.number, now)))
		return;
	waiting->session = NULL;
	obey(s, o.number, o.token, now);
}

void order_asked(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;

	if (s->state != STATE_ATTACHED || get_be32(f->jump->binding_version) != s->binding_version ||
	    skew_is_stale(s, get_be64(f->jump->age_us), now))
		return;
	order_jump(s, f->jump->path, 0, now);
}
