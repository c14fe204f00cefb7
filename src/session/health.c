/*
 * Is the active path alive? Fast where there is traffic, free where there is none.
 *
 * Silence after data sends a PING; an unanswered PING is repeated; max_consecutive_drops unanswered ones make
 * the path dead. While authentic packets still arrive the verdict waits for the slow clock (heartbeats): then
 * it is a one-way path, or PONGs drown in a queue. What the data path does here is one comparison and one
 * store.
 *
 * A path that answers can still be bad: by loss, or by latency. Who leaves ATTACHED for that and comes back
 * without a better path is not asked again at once, or a path at the edge would flap with each window.
 */
#include "session/health.h"

#include "session/candidate.h"
#include "session/client.h"
#include "session/failover.h"
#include "session/passage.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/proof.h"
#include "session/rekey.h"
#include "session/server.h"
#include "session/session.h"
#include "session/stall.h"
#include "session/transmit.h"
#include "session/wheel.h"

#define QUALITY_HOLD_MAX_MS 60000 /* between coming back and the next verdict of this kind */
#define QUALITY_FORGET_MS 180000  /* without such a verdict the hold begins anew */
#define WAKES_PER_MS 32           /* sessions that a server asks after a sleep */

/* Between two probes of a path that is known to be bad. */
static int64_t slow_probe_us(const struct session *s)
{
	return (int64_t)s->policy.heartbeat_volatile_ms * 1000;
}

/*
 * When the PING that is out counts as unanswered. Before a verdict the first of the row has had its patience and
 * more the less even round trips are: a queue that fills makes them grow, and their variance tells it.
 */
static struct jv_time ping_due(const struct session *s, const struct path *p)
{
	const int64_t most_us = s->state == STATE_ATTACHED
					? (int64_t)s->policy.heartbeat_interval_ms * 1000 / 4
					: slow_probe_us(s);
	const struct jv_time at = time_add_us(p->ping_sent, path_wait_us(p, most_us));

	if (p->unanswered < path_drops(p, &s->policy))
		return at;
	return time_max(
		at, time_add_us(p->silent_since, path_patience_us(p) + p->srtt_us / 2 + 4 * p->rttvar_us));
}

/* The client's heartbeat keeps both ends sure; the server asks only when that stays out. */
static struct jv_time heartbeat_due(const struct session *s, const struct path *p, struct jv_time now)
{
	const struct policy *pol = &s->policy;

	if (p->ping_id == 0)
		return now;
	if (!s->engine->client)
		return time_add_ms(s->last_rx, 2ull * pol->heartbeat_idle_ms);
	if (time_since_ms(now, s->last_data) < pol->heartbeat_interval_ms)
		return time_add_ms(p->ping_sent, pol->heartbeat_interval_ms);
	/* Data may begin to flow at any moment: then the silence rule takes over. */
	return time_add_ms(p->ping_sent, failover_idle_ms(s));
}

static struct jv_time next_look(struct session *s, struct jv_time now)
{
	struct path *p = s->active;
	struct jv_time at = s->jump.again;

	if (!p)
		return at;
	if (!s->engine->client && s->state == STATE_ATTACHED)
		at = time_min(at, proof_due(p));
	if (p->ping_out)
		return time_min(at, ping_due(s, p));
	at = time_min(at, stall_due(p));
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

/* Why an answering path is to be left now. `window`: a loss window has just ended. */
static enum reason verdict(const struct session *s, struct path *p, bool window, struct jv_time now)
{
	const bool forgotten =
		time_is_never(s->quality_left) || time_since_ms(now, s->quality_left) >= QUALITY_FORGET_MS;

