/*
 * Is the active path alive? Fast where there is traffic, free where there is none.
 *
 * Silence after data sends a PING; an unanswered PING is repeated; max_consecutive_drops unanswered ones make
 * the path dead. While authentic packets still arrive the verdict waits for the slow clock (heartbeats): then
 * it is a one-way path, or PONGs drown in a queue. What the data path does here is one comparison and one
 * store.
 *
 * A path that answers can still be bad: by loss, or by latency. A session that left ATTACHED for
 * that and came back without a better path does not leave again at once, or a path at the threshold would make it flap with
 * each window.
 *
 * On the thread of the engine.
 */
#include "session/health.h"

#include "session/client.h"
#include "session/due.h"
#include "session/learn.h"
#include "session/open.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/send.h"
#include "session/server.h"
#include "session/spread.h"
#include "session/stall.h"
#include "session/standby.h"
#include "session/state.h"
#include "session/tell.h"
#include "session/wheel.h"

#define QUALITY_HOLD_MAX_MS 60000 /* between coming back and the next verdict of this kind */
#define PUT_OFF_US 500000 /* what a pressed server would ask */
#define QUALITY_FORGET_MS 180000  /* without such a verdict the hold begins anew */

void health_heard(struct session *s, const struct path *p)
{
	if (p == s->active)
		s->unanswered_since = TIME_NEVER;
}

/* Why an answering path is to be left now. `window`: a loss window has just ended. */
static enum reason verdict(const struct session *s, struct path *p, bool window, struct jv_time now)
{
	const bool forgotten =
		time_is_never(s->quality_left) || time_since_ms(now, s->quality_left) >= QUALITY_FORGET_MS;

	if (!forgotten && time_since_ms(now, s->since) < s->quality_hold_ms)
		return REASON_NONE;
	if (window && path_health(p)->loss_bad && !pmtu_doubts(p, now))
		return REASON_LOSS_THRESHOLD_EXCEEDED;
	return path_latency_exceeded(p) ? REASON_LATENCY_THRESHOLD_EXCEEDED : REASON_NONE;
}

/* The next such verdict has to wait, and longer each time. */
static void quality_left(struct session *s, struct path *p, struct jv_time now)
{
	const bool again =
		!time_is_never(s->quality_left) && time_since_ms(now, s->quality_left) < QUALITY_FORGET_MS;
	const uint32_t ms = again ? s->quality_hold_ms * 2 : s->policy->volatile_to_degraded_ms;

	s->quality_hold_ms = ms < QUALITY_HOLD_MAX_MS ? ms : QUALITY_HOLD_MAX_MS;
	s->quality_left = now;
	p->health->latency_above = 0; /* the next verdict wants evidence of its own */
}

static void path_dead(struct session *s, enum reason why, struct jv_time now)
{
	if (s->engine->client)
		client_path_dead(s, why, now);
	else
		server_path_dead(s, why, now);
}

/* Server: the address answers PINGs, whose numbers can be guessed, but no challenge. */
static bool is_unusable(const struct session *s, const struct path *p)
{
	return !s->engine->client && path_is_ignored(p);
}

void health_stalled(struct path *p, unsigned int ways, struct jv_time now)
{
	struct session *s = p->session;

	stall_mark(p, ways, now);
	if (s->state == STATE_ATTACHED)
		path_dead(s, REASON_DATA_STALLED, now);
	due_arm(s, now);
}

void health_ponged(struct session *s, struct path *p, bool window, struct jv_time now)
{
	const bool judged = p == s->active && s->state == STATE_ATTACHED;
	const enum reason why = judged ? verdict(s, p, window, now) : REASON_NONE;

	if (p == s->active) {
		s->unanswered_since = TIME_NEVER;
		if (why == REASON_LOSS_THRESHOLD_EXCEEDED && stall_likely(p) != 0) {
			health_stalled(p, stall_likely(p), now);
		} else if (why != REASON_NONE) {
			quality_left(s, p, now);
			path_dead(s, why, now);
		} else if (s->state == STATE_VOLATILE && !p->health->loss_bad && !p->health->latency_bad &&
			   !is_unusable(s, p) && stall_is_over(p, now)) {
			state_event(s, EVENT_HEALTH_RESTORED, REASON_HEALTH_RECOVERED, now);
			if (s->engine->client)
				standby_run(s, now); /* closes what was opened to replace it */
		}
	}
	if (s->engine->client) {
		client_path_answers(s, p, now);
	} else if (p == s->active && s->state == STATE_DEGRADED && !is_unusable(s, p) &&
		   stall_is_over(p, now) &&
		   state_event(s, EVENT_SWITCH_START, REASON_HEALTH_RECOVERED, now)) {
		/* The binding stands and both directions are proven: nothing is to be judged. */
		state_event(s, EVENT_REATTACH_OK, REASON_REATTACH_SUCCESS, now);
	}
	due_arm(s, now);
}

