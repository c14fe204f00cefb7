/*
 * Decides jumps: which path, when, and what to do while there is none.
 *
 * The ladder, each rung bounded: another PING (health.c), another warm path, the same path from a new local
 * port, a cold one, then the candidate's next remote (ladder.c). JUMPs are repeated, then the next candidate is
 * tried, until the recovery window ends; a path that answers goes before those that do not. Then PINGs go on
 * at the pace of heartbeat_volatile_ms, and the first path that answers is jumped to.
 *
 * On the thread of the engine.
 */
#include "session/client.h"

#include <string.h>

#include "session/age.h"
#include "session/client_state.h"
#include "session/comfort.h"
#include "session/due.h"
#include "session/end.h"
#include "session/evidence.h"
#include "session/grant.h"
#include "session/inside.h"
#include "session/jump.h"
#include "session/ladder.h"
#include "session/limit.h"
#include "session/open.h"
#include "session/path.h"
#include "session/rescue.h"
#include "session/send.h"
#include "session/session.h"
#include "session/stall.h"
#include "session/standby.h"
#include "session/state.h"
#include "session/trail.h"
#include "session/welcome.h"
#include "session/wheel.h"

#define JUMP_TRIES 3 /* JUMPs to one target before the next */
#define BINDINGS_MISSED_MAX \
	60 /* a peer that made more switches than a minute can have is not to be followed */

void client_attached(struct session *s, struct path *p, struct jv_time now)
{
	struct client *c = s->engine->client;
	const struct endpoint remote = session_remote(p);
	const bool failover = c->failover.on;
	struct session *old = c->session;

	state_bind(s, p, false, now);
	if (!state_event(s, EVENT_ATTACH_OK, REASON_ATTACHED_TO_TRANSPORT, now))
		return;
	trail_path(s, AUDIT_TRANSPORT_ATTACHED, REASON_ATTACHED_TO_TRANSPORT, AUDIT_NO_PATH, p, now);
	ladder_welcomed(c, p->number, &remote);
	c->session = s;
	c->next = NULL;
	c->complained = TIME_NEVER;
	/* What is not all there yet does not replace what is: POLICY frames bring the rest. */
	c->mtu = c->waiting.w.mtu;
	if (c->waiting.w.parts == 0 || c->nitems == 0) {
		c->nitems = c->waiting.w.items;
		memcpy(c->items, c->waiting.w.item, c->nitems * sizeof(c->items[0]));
	}
	c->coming_have = c->coming_parts = 0; /* parts of another session's policy are not of this one */
	if (old) {
		old->closing =
			!failover; /* the server has superseded it by itself, unless that was another gateway */
		end_session(old, REASON_SUPERSEDED, now);
		welcome_old_gone(c, now);
	}
	inside_set_up(c);
	open_missing(s, now);
	age_begins(s, now);
	session_due_earlier(s, DUE_STANDBY, time_add_ms(now, s->policy->standby_probe_ms));
}

/* --- jumping --- */

/* Nothing said that the path is gone; it only does not answer. */
static bool is_silence(enum reason evidence)
{
	return evidence == REASON_HEARTBEAT_TIMEOUT || evidence == REASON_CONSECUTIVE_DROP_EXCEEDED;
}

/* What keeps DATA from one port may let it pass from another: that is tried once. */
static bool may_renew(const struct session *s)
{
	return s->instability != REASON_DATA_STALLED || s->stall_tries == 0;
}