	if (!forgotten && time_since_ms(now, s->since) < s->quality_hold_ms)
		return REASON_NONE;
	if (window && p->loss_bad && !pmtu_doubts(p, now))
		return REASON_LOSS_THRESHOLD_EXCEEDED;
	return path_latency_exceeded(p) ? REASON_LATENCY_THRESHOLD_EXCEEDED : REASON_NONE;
}

/* The next such verdict has to wait, and longer each time. */
static void quality_left(struct session *s, struct path *p, struct jv_time now)
{
	const bool again =
		!time_is_never(s->quality_left) && time_since_ms(now, s->quality_left) < QUALITY_FORGET_MS;
	const uint32_t ms = again ? s->quality_hold_ms * 2 : s->policy.volatile_to_degraded_ms;

	s->quality_hold_ms = ms < QUALITY_HOLD_MAX_MS ? ms : QUALITY_HOLD_MAX_MS;
	s->quality_left = now;
	p->latency_above = 0; /* the next verdict wants evidence of its own */
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

void health_stalled(struct session *s, struct jv_time now)
{
	if (s->state == STATE_ATTACHED)
		path_dead(s, REASON_DATA_STALLED, now);
	arm(s, now);
}

void health_ponged(struct session *s, struct path *p, bool window, struct jv_time now)
{
	const bool judged = p == s->active && s->state == STATE_ATTACHED;
	const enum reason why = judged ? verdict(s, p, window, now) : REASON_NONE;

	if (p == s->active) {
		s->unanswered_since = TIME_NEVER;
		if (why == REASON_LOSS_THRESHOLD_EXCEEDED && stall_likely(p) != 0) {
			stall_found(p, stall_likely(p), now);
		} else if (why != REASON_NONE) {
			quality_left(s, p, now);
			path_dead(s, why, now);
		} else if (s->state == STATE_VOLATILE && !p->loss_bad && !p->latency_bad &&
			   !is_unusable(s, p) && stall_is_over(p, now)) {
			session_event(s, EVENT_HEALTH_RESTORED, REASON_HEALTH_RECOVERED, now);
			if (s->engine->client)
				client_standby(s, now); /* closes what was opened to replace it */
		}
	}
	if (s->engine->client) {
		client_path_answers(s, p, now);
	} else if (p == s->active && s->state == STATE_DEGRADED && !is_unusable(s, p) &&
		   stall_is_over(p, now) &&
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

void health_asked(struct session *s, struct jv_time now)
{
	struct path *p = s->active;

	if (!s->engine->client && s->state != STATE_ATTACHED &&
	    p->unanswered >= s->policy.max_consecutive_drops &&
	    time_diff_us(now, p->ping_sent) >= path_patience_us(p))
		ping_send(p, 0, now);
	health_restart(s, now);
}

/* The active path is in doubt, or worse: is it well again? */
static void probe(struct session *s, struct path *p, struct jv_time now)
{
	if (s->engine->client && s->state != STATE_ATTACHED)
		client_probe_active(s, now);
	else
		ping_send(p, 0, now);
}

/* The PING that is out has not been answered in time. */
static void unanswered(struct session *s, struct path *p, struct jv_time now)
{
	const int64_t slow_us =
		(int64_t)s->policy.max_consecutive_drops * s->policy.heartbeat_interval_ms * 1000;
	const uint32_t most = path_drops(p, &s->policy);
	const bool silent = path_is_silent(p, most);

	if (s->state == STATE_ATTACHED &&
	    (silent || (p->unanswered >= most && p->unanswered >= PATH_ONE_WAY_DROPS &&
			time_diff_us(now, p->silent_since) >= slow_us))) {
		path_dead(s,
			  time_is_never(s->unanswered_since) && silent ? REASON_HEARTBEAT_TIMEOUT
								       : REASON_CONSECUTIVE_DROP_EXCEEDED,
			  now);
		return;
	}
	probe(s, p, now);
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
	if (!s->engine->client && s->state == STATE_ATTACHED)
		proof_look(s, now);
	if (p->ping_out) {
		if (!time_before(now, ping_due(s, p)))
			unanswered(s, p, now);
	} else if (!time_before(now, stall_due(p))) {
		ping_send(p, 0, now);
	} else if (s->state != STATE_ATTACHED) {
		if (!time_before(now, time_add_us(p->ping_sent, slow_probe_us(s))))
			probe(s, p, now);
	} else if (!time_before(now, heartbeat_due(s, p, now)) ||
		   (!time_is_never(s->unanswered_since) &&
		    !time_before(now, time_add_us(s->unanswered_since, path_patience_us(p))))) {
		ping_send(p, 0, now);
	}
	arm(s, now);
}

/* --- a sleep --- */

/* What was counted before the sleep is void, and all paths are asked at once. */
static void ask_anew(struct session *s, uint64_t after_ms, struct jv_time now)
{
	struct wheel *w = &s->engine->wheel;

	s->void_ping_id = s->next_ping_id;
	s->unanswered_since = TIME_NEVER;
	rekey_slept(s, now);
	lag_void(&s->there);
	lag_void(&s->back);
	for (uint8_t i = 0; i < s->slots; i++)
		if (s->path[i].known)
			path_void(&s->path[i], now);
	timer_start(w, &s->health, time_add_ms(now, after_ms));
	if (s->engine->client)
		timer_start_earlier(w, &s->standby, now);
}

void health_woke(struct engine *e, struct jv_time now)
{
	struct list *pos, *tmp;
	uint64_t n = 0;

	list_for_each_safe(pos, tmp, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		session_catch_up(s, now);
		passage_begins(s);
		if (s->state != STATE_TERMINATED && s->state != STATE_BIRTH)
			ask_anew(s, n++ / WAKES_PER_MS, now);
	}
}
