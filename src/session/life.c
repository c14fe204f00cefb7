/*
 * The end of a session: told to the peer and to the trail, unlinked, its keys wiped. One that another session has replaced
 * lives on for a while, for DATA that is still on its way to it. welcome.c goes on from there at a client: see end.c.
 *
 * On the thread of the engine.
 */
#include "session/life.h"

#include <stdlib.h>

#include "session/births.h"
#include "session/client_state.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/rescue.h"
#include "session/send.h"
#include "session/session.h"
#include "session/state.h"
#include "session/trail.h"
#include "session/walk.h"
#include "session/wheel.h"

static struct session **superseded_of(struct engine *e, uint32_t peer)
{
	return e->client ? &e->client->superseded : &e->callers[peer]->has.superseded;
}

static void release(struct session *s)
{
	for (uint8_t i = 0; i < s->slots; i++) {
		if (s->engine->client)
			session_close_path(s->slot[i].path);
		session_withdraw(s, i);
	}
	keys_clear(&s->keys, &s->engine->key_store);
}

void life_forget(struct session *s)
{
	struct engine *e = s->engine;

	session_stop_timers(s);
	release(s);
	*superseded_of(e, s->peer) = NULL;
	list_remove(&s->node);
	list_append(&e->dead, &s->node);
	e->nsuperseded--;
}

/*
 * The next session has taken over, and what was sent under this one is still on its way: for drain_ms, but
 * never beyond its lifetime, DATA is opened and delivered. One a peer, so that memory is bounded.
 */
static void keep_superseded(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;

	s->superseded_until = time_min(time_add_ms(now, s->policy->drain_ms),
				       time_add_ms(s->born, s->policy->max_lifetime_ms));
	if (!time_before(now, s->superseded_until)) {
		release(s);
		return;
	}
	*superseded_of(e, s->peer) = s;
	list_remove(&s->node);
	list_append(&e->superseded, &s->node);
	e->nsuperseded++;
	session_due(s, DUE_DEADLINE, s->superseded_until);
}

/* Nothing happens to it any more. */
static void unlink_session(struct session *s)
{
	struct engine *e = s->engine;

	session_stop_timers(s);
	rescue_free(s);
	if (session_rare(s)->job)
		s->rare->job->session = NULL;
	session_drop_job(s);
	session_drop_exchange(s);
	if (e->by_peer && e->by_peer[s->peer] == s)
		e->by_peer[s->peer] = NULL;
	walk_leave(s);
	if (e->met == s)
		e->met = NULL;
	list_remove(&s->node);
	list_append(&e->dead, &s->node);
	e->nsessions--;
	e->by_state[s->state]--;
}

void life_reap(struct engine *e)
{
	while (!list_is_empty(&e->dead)) {
		struct session *s = container_of(e->dead.next, struct session, node);

		list_remove(&s->node);
		rescue_free(s);
		session_free(s);
	}
}

static void answer(struct session *s, uint64_t token, enum reason why)
{
	s->engine->io.jump_done(s->engine->ctx, token, why, 0);
}

/* A client's: of the jump under way, and one that waits for a locator. */
static void own_orders_end(struct session *s, enum reason why)
{
	struct order *waiting = &s->engine->client->order;

	if (s->jump->ordered)
		answer(s, s->jump->token, why);
	s->jump->ordered = false;
	if (waiting->session != s)
		return;
	waiting->session = NULL;
	if (waiting->token)
		answer(s, waiting->token, why);
}

static void orders_end(struct session *s, enum reason why)
{
	if (s->engine->client) {
		own_orders_end(s, why);
		return;
	}
	if (s->order)
		answer(s, s->order->token, why);
	session_drop_order(s);
}

void life_end(struct session *s, enum reason why, struct jv_time now)
{
	struct engine *e = s->engine;
	const bool birth = s->state == STATE_BIRTH;

	if (s->state == STATE_TERMINATED)
		return;
	if (!birth && !s->closing)
		send_close(s, why, now);
	if (birth && !e->client)
		births_remove(s);
	state_event(s, why == REASON_HANDSHAKE_TIMEOUT ? EVENT_HANDSHAKE_EXPIRED : EVENT_TERMINAL, why, now);
	trail_session(s, AUDIT_SESSION_TERMINATED, why, now);
	if (!s->told)
		trail_unattached(s, why, now);
	orders_end(s, why);
	unlink_session(s);
	if (!birth && *superseded_of(e, s->peer))
		life_forget(*superseded_of(e, s->peer));
	if (!birth && why == REASON_SUPERSEDED)
		keep_superseded(s, now);
	else
		release(s);
}