/* VOLATILE: look for a path and jump to it, or say when to look again. */
static void recover(struct session *s, struct jv_time now)
{
	const enum reason evidence = s->instability;
	const bool dead = !evidence_is_quality(evidence) && evidence != REASON_POLICY_FORCED;
	struct path *p = jump_choose(s, (uint16_t)(1u << s->active->slot), now);
	enum reason why;
	uint32_t wait;

	if (evidence_is_quality(evidence) && (!p || !jump_improves(s, p)))
		return;
	if (dead && (!p || !path_is_warm(p, s->policy))) {
		/* Nothing is known to be better than the same path from a new port. */
		struct path *again = may_renew(s) ? open_path(s, s->active->number, now) : NULL;

		/* The path may come back by itself: the old port and the new one are both probed, and the first to answer is
		 * taken. */
		if (is_silence(evidence) && again)
			trail_path(s, AUDIT_REATTACH_ATTEMPT, evidence, s->active->number, again, now);
		if (is_silence(evidence))
			return;
		p = again ? again : p;
	}
	if (!p)
		return;
	wait = jump_forbidden_ms(s, evidence, &why, now);
	if (wait > 0) {
		trail_denied(s, why, p, wait, now);
		s->jump->again = time_add_ms(now, wait);
		if (why == REASON_SWITCH_RATE_LIMITED && s->state == STATE_VOLATILE)
			state_event(s, EVENT_DEGRADE, REASON_SWITCH_RATE_LIMITED, now);
		due_restart(s, now);
		return;
	}
	jump_recover(s, p, evidence, evidence_reason(evidence), dead, now);
}

void client_path_dead(struct session *s, enum reason why, struct jv_time now)
{
	if (s->state == STATE_ATTACHED && !state_event(s, EVENT_INSTABILITY, why, now))
		return;
	if (s->state == STATE_VOLATILE)
		recover(s, now);
	standby_ask(s, now);
}

/* DEGRADED: a path has answered. */
static void leave_degraded(struct session *s, struct path *p, struct jv_time now)
{
	const enum reason why = p == s->active ? REASON_HEALTH_RECOVERED : REASON_DEAD_TRANSPORT_RECOVERY;
	/* Back to the active path is no switch, unless the server has moved without our knowing and said no. */
	const bool refused = s->jump->denied != REASON_NONE && s->jump->slot == s->active->slot;
	enum reason denied;
	uint32_t wait = 0;

	if (p != s->active && evidence_is_quality(s->instability) && !jump_improves(s, p))
		return;
	if (p == s->active ? !stall_is_over(p, now) : !stall_may_take(p, now))
		return;
	/* Not before the server, or our own budget, allows it. */
	if ((p != s->active || refused) && !time_is_never(s->jump->again) && time_before(now, s->jump->again))
		return;
	if (p != s->active)
		wait = jump_forbidden_ms(s, s->instability, &denied, now);
	if (wait > 0)
		s->jump->again = time_add_ms(now, wait);
	else
		jump_recover(s, p, s->instability, why, p != s->active, now);
}

/* VOLATILE: another path has answered. */
static void leave_volatile(struct session *s, struct path *p, struct jv_time now)
{
	if (p->number != s->active->number || !is_silence(s->instability)) {
		recover(s, now);
		return;
	}
	/* The same path from a new port: if a hole has just ended, the old port answers as well. */
	send_ping(s->active, 0, now);
	s->jump->again = time_add_us(now, path_patience_us(s->active));
	due_restart(s, now);
}

/* RECOVERING: the target has its answer, or another path has one and the target none. */
static void answered_while_jumping(struct session *s, struct path *p, struct jv_time now)
{
	const struct path *target = s->slot[s->jump->slot].path;

	if (p == target && s->jump->tries == 0)
		jump_send(s, now);
	else if (p != target && p != s->active && stall_may_take(p, now) && s->jump->dead &&
		 s->jump->tries > 0 && path_health(target)->srtt_us == 0 && !(s->jump->tried & 1u << p->slot))
		jump_to(s, p, now);
}

void client_path_answers(struct session *s, struct path *p, struct jv_time now)
{
	const struct endpoint remote = session_remote(p);

	ladder_answered(s->engine->client, p->number, &remote);
	grant_reset(&s->engine->client->candidate[p->number]);
	s->engine->client->candidate[p->number].srtt_us = path_health(p)->srtt_us;
	if (!session_has_candidate(s, p->number) || !s->active)
		return;
	if (s->state == STATE_DEGRADED)
		leave_degraded(s, p, now);
	else if (s->state == STATE_RECOVERING && s->jump->pending)
		answered_while_jumping(s, p, now);
	else if (s->state == STATE_VOLATILE && p != s->active && time_is_never(s->jump->again))
		leave_volatile(s, p, now);
}

