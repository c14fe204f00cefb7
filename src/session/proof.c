/*
 * Where a path leads, as the server learns it, and whether that address has shown that it is the peer's: the 3x rule
 * (path.c) holds until it has answered a challenge.
 */
#include "session/session.h"

#include <string.h>

#define CHALLENGE_MS 50 /* least time between two challenges to one address */

/* A locator stands for one candidate path, and its number is told by the first PING or JUMP on it. */
static bool take_number(struct path *p, uint8_t number, struct jv_time now)
{
	if (number == PATH_NONE)
		return p->number != PATH_NONE;
	if (p->number == PATH_NONE) {
		const struct path *old = session_path_numbered(p->session, number);

		if (old)
			pmtu_inherit(&p->pmtu, &old->pmtu);
		p->number = number;
		p->opened = p->stable_since = now;
	}
	return p->number == number;
}

static void challenge(struct path *p, struct control *c, struct jv_time now)
{
	struct engine *e = p->session->engine;
	struct frame f = { .type = FRAME_PATH_CHALLENGE };

	if (p->challenged && time_since_ms(now, p->challenge_sent) < CHALLENGE_MS)
		return;
	if (!p->challenged)
		e->io.random(e->ctx, p->challenge, sizeof(p->challenge));
	p->challenged = true;
	p->challenge_sent = now;
	memcpy(f.path_probe.nonce, p->challenge, sizeof(f.path_probe.nonce));
	frame_write(&c->w, &f);
}

bool proof_heard(struct path *p, const struct route *from, uint8_t number, size_t wire_len, bool newest,
		 struct jv_time now)
{
	struct session *s = p->session;

	if (server_is_inside(s->engine, &from->remote.ip)) {
		s->engine->counters.n[COUNT_DROP_INSIDE]++;
		return false;
	}
	if (!take_number(p, number, now)) {
		s->engine->counters.n[COUNT_DROP_BAD_FRAME]++;
		return false;
	}
	if (!newest)
		return p->known;
	if (p->known && route_equal(&p->route, from)) {
		if (p->moving)
			p->challenged = false; /* the trial's nonce is for its address alone */
		p->moving = false;
		if (!p->proven)
			p->credit_rx += (uint32_t)wire_len;
	} else if (p == s->active && p->known) {
		/* Another address under the active locator: on trial until it answers, replies go to the old
		 * one. */
		if (!p->moving || !route_equal(&p->pending, from)) {
			p->pending = *from;
			p->trial_rx = p->trial_tx = 0;
			p->challenged = false;
		}
		p->moving = true;
		p->trial_rx += (uint32_t)wire_len;
	} else {
		p->route = *from;
		p->known = true;
		p->proven = p->challenged = p->moving = false;
		p->credit_rx = (uint32_t)wire_len;
		p->credit_tx = 0;
	}
	if (p->moving) {
		struct control c;

		control_begin(&c);
		challenge(p, &c, now);
		control_send(&c, p, &p->pending, now);
	}
	return true;
}

/* The path's own address; never the nonce of one on trial, which must not be seen anywhere else. */
void proof_ask(struct path *p, struct control *c, struct jv_time now)
{
	if (!p->proven && !p->moving)
		challenge(p, c, now);
}

/*
 * How long there may be no rebinding yet, and why. Whoever sits on one path can make us rebind as he likes, but it costs
 * none of the switches that a jump away from him needs.
 */
static uint32_t forbidden_ms(struct session *s, enum reason *why, struct jv_time now)
{
	uint32_t ms = switch_limit_wait_ms(&s->rebind, s->policy.max_switches_per_min, now);

	*why = REASON_SWITCH_RATE_LIMITED;
	if (ms == 0) {
		*why = REASON_COOLDOWN_ACTIVE;
		ms = switch_limit_cooldown_ms(&s->rebind, s->policy.switch_cooldown_ms, now);
	}
	return ms;
}

/*
 * An address more than the minute allows has proven to be the peer's. The old one stays, and may be dead for us: the
 * path counts as such, so that the client leaves it, if it has another. Once a minute is enough for that.
 */
static void unsettled(struct session *s, struct jv_time now)
{
	if (!time_is_never(s->unsettled) && time_since_ms(now, s->unsettled) < LIMIT_WINDOW_MS)
		return;
	s->unsettled = now;
	server_path_dead(s, REASON_ADDRESS_CHANGED, now);
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
	switch_limit_take(&s->rebind, now);
	p->route = p->pending;
	p->moving = p->challenged = false;
	p->proven = true;
	pmtu_moved(p);
	p->unanswered = 0;
	p->ping_out = false;
	trail_path(s, AUDIT_TRANSPORT_REBOUND, REASON_ADDRESS_CHANGED, p->number, p, now);
	health_suspect(s, now);
	rescue_unreported(s, now); /* what came from the new address has told what arrived */
}

void proof_answered(struct path *p, const struct route *from, const uint8_t nonce[8], struct jv_time now)
{
	const struct route *asked = p->moving ? &p->pending : &p->route;

	if (!p->challenged || !route_equal(asked, from) ||
	    !crypto_equal(p->challenge, nonce, sizeof(p->challenge)))
		return;
	if (p->moving && p == p->session->active) {
		rebound(p, now);
		return;
	}
	/* The session has moved meanwhile: a path that carries nothing has another address, that is all. */
	if (p->moving)
		p->route = p->pending;
	p->moving = p->challenged = false;
	p->proven = true;
}