void health_asked(struct session *s, struct jv_time now)
{
	struct path *p = s->active;

	if (!s->engine->client && s->state != STATE_ATTACHED &&
	    p->health->unanswered >= s->policy->max_consecutive_drops &&
	    time_diff_us(now, p->health->ping_sent) >= path_patience_us(p))
		send_ping(p, 0, now);
	due_restart(s, now);
}

/* The active path is in doubt, or worse: is it well again? */
static void ping_again(struct session *s, struct path *p, struct jv_time now)
{
	if (s->engine->client && s->state != STATE_ATTACHED)
		open_ping_active(s, now);
	else
		send_ping(p, 0, now);
}

/* The PING that is out has not been answered in time. */
static void unanswered(struct session *s, struct path *p, struct jv_time now)
{
	const int64_t slow_us =
		(int64_t)s->policy->max_consecutive_drops * s->policy->heartbeat_interval_ms * 1000;
	const struct health *h = path_health(p);
	const uint32_t most = path_drops(p, s->policy);
	const bool silent = path_is_silent(p, most);

	if (s->state == STATE_ATTACHED &&
	    (silent || (h->unanswered >= most && h->unanswered >= PATH_ONE_WAY_DROPS &&
			time_diff_us(now, h->silent_since) >= slow_us))) {
		path_dead(s,
			  time_is_never(s->unanswered_since) && silent ? REASON_HEARTBEAT_TIMEOUT
								       : REASON_CONSECUTIVE_DROP_EXCEEDED,
			  now);
		return;
	}
	ping_again(s, p, now);
}

/*
 * A server that cannot read all that comes (engine_pressed()) neither probes nor suspects a path: what it did not hear may
 * have been lost at its own socket. A session that was not heard for three heartbeats is probed all the same.
 */
static bool is_put_off(const struct session *s, struct jv_time now)
{
	const struct engine *e = s->engine;

	return !e->client && !time_is_never(e->pressed) && time_since_ms(now, e->pressed) < PRESSED_MS &&
	       time_since_ms(now, s->last_rx) < 3ull * s->policy->heartbeat_idle_ms;
}

void health_fire(struct session *s, struct jv_time now)
{
	struct path *p = s->active;

	if (s->state == STATE_BIRTH) { /* client: the confirming PING or its PONG was lost */
		if (path_is_known(s->slot[0].path))
			send_ping(s->slot[0].path, 0, now);
		session_due(s, DUE_HEALTH, time_add_us(now, path_patience_us(s->slot[0].path)));
		return;
	}
	if (s->engine->client)
		client_jump_repeat(s, now);
	else
		server_order_repeat(s, now);
	if (s->state == STATE_TERMINATED || !p)
		return;
	if (is_put_off(s, now)) {
		session_due(s, DUE_HEALTH, time_add_us(now, spread_us(s->id, s->next_ping_id, PUT_OFF_US)));
		return;
	}
	tell_owed(s, now);
	if (!s->engine->client && s->state == STATE_ATTACHED)
		learn_look(s, now);
	if (path_health(p)->ping_out) {
		if (!time_before(now, due_ping(s, p)))
			unanswered(s, p, now);
	} else if (!time_before(now, stall_due(p))) {
		send_ping(p, 0, now);
	} else if (s->state != STATE_ATTACHED) {
		if (!time_before(now, time_add_us(path_health(p)->ping_sent, due_slow_us(s))))
			ping_again(s, p, now);
	} else if (!time_before(now, due_heartbeat(s, p, now)) ||
		   (!time_is_never(s->unanswered_since) &&
		    !time_before(now, time_add_us(s->unanswered_since, path_patience_us(p))))) {
		send_ping(p, 0, now);
	}
	due_arm(s, now);
}

/* --- a sleep --- */