/* The next path not tried; after all of them around again, and the active one's next rung too. */
static void jump_elsewhere(struct session *s, struct jv_time now)
{
	const uint32_t id = s->jump->id;
	struct path *p = jump_choose(s, s->jump->tried, now);

	if (!p) {
		s->jump->tried = 0;
		open_path(s, s->active->number, now);
		if (s->jump->id != id)
			return; /* it was the target that was opened anew */
		p = jump_choose(s, (uint16_t)(1u << s->jump->slot), now);
	}
	jump_to(s, p ? p : s->slot[s->jump->slot].path, now);
}

void client_jump_repeat(struct session *s, struct jv_time now)
{
	struct path *p;

	if (time_before(now, s->jump->again))
		return;
	s->jump->again = TIME_NEVER;
	if (s->state == STATE_VOLATILE) {
		recover(s, now);
		return;
	}
	if (s->state == STATE_DEGRADED) {
		p = jump_choose(s, 0, now);
		if (p && path_is_warm(p, s->policy))
			leave_degraded(s, p, now);
		return;
	}
	if (s->state != STATE_RECOVERING || !s->jump->pending)
		return;
	if (s->jump->tries < JUMP_TRIES || !s->jump->dead)
		jump_send(s, now);
	else
		jump_elsewhere(s, now);
}

/*
 * The peer has moved to `p`, or stayed there: whatever we did meanwhile, that is the binding now. It may have
 * made a switch more than we have heard of; each of them is told.
 */
static void follow(struct session *s, struct path *p, uint32_t binding_version, struct jv_time now)
{
	struct path *left = s->active;

	if (s->state == STATE_ATTACHED)
		state_event(s, EVENT_INSTABILITY, REASON_PEER_REPORTED, now);
	if (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED)
		state_event(s, EVENT_SWITCH_START, REASON_DEAD_TRANSPORT_RECOVERY, now);
	do
		state_bind(s, p, binding_version != s->binding_version, now);
	while (binding_version != s->binding_version);
	comfort_switched(s, left, now);
	state_event(s, EVENT_REATTACH_OK, REASON_REATTACH_SUCCESS, now);
	trail_path(s, AUDIT_REATTACH_RESULT, REASON_REATTACH_SUCCESS, left->number, p, now);
	jump_ends(s, REASON_NONE, 0);
	send_ping(p, 0, now);
	due_restart(s, now);
}

void client_jump_ack(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	const bool ours =
		s->jump->pending && get_be32(f->jump_ack->id) == s->jump->id && p->slot == s->jump->slot;
	const int32_t ahead = (int32_t)(get_be32(f->jump_ack->binding_version) - s->binding_version);
	const bool dead = s->jump->dead;
	const uint8_t tries = s->jump->tries;
	struct jv_time overdue;

	/* An answer to an older JUMP counts when it tells of a later binding than the one we know. */
	if (!s->active || ahead < 0 || ahead > BINDINGS_MISSED_MAX || (!ours && ahead == 0) ||
	    p->number == PATH_NONE)
		return;
	/* What we did not ask for we do not follow more often than a minute may have switches, whatever the peer
	 * says. */
	if (ahead > 0 && (!ours || p == s->active) &&
	    switch_limit_left(&s->limit, s->policy->max_switches_per_min, now) == 0)
		return;
	overdue = time_add_us(s->jump->first, -path_patience_us(s->active));
	follow(s, p, get_be32(f->jump_ack->binding_version), now);
	rescue_arrived(s, f->jump_ack->epoch, get_be48(f->jump_ack->highest));
	if (ours && !dead)
		rescue_overdue(s, overdue, now);
	else if (ours && tries == 1)
		rescue_rest(s, now);
	else /* what went out behind a JUMP that was lost was refused */
		rescue_all(s, now);
}

