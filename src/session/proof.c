/*
 * Where a path leads, as the server learns it, and whether that address has shown that it is the peer's: the 3x rule
 * (path.c) holds until it has answered a challenge.
 */
#include "session/proof.h"

#include <string.h>

#include "session/health.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/rescue.h"
#include "session/server.h"
#include "session/session.h"
#include "session/trail.h"
#include "session/transmit.h"

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

/* --- challenges --- */

/* How long the answer may take to one that counts: longer each time, so that one lost by chance, or held back for want
 * of credit, is followed by others. */
static int64_t wait_us(const struct path *p)
{
	const int64_t most_us = (int64_t)p->session->policy.heartbeat_interval_ms * 1000;
	int64_t us = path_patience_us(p);

	for (uint8_t n = 0; n < p->ignored && us < most_us; n++)
		us = us * 2 < most_us ? us * 2 : most_us;
	return us > CHALLENGE_MS * 1000 ? us : CHALLENGE_MS * 1000;
}

/* Nobody is there to answer for this address, or not any more. */
static void unprove(struct path *p)
{
	p->proven = false;
	p->credit_rx = p->credit_tx = 0;
}

/* The path leads elsewhere now, or its address has answered. */
static void settle(struct path *p, bool proven, struct jv_time now)
{
	p->challenge.out = false;
	p->ignored = 0;
	p->proven = proven;
	p->proven_at = now;
}

/* Another one is due: has the one that counts had its time? That the 3x rule may hold back what is due changes nothing. */
static void count(struct path *p, struct jv_time now)
{
	if (!p->challenge.out) {
		p->challenge.counted = now;
		return;
	}
	if (time_diff_us(now, p->challenge.counted) < wait_us(p))
		return;
	p->challenge.counted = now;
	if (p->ignored < UINT8_MAX)
		p->ignored++;
	if (p->ignored == PROTO_CHALLENGES && p->proven)
		unprove(p);
}

static void ask(struct path *p, struct challenge *ch, struct control *c, struct jv_time now)
{
	struct engine *e = p->session->engine;
	struct frame f = { .type = FRAME_PATH_CHALLENGE };

	if (ch->out && time_since_ms(now, ch->sent) < CHALLENGE_MS)
		return;
	if (!ch->out)
		e->io.random(e->ctx, ch->nonce, sizeof(ch->nonce));
	ch->out = true;
	c->asks = ch;
	c->asked_before = ch->sent;
	ch->sent = now;
	memcpy(f.path_probe.nonce, ch->nonce, sizeof(f.path_probe.nonce));
	frame_write(&c->w, &f);
}

void proof_ask(struct path *p, struct control *c, struct jv_time now)
{
	if (p->proven && time_since_ms(now, p->proven_at) < PROTO_PROOF_MS)
		return;
	count(p, now);
	ask(p, &p->challenge, c, now);
}

/* The active path: no PING or PONG has carried the challenge that is due. */
struct jv_time proof_due(const struct path *p)
{
	if (p->challenge.out)
		return time_add_us(p->challenge.counted, wait_us(p));
	return time_add_ms(p->proven_at, p->proven ? 2 * PROTO_PROOF_MS : CHALLENGE_MS);
}

void proof_look(struct session *s, struct jv_time now)
{
	struct path *p = s->active;
	struct control c;

	if (time_before(now, proof_due(p)))
		return;
	control_begin(&c);
	proof_ask(p, &c, now);
	control_send(&c, p, NULL, now);
	if (path_is_ignored(p))
		server_path_dead(s, REASON_CONSECUTIVE_DROP_EXCEEDED, now);
}

/* --- where a path leads --- */

/* Another address under the active locator: on trial until it answers, replies go to the old one. */
static void on_trial(struct path *p, const struct route *from, size_t wire_len, struct jv_time now)
{
	struct control c;

	if (!p->moving || !route_equal(&p->pending, from)) {
		p->pending = *from;
		p->trial_rx = p->trial_tx = 0;
		p->trial.out = false; /* a nonce is for one address alone */
	}
	p->moving = true;
	p->trial_rx += (uint32_t)wire_len;
	control_begin(&c);
	ask(p, &p->trial, &c, now);
	control_send(&c, p, &p->pending, now);
}

static void at_home(struct path *p, size_t wire_len, struct jv_time now)
{
	p->moving = false;
	if (p->proven && time_since_ms(now, p->proven_at) >= PROTO_PROOF_MAX_MS)
		unprove(p);
	if (!p->proven)
		p->credit_rx += (uint32_t)wire_len;
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
	p->asked = (uint16_t)wire_len;
	p->stray = false;
	if (newest && p->known && route_equal(&p->route, from)) {
		at_home(p, wire_len, now);
	} else if (newest && p == s->active && p->known) {
		on_trial(p, from, wire_len, now);
	} else if (newest) {
		p->route = *from;
		p->known = true;
		p->moving = false;
		settle(p, false, now);
		p->credit_rx = (uint32_t)wire_len;
		p->credit_tx = 0;
	}
	p->stray = !route_equal(&p->route, from);
	p->stray_left = (uint32_t)wire_len * PROTO_AMPLIFICATION;
	return p->known;
}

void proof_moved(struct path *p, const struct route *to, struct jv_time now)
{
	p->route = *to;
	settle(p, false, now);
	p->challenge = p->trial; /* that went there just now, and its answer counts */
	p->challenge.counted = now;
	p->credit_rx = p->trial_rx;
	p->credit_tx = p->trial_tx;
	p->moving = p->stray = false;
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
	p->moving = p->stray = false;
	settle(p, true, now);
	pmtu_moved(p);
	p->unanswered = 0;
	p->ping_out = false;
	trail_path(s, AUDIT_TRANSPORT_REBOUND, REASON_ADDRESS_CHANGED, p->number, p, now);
	health_suspect(s, now);
	rescue_unreported(s, now); /* what came from the new address has told what arrived */
}

static bool answers(const struct challenge *ch, const uint8_t nonce[8])
{
	return ch->out && crypto_equal(ch->nonce, nonce, sizeof(ch->nonce));
}

void proof_answered(struct path *p, const struct route *from, const uint8_t nonce[8], struct jv_time now)
{
	if (route_equal(&p->route, from)) {
		if (answers(&p->challenge, nonce))
			settle(p, true, now);
		return;
	}
	if (!p->moving || !route_equal(&p->pending, from) || !answers(&p->trial, nonce))
		return;
	if (p == p->session->active) {
		rebound(p, now);
		return;
	}
	/* The session has moved meanwhile: a path that carries nothing has another address, that is all. */
	p->route = p->pending;
	p->moving = p->stray = false;
	settle(p, true, now);
}
