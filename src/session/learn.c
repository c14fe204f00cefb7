/*
 * Where a path leads, as the server learns it from the packets that come on it. The active path goes to another address
 * only once that has answered a challenge, or by a JUMP.
 *
 * On the thread of the engine.
 */
#include "session/learn.h"

#include "session/items.h"
#include "session/lead.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/proof.h"
#include "session/rescue.h"
#include "session/send.h"
#include "session/server.h"
#include "session/session.h"
#include "session/size.h"
#include "session/trail.h"

/* A locator stands for one candidate path, and its number is told by the first PING or JUMP on it. */
static bool take_number(struct path *p, uint8_t number, struct jv_time now)
{
	if (number == PATH_NONE)
		return p->number != PATH_NONE;
	if (p->number == PATH_NONE) {
		const struct path *old = session_path_numbered(p->session, number);

		if (old)
			pmtu_inherit(p, path_pmtu(old));
		p->number = number;
		p->opened = now;
	}
	return p->number == number;
}

/* Another address under the active locator: on trial until it answers, replies go to the old one. */
static void put_on_trial(struct path *p, const struct route *from, size_t wire_len, struct jv_time now)
{
	struct control_packet c;

	struct trial *trial;

	if (!path_tries(p, from) && !lead_try(p, from))
		return;
	trial = path_trial(p);
	trial->rx += (uint32_t)wire_len;
	send_begin(&c);
	proof_add(p, &trial->challenge, &c, now);
	send_control(&c, p, &trial->route, now);
}

static void at_home(struct path *p, size_t wire_len, struct jv_time now)
{
	session_end_trial(p);
	if (path_is_proven(p) && time_since_ms(now, p->proven_at) >= PROTO_PROOF_MAX_MS)
		proof_unprove(p);
	if (!path_is_proven(p) && session_need_upkeep(p))
		p->upkeep->credit_rx += (uint32_t)wire_len;
}

bool learn_heard(struct path *p, const struct route *from, uint8_t number, size_t wire_len, bool newest,
		 struct jv_time now)
{
	struct session *s = p->session;

	if (items_lead_to(s->engine, &from->remote.ip)) {
		s->engine->counters.n[COUNT_DROP_INSIDE]++;
		return false;
	}
	if (!take_number(p, number, now)) {
		s->engine->counters.n[COUNT_DROP_BAD_FRAME]++;
		return false;
	}
	s->engine->answering = (struct answering){
		.path = p, .len = (uint16_t)wire_len, .left = (uint32_t)wire_len * PROTO_AMPLIFICATION
	};
	if (newest && path_is_known(p) && session_leads(p, from)) {
		at_home(p, wire_len, now);
	} else if (newest && p == s->active && path_is_known(p)) {
		put_on_trial(p, from, wire_len, now);
	} else if (newest) {
		if (!session_need_upkeep(p) || !lead_set(p, from))
			return false; /* nobody could count what goes there */
		session_end_trial(p);
		proof_settle(p, false, now);
		p->upkeep->credit_rx = (uint32_t)wire_len;
		p->upkeep->credit_tx = 0;
	}
	s->engine->answering.stray = !session_leads(p, from);
	return path_is_known(p);
}

/*
 * How long there may be no rebinding yet, and why. An attacker on a path can cause rebindings at will: they are limited by
 * themselves, and take none of the switches that a jump away from that path needs.
 */
static uint32_t forbidden_ms(struct session *s, enum reason *why, struct jv_time now)
{
	struct rebindings *r = session_need_rebindings(s);
	uint32_t ms;

	*why = REASON_SWITCH_RATE_LIMITED;
	if (!r)
		return LIMIT_NO_MEMORY_MS;
	ms = session_limit_ms(s, &r->limit, s->policy->max_switches_per_min, now);
	if (ms == 0) {
		*why = REASON_COOLDOWN_ACTIVE;
		ms = switch_limit_cooldown_ms(&r->limit, s->policy->switch_cooldown_ms, now);
	}
	return ms;
}

/*
 * An address more than the minute allows has proven to be the peer's. The old one stays, and may be dead for us: the
 * path counts as such, so that the client leaves it, if it has another. Once a minute is enough for that.
 */
static void unsettled(struct session *s, struct jv_time now)
{
	struct rebindings *r = session_rare(s)->rebindings;

	if (!r || (!time_is_never(r->unsettled) && time_since_ms(now, r->unsettled) < LIMIT_WINDOW_MS))
		return;
	r->unsettled = now;
	server_path_dead(s, REASON_ADDRESS_CHANGED, now);
}

/* The address on trial has answered: the path leads there. */
static void take_tried(struct path *p, struct jv_time now)
{
	lead_take_tried(p);
	p->session->engine->answering.stray = false;
	proof_settle(p, true, now);
}

/* The active path's address has changed under the same locator, and the new one has answered. */
static void rebound(struct path *p, struct jv_time now)
{
	struct session *s = p->session;
	enum reason why;
	const uint32_t wait = forbidden_ms(s, &why, now);

	if (wait > 0) {
		trail_denied(s, why, p, wait, now);
		if (why == REASON_SWITCH_RATE_LIMITED)
			unsettled(s, now);
		return;
	}
	switch_limit_take(&s->rare->rebindings->limit, now);
	take_tried(p, now);
	size_moved(p);
	p->health->unanswered = 0;
	p->health->ping_out = false;
	trail_path(s, AUDIT_TRANSPORT_REBOUND, REASON_ADDRESS_CHANGED, p->number, p, now);
	send_suspect(s, now);
	rescue_unreported(s, now); /* what came from the new address has told what arrived */
}

static bool answers(const struct challenge *ch, const uint8_t nonce[8])
{
	return ch->out && crypto_equal(ch->nonce, nonce, sizeof(ch->nonce));
}

void learn_answered(struct path *p, const struct route *from, const uint8_t nonce[8], struct jv_time now)
{
	if (session_leads(p, from)) {
		if (answers(&path_upkeep(p)->challenge, nonce))
			proof_settle(p, true, now);
		return;
	}
	if (!path_tries(p, from) || !answers(&path_trial(p)->challenge, nonce))
		return;
	if (p == p->session->active) {
		rebound(p, now);
		return;
	}
	/* The session has moved meanwhile: a path that carries nothing has another address, that is all. */
	take_tried(p, now);
}

void learn_look(struct session *s, struct jv_time now)
{
	struct path *p = s->active;
	struct control_packet c;

	if (time_before(now, proof_due(p)))
		return;
	send_begin(&c);
	proof_ask(p, &c, now);
	send_control(&c, p, NULL, now);
	if (path_is_ignored(p))
		server_path_dead(s, REASON_CONSECUTIVE_DROP_EXCEEDED, now);
}