/* Denied for good, or with an order: the active path stays what it is. */
static void jump_fails(struct session *s, enum reason denied, uint32_t retry_after_ms, struct jv_time now)
{
	enum reason why = REASON_REATTACH_VALIDATION_FAILED;

	if (denied == REASON_SWITCH_RATE_LIMITED || denied == REASON_POLICY_DENIED ||
	    denied == REASON_RECOVERY_WINDOW_EXPIRED || denied == REASON_NO_CANDIDATE_TRANSPORTS)
		why = denied;
	trail_path(s, AUDIT_REATTACH_RESULT, denied, s->active->number, s->slot[s->jump->slot].path, now);
	jump_ends(s, denied, retry_after_ms);
	state_event(s, EVENT_REATTACH_FAIL, why, now);
	if (retry_after_ms > 0)
		s->jump->again = time_add_ms(now, retry_after_ms);
	send_suspect(s, now);
	standby_ask(s, now);
}

void client_target_lost(struct session *s, uint8_t number, struct jv_time now)
{
	if (s->state != STATE_RECOVERING)
		return;
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		if (n != number && session_has_candidate(s, n) && s->jump->dead) {
			jump_elsewhere(s, now);
			return;
		}
	/* A move for comfort loses its target, and nothing else. */
	jump_fails(s, s->jump->dead ? REASON_NO_CANDIDATE_TRANSPORTS : REASON_INVALID_TRANSPORT_CANDIDATE, 0,
		   now);
}

/* Any number in the list may stand in a JUMP_REJECT; only a denial is repeated in the records. */
static enum reason denial(enum reason told)
{
	if (told == REASON_SWITCH_RATE_LIMITED || told == REASON_POLICY_DENIED ||
	    (told >= REASON_UNKNOWN_SESSION && told <= REASON_OWNERSHIP_STORE_UNAVAILABLE))
		return told;
	return REASON_REATTACH_VALIDATION_FAILED;
}

/* Bindings only grow: a peer that names now one and now another would have us ask for ever. */
static bool is_later_binding(const struct session *s, uint32_t told)
{
	return (int32_t)(told - s->jump->binding) > 0 && told - s->binding_version <= BINDINGS_MISSED_MAX;
}

/* When it may be asked again; not at once, or a peer that denies everything would have us ask without end. */
static uint32_t denied_ms(const struct session *s, uint32_t told)
{
	if (told == 0)
		return s->policy->heartbeat_volatile_ms;
	if (told < PROTO_RETRY_MIN_MS)
		return PROTO_RETRY_MIN_MS;
	return told < LIMIT_WINDOW_MS ? told : LIMIT_WINDOW_MS;
}

void client_jump_reject(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	const enum reason why = denial(f->jump_reject->reason);
	const uint32_t ms = denied_ms(s, get_be32(f->jump_reject->retry_after_ms));

	if (!s->jump->pending || s->state != STATE_RECOVERING || get_be32(f->jump_reject->id) != s->jump->id)
		return;
	if (why == REASON_STALE_BINDING_VERSION &&
	    is_later_binding(s, get_be32(f->jump_reject->binding_version))) {
		s->jump->binding = get_be32(f->jump_reject->binding_version);
		jump_to(s, s->slot[s->jump->slot].path, now);
		return;
	}
	s->jump->denied = why;
	if (why == REASON_INVALID_TRANSPORT_CANDIDATE && s->jump->dead &&
	    jump_choose(s, s->jump->tried, now)) {
		jump_elsewhere(s, now);
		return;
	}
	if ((why == REASON_STALE_REQUEST && get_be32(f->jump_reject->retry_after_ms) > 0) ||
	    (s->jump->dead && why == REASON_COOLDOWN_ACTIVE)) {
		s->jump->tries = 0;
		s->jump->again = time_add_ms(now, ms);
		due_restart(s, now);
		return;
	}
	jump_fails(s, why, ms, now);
}

void client_deadline(struct session *s, struct jv_time now)
{
	enum reason why;

	if (s->state == STATE_RECOVERING) {
		jump_fails(s, REASON_RECOVERY_WINDOW_EXPIRED, 0, now);
		return;
	}
	if (s->state != STATE_VOLATILE)
		return;
	why = evidence_is_quality(s->instability) ? REASON_VOLATILE_PERSISTED
						  : REASON_NO_CANDIDATE_TRANSPORTS;
	if (jump_choose(s, (uint16_t)(1u << s->active->slot), now))
		why = REASON_VOLATILE_PERSISTED;
	state_event(s, EVENT_DEGRADE, why, now);
}
