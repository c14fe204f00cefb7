/*
 * Judges jumps and tells the client what it needs to know. The client decides when to jump and where to.
 *
 * On the thread of the engine.
 */
#include "session/server.h"

#include "session/evidence.h"
#include "session/issue.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/proof.h"
#include "session/rescue.h"
#include "session/send.h"
#include "session/session.h"
#include "session/skew.h"
#include "session/state.h"
#include "session/tell.h"
#include "session/trail.h"
#include "session/wheel.h"

#define ORDER_MS 200 /* an operator's jump is asked for again after this */
#define ORDER_TRIES 10
#define UNUSABLE_MS 1000 /* an address that answers no challenge may be asked for again after this */

/* --- jumps --- */

static void acknowledge(struct path *p, uint32_t id, struct jv_time now)
{
	struct session *s = p->session;
	const struct frame_jump_ack f = {
		.id = put_be32(id),
		.binding_version = put_be32(s->binding_version),
		.state_version = put_be32(s->state_version),
		.epoch = (uint8_t)s->acked_epoch,
		.highest = put_be48(s->acked_highest),
	};
	struct control_packet c;

	send_begin(&c);
	frame_write(&c.w, &(struct frame){ FRAME_JUMP_ACK, { &f } });
	proof_ask(p, &c, now);
	send_control(&c, p, NULL, now);
}

static void reject(struct path *p, uint32_t id, enum reason why, uint32_t retry_after_ms, struct jv_time now)
{
	struct session *s = p->session;
	const struct frame_jump_reject f = {
		.id = put_be32(id),
		.reason = (uint8_t)why,
		.retry_after_ms = put_be32(retry_after_ms),
		.binding_version = put_be32(s->binding_version),
	};

	trail_denied(s, why, p, retry_after_ms, now);
	send_frame(p, &(struct frame){ FRAME_JUMP_REJECT, { &f } }, now);
	if (why == REASON_STALE_REQUEST)
		send_ping(p, 0, now); /* its PONG mends our estimate of the client's clock */
}

/* The order of judgement; that the session is known and the packet authentic and new comes before. */
static enum reason judge(struct path *p, const struct frame *f, bool is_switch, bool elsewhere,
			 uint32_t *retry_after_ms, struct jv_time now)
{
	struct session *s = p->session;
	const struct policy *pol = s->policy;
	uint32_t budget;

	*retry_after_ms = 0;
	/* One that was held back while the client has long jumped otherwise names the right binding, but not
	 * the last wish. */
	if ((int32_t)(get_be32(f->jump->id) - s->last_jump_id) < 0)
		return REASON_STALE_REQUEST;
	if (skew_is_stale(s, get_be64(f->jump->age_us), now)) {
		*retry_after_ms = PROTO_RETRY_MIN_MS;
		return REASON_STALE_REQUEST;
	}
	if (time_since_ms(now, s->born) >= pol->max_lifetime_ms)
		return REASON_SESSION_EXPIRED;
	if (!time_is_never(s->left_attached) &&
	    time_since_ms(now, s->left_attached) >= pol->transport_lost_ttl_ms)
		return REASON_SESSION_EXPIRED;
	if (get_be32(f->jump->binding_version) != s->binding_version)
		return REASON_STALE_BINDING_VERSION;
	if (path_is_ignored(p) && !elsewhere) {
		*retry_after_ms = UNUSABLE_MS;
		return REASON_INVALID_TRANSPORT_CANDIDATE;
	}
	if (!is_switch)
		return REASON_NONE;
	/* How much is lost the client knows best: both directions are counted there. */
	budget = evidence_budget(pol, f->jump->reason, POLICY_PPM);
	*retry_after_ms = session_limit_ms(s, &s->limit, budget, now);
	if (*retry_after_ms > 0)
		return REASON_SWITCH_RATE_LIMITED;
	*retry_after_ms = switch_limit_cooldown_ms(&s->limit, pol->switch_cooldown_ms, now);
	if (*retry_after_ms > 0)
		return REASON_COOLDOWN_ACTIVE;
	return REASON_NONE;
}

/* A server that is still ATTACHED takes the client's reason as its evidence and walks there in the same
 * commit. */
static void walk(struct session *s, enum reason evidence, struct jv_time now)
{
	const bool listed = evidence_is_dead(evidence) || evidence == REASON_LOSS_THRESHOLD_EXCEEDED ||
			    evidence == REASON_LATENCY_THRESHOLD_EXCEEDED;

	if (s->state == STATE_ATTACHED)
		state_event(s, EVENT_INSTABILITY, listed ? evidence : REASON_POLICY_FORCED, now);
	if (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED)
		state_event(s, EVENT_SWITCH_START, evidence_reason(evidence), now);
}

/* The active locator from another address, which is on trial: a JUMP moves us there. (One that is older than what was
 * heard on its path does not tell where that leads now.) */
static bool is_elsewhere(const struct path *p, const struct route *from)
{
	return path_tries(p, from);
}

/* Followed, or given up. */
static void order_ends(struct session *s, enum reason why)
{
	s->engine->io.jump_done(s->engine->ctx, s->order->token, why, 0);
	session_drop_order(s);
}

static void commit(struct path *p, const struct route *from, const struct frame *f, bool is_switch,
		   struct jv_time now)
{
	struct session *s = p->session;
	const uint8_t left = s->active->number;

	walk(s, f->jump->reason, now);
	if (is_elsewhere(p, from))
		proof_moved(p, now);
	state_bind(s, p, is_switch, now);
	state_event(s, EVENT_REATTACH_OK, REASON_REATTACH_SUCCESS, now);
	send_ping(p, 0, now);
	trail_path(s, AUDIT_REATTACH_RESULT, REASON_REATTACH_SUCCESS, left, p, now);
	if (s->order && s->order->number == p->number)
		order_ends(s, REASON_NONE);
}

