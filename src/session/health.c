/*
 * Is the active path alive? Fast where there is traffic, free where there is none.
 *
 * Silence after data sends a PING; an unanswered PING is repeated; max_consecutive_drops unanswered ones make
 * the path dead. While authentic packets still arrive the verdict waits for the slow clock (heartbeats): then
 * it is a one-way path, or PONGs drown in a queue. What the data path does here is one comparison and one
 * store.
 */
#include "session/session.h"

/* Between two probes of a path that is known to be bad, once the first ones have gone unanswered. */
static int64_t slow_probe_us(const struct session *s)
{
	const uint32_t ms = s->state == STATE_ATTACHED ? s->policy.heartbeat_interval_ms
						       : s->policy.heartbeat_volatile_ms;

	return (int64_t)ms * 1000;
}

/* Packets still come, and nothing says that ours do not arrive. */
static bool heard_since_suspicion(const struct path *p)
{
	return !p->deaf && !time_is_never(p->last_rx) && time_before(p->silent_since, p->last_rx);
}

/* When the PING that is out counts as unanswered. */
static struct jv_time ping_due(const struct session *s, const struct path *p)
{
	int64_t wait = p->unanswered <= 1 ? path_patience_us(p) : path_reprobe_us(p);

	if (p->unanswered >= s->policy.max_consecutive_drops &&
	    (s->state != STATE_ATTACHED || heard_since_suspicion(p)) && wait < slow_probe_us(s))
		wait = slow_probe_us(s);
	return time_add_us(p->ping_sent, wait);
}

/* The client's heartbeat keeps both ends sure; the server asks only when that stays out. */
static struct jv_time heartbeat_due(const struct session *s, const struct path *p, struct jv_time now)
{
	const struct policy *pol = &s->policy;

	if (!s->engine->client)
		return time_add_ms(s->last_rx, 2ull * pol->heartbeat_idle_ms);
	if (p->ping_id == 0)
		return now;
	if (time_since_ms(now, s->last_data) < pol->heartbeat_interval_ms)
		return time_add_ms(p->ping_sent, pol->heartbeat_interval_ms);
	/* Data may begin to flow at any moment: then the silence rule takes over. */
	return time_add_ms(p->ping_sent, pol->heartbeat_idle_ms);
}

static struct jv_time next_look(struct session *s, struct jv_time now)
{
	struct path *p = s->active;
	struct jv_time at = s->jump.again;

	if (!p)
		return at;
	if (p->ping_out)
		return time_min(at, ping_due(s, p));
	if (s->state != STATE_ATTACHED)
		return time_min(at, time_add_us(p->ping_sent, slow_probe_us(s)));
	at = time_min(at, heartbeat_due(s, p, now));
	if (!time_is_never(s->unanswered_since))
		at = time_min(at, time_add_us(s->unanswered_since, path_patience_us(p)));
	return at;
}

static void arm(struct session *s, struct jv_time now)
{
	if (s->state == STATE_TERMINATED)
		return;
	timer_start(&s->engine->wheel, &s->health, next_look(s, now));
}

void health_data_sent(struct session *s, struct jv_time now)
{
	s->unanswered_since = now;
	if (s->active && s->state == STATE_ATTACHED)
		timer_start_earlier(&s->engine->wheel, &s->health,
				    time_add_us(now, path_patience_us(s->active)));
}

void health_heard(struct session *s, const struct path *p)
{
	if (p == s->active)
		s->unanswered_since = TIME_NEVER;
}

static enum reason quality_of(const struct session *s, const struct path *p)
{
	const struct policy *pol = &s->policy;

	if (p->loss_ppm > pol->loss_volatile_threshold)
		return REASON_LOSS_THRESHOLD_EXCEEDED;
	if (pol->latency_volatile_threshold_ms > 0 &&
	    p->srtt_us > (int64_t)pol->latency_volatile_threshold_ms * 1000)
		return REASON_LATENCY_THRESHOLD_EXCEEDED;
	return REASON_NONE;
}

static void path_dead(struct session *s, enum reason why, struct jv_time now)
{
	if (s->engine->client)
		client_path_dead(s, why, now);
	else
		server_path_dead(s, why, now);
}

void health_ponged(struct session *s, struct path *p, bool window, struct jv_time now)
{
	const enum reason quality = quality_of(s, p);

	if (p == s->active) {
		s->unanswered_since = TIME_NEVER;
		if (s->state == STATE_ATTACHED && window && quality != REASON_NONE)
			path_dead(s, quality, now);
		else if (s->state == STATE_VOLATILE && quality == REASON_NONE)
			session_event(s, EVENT_HEALTH_RESTORED, REASON_HEALTH_RECOVERED, now);
	}
	if (s->engine->client) {
		client_path_answers(s, p, now);
	} else if (p == s->active && s->state == STATE_DEGRADED &&
		   session_event(s, EVENT_SWITCH_START, REASON_HEALTH_RECOVERED, now)) {
		/* The binding stands and both directions are proven: nothing is to be judged. */
		session_event(s, EVENT_REATTACH_OK, REASON_REATTACH_SUCCESS, now);
	}
	arm(s, now);
}

void health_restart(struct session *s, struct jv_time now)
{
	if (s->state == STATE_TERMINATED || s->state == STATE_BIRTH)
		return;
	timer_start_earlier(&s->engine->wheel, &s->health, next_look(s, now));
}

void health_suspect(struct session *s, struct jv_time now)
{
	if (s->active && !s->active->ping_out)
		ping_send(s->active, 0, now);
	arm(s, now);
}

/* The PING that is out has not been answered in time. */
static void unanswered(struct session *s, struct path *p, struct jv_time now)
{
	const uint32_t most = s->policy.max_consecutive_drops;
	const int64_t slow_us = (int64_t)most * s->policy.heartbeat_interval_ms * 1000;
	const bool heard = heard_since_suspicion(p);

	if (s->state == STATE_ATTACHED && p->unanswered >= most &&
	    (!heard || time_diff_us(now, p->silent_since) >= slow_us)) {
		path_dead(s,
			  time_is_never(s->unanswered_since) && !heard ? REASON_HEARTBEAT_TIMEOUT
								       : REASON_CONSECUTIVE_DROP_EXCEEDED,
			  now);
		return;
	}
	ping_send(p, 0, now);
}

void health_fire(struct timer *t, struct jv_time now)
{
	struct session *s = container_of(t, struct session, health);
	struct path *p = s->active;

	if (s->state == STATE_BIRTH) { /* client: the confirming PING or its PONG was lost */
		if (s->path[0].known)
			ping_send(&s->path[0], 0, now);
		timer_start(&s->engine->wheel, t, time_add_us(now, path_patience_us(&s->path[0])));
		return;
	}
	if (s->engine->client)
		client_jump_repeat(s, now);
	else
		server_order_repeat(s, now);
	if (s->state == STATE_TERMINATED || !p)
		return;
	if (p->ping_out) {
		if (!time_before(now, ping_due(s, p)))
			unanswered(s, p, now);
	} else if (s->state != STATE_ATTACHED) {
		if (!time_before(now, time_add_us(p->ping_sent, slow_probe_us(s))))
			ping_send(p, 0, now);
	} else if (!time_before(now, heartbeat_due(s, p, now)) ||
		   (!time_is_never(s->unanswered_since) &&
		    !time_before(now, time_add_us(s->unanswered_since, path_patience_us(p))))) {
		ping_send(p, 0, now);
	}
	arm(s, now);
}
