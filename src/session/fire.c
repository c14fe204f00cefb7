/*
 * What the timers of a session do, the one of the active path's health excepted (health.c); and the same after a sleep, when
 * what was due meanwhile comes first.
 *
 * On the thread of the engine.
 */
#include "session/fire.h"

#include "session/age.h"
#include "session/client.h"
#include "session/end.h"
#include "session/due.h"
#include "session/health.h"
#include "session/life.h"
#include "session/passage.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/rekey.h"
#include "session/session.h"
#include "session/stall.h"
#include "session/standby.h"
#include "session/state.h"
#include "session/uplink.h"
#include "session/wheel.h"

#define WAKES_PER_MS 32 /* sessions that a server asks after a sleep */

static void fire_deadline(struct session *s, struct jv_time now)
{
	if (s->state == STATE_TERMINATED) {
		life_forget(s);
		return;
	}
	if (s->state == STATE_BIRTH) {
		end_session(s, REASON_HANDSHAKE_TIMEOUT, now);
		return;
	}
	if (!time_is_never(s->left_attached) &&
	    time_since_ms(now, s->left_attached) >= s->policy->transport_lost_ttl_ms) {
		end_session(s, REASON_TRANSPORT_TTL_EXCEEDED, now);
		return;
	}
	if (s->engine->client)
		client_deadline(s, now);
	else if (s->state == STATE_VOLATILE)
		state_event(s, EVENT_DEGRADE, REASON_VOLATILE_PERSISTED, now);
}

static void fire_life(struct session *s, struct jv_time now)
{
	if (time_since_ms(now, s->born) >= s->policy->max_lifetime_ms)
		end_session(s, REASON_SESSION_LIFETIME_EXCEEDED, now);
	else
		rekey_run(s, now);
}

static void catch_up(struct session *s, struct jv_time now)
{
	while (s->state != STATE_TERMINATED) {
		const struct jv_time end = time_add_ms(s->born, s->policy->max_lifetime_ms);
		const struct jv_time due = time_min(end, due_deadline(s));
		/* The policy taken with the last transition may have made it due before that. */
		const struct jv_time at = time_max(due, s->since);

		if (time_before(now, at))
			return;
		if (due.us == end.us)
			fire_life(s, at);
		else
			fire_deadline(s, at);
	}
}

static void fire_standby(struct session *s, struct jv_time now)
{
	if (s->draining && !time_before(now, s->drain_until)) {
		struct path *left = s->draining;

		s->draining = NULL;
		if (s->engine->client)
			standby_left(left);
	}
	if (s->engine->client) {
		standby_run(s, now);
		uplink_move_waiting(s, now);
	}
	if (s->draining)
		session_due_earlier(s, DUE_STANDBY, s->drain_until);
}

/* What was counted before the sleep is void, and all paths are asked at once. */
static void ask_anew(struct session *s, uint64_t after_ms, struct jv_time now)
{
	s->void_ping_id = s->next_ping_id;
	s->unanswered_since = TIME_NEVER;
	age_slept(s, now);
	stall_void(s);
	for (uint8_t i = 0; i < s->slots; i++)
		if (s->slot[i].path && path_is_known(s->slot[i].path))
			path_void(s->slot[i].path, now);
	session_due(s, DUE_HEALTH, time_add_ms(now, after_ms));
	if (s->engine->client)
		session_due_earlier(s, DUE_STANDBY, now);
}

void fire_woke(struct engine *e, struct jv_time now)
{
	struct list *pos, *tmp;
	uint64_t n = 0;

	list_for_each_safe(pos, tmp, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		catch_up(s, now);
		passage_begins(s);
		if (s->state != STATE_TERMINATED && s->state != STATE_BIRTH)
			ask_anew(s, n++ / WAKES_PER_MS, now);
	}
}

/* Of the path that carries data, or of another one: what has it shown that matters to the session? */
static void probes_told(struct path *p, enum pmtu_found found, struct jv_time now)
{
	if (found == PMTU_STALLED)
		health_stalled(p, STALLED_THERE, now);
	else if (found == PMTU_LOSS)
		health_ponged(p->session, p, true, now);
}

static void fire_pmtu(struct session *s, struct jv_time now)
{
	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = s->slot[i].path;

		if (!p)
			continue;
		probes_told(p, pmtu_round_due(p, now), now);
		probes_told(p, pmtu_doubt_due(p, now), now);
	}
	pmtu_look(s, now);
}

/*
 * What is due is done once, the longest due first; what is made due by that, too late already, waits for the next turn of the
 * wheel. One that ends on the way has nothing due any more but that it be forgotten.
 */
void fire_session(struct timer *t, struct jv_time now)
{
	static void (*const fire[DUES])(struct session * s, struct jv_time now) = {
		[DUE_DEADLINE] = fire_deadline, [DUE_LIFE] = fire_life, [DUE_HEALTH] = health_fire,
		[DUE_STANDBY] = fire_standby,   [DUE_PMTU] = fire_pmtu,
	};
	struct session *s = container_of(t, struct session, timer);
	unsigned int left = session_due_now(s, now);
	enum due what;

	while (session_due_next(s, &left, now, &what))
		fire[what](s, now);
	session_due_rest(s);
}