/* Behind the JUMP_ACK, what the JUMP does not report. In flight on a path that is well it is not lost. */
static void send_again(struct session *s, const struct frame *jump, bool dead, struct jv_time overdue,
		       struct jv_time now)
{
	rescue_arrived(s, jump->jump->epoch, get_be48(jump->jump->highest));
	if (dead)
		rescue_all(s, now);
	else
		rescue_overdue(s, overdue, now);
}

void server_jump(struct path *p, const struct route *from, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	const bool elsewhere = is_elsewhere(p, from);
	const bool is_switch = p != s->active || elsewhere;
	/* Had it been well, what is older would be reported. */
	const struct jv_time overdue = time_add_us(now, -path_patience_us(s->active));
	uint32_t retry_after_ms;
	enum reason why;
	bool dead;

	if (p == s->active && get_be32(f->jump->id) == s->last_jump_id && s->state == STATE_ATTACHED) {
		acknowledge(p, get_be32(f->jump->id), now);
		send_again(s, f, evidence_is_dead(f->jump->reason), overdue, now);
		return;
	}
	if (!session_need_health(p))
		return; /* as if it had been lost: the client repeats it */
	why = judge(p, f, is_switch, elsewhere, &retry_after_ms, now);
	if (why != REASON_NONE) {
		reject(p, get_be32(f->jump->id), why, retry_after_ms, now);
		return;
	}
	dead = evidence_is_dead(f->jump->reason) || s->state != STATE_ATTACHED;
	s->acked_epoch = s->rx_epoch;
	s->acked_highest = s->rx_highest;
	/* One that changes nothing is no decision: a client could fill the log with them. */
	if (is_switch || s->state != STATE_ATTACHED) {
		trail_path(s, AUDIT_REATTACH_ATTEMPT, f->jump->reason, s->active->number, p, now);
		commit(p, from, f, is_switch, now);
	}
	s->last_jump_id = get_be32(f->jump->id);
	acknowledge(p, get_be32(f->jump->id), now);
	send_again(s, f, dead, overdue, now);
}

/* --- the server's own view --- */

void server_path_dead(struct session *s, enum reason why, struct jv_time now)
{
	if (s->state == STATE_ATTACHED && !state_event(s, EVENT_INSTABILITY, why, now))
		return;
	if (why == REASON_LOSS_THRESHOLD_EXCEEDED || why == REASON_LATENCY_THRESHOLD_EXCEEDED)
		return; /* the client sees that by itself, and it is not death */
	if (path_health(s->active)->stall.told)
		return; /* it is the client that says so */
	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = s->slot[i].path;

		if (p && p != s->active && path_is_proven(p))
			send_ping(p, PING_PEER_DEAD, now);
	}
}

void server_pinged(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;

	if (p == s->active)
		p->health->stall.told = f->ping->flags & PING_PEER_DEAD;
	if (p == s->active && path_health(p)->stall.told && s->state == STATE_ATTACHED)
		server_path_dead(s, REASON_DATA_STALLED, now);
	if (!path_is_proven(p) || proof_is_stray(p))
		return;
	/* Only from one who knows the present locators: an older PING would have them replaced again. And not at once after
	 * those that were told last: a client would have us make more of them with each packet. */
	if (get_be16(f->ping->spent) && get_be32(f->ping->locators_seq) == s->locators_seq &&
	    time_since_ms(now, s->locators_sent) >= PROTO_RETRY_MIN_MS)
		issue_replace(p, get_be16(f->ping->spent));
	if (get_be32(f->ping->locators_seq) != s->locators_seq)
		tell_locators(p, now);
	if (get_be32(f->ping->policy_generation) != s->policy_generation && p == s->active)
		tell_policy(s, now);
}

/* --- an operator's order --- */

void server_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now)
{
	struct engine *e = s->engine;

	if (s->state != STATE_ATTACHED || s->order) {
		e->io.jump_done(e->ctx, token, REASON_INVALID_STATE_FOR_REATTACH, 0);
		return;
	}
	if (!session_path_numbered(s, number)) {
		e->io.jump_done(e->ctx, token, REASON_INVALID_TRANSPORT_CANDIDATE, 0);
		return;
	}
	if (!session_make_order(s)) {
		e->io.jump_done(e->ctx, token, REASON_OUT_OF_MEMORY, 0);
		return;
	}
	s->order->token = token;
	s->order->number = number;
	s->order->id = ++s->next_jump_id;
	s->order->again = now;
	server_order_repeat(s, now);
}

void server_order_repeat(struct session *s, struct jv_time now)
{
	struct jump_order *order = s->order;
	struct frame_jump f = {
		.reason = REASON_POLICY_FORCED,
		.binding_version = put_be32(s->binding_version),
		.age_us = put_be64(session_age_us(s, now)),
		.epoch = (uint8_t)s->rx_epoch,
		.highest = put_be48(s->rx_highest),
	};

	if (!order || time_before(now, order->again))
		return;
	if (order->tries++ >= ORDER_TRIES) {
		order_ends(s, REASON_RECOVERY_WINDOW_EXPIRED);
		return;
	}
	f.id = put_be32(order->id);
	f.path = order->number;
	send_frame(s->active, &(struct frame){ FRAME_JUMP, { &f } }, now);
	order->again = time_add_ms(now, ORDER_MS);
	session_due_earlier(s, DUE_HEALTH, order->again);
}

/* --- reload --- */
