#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "session/accept.h"
#include "session/candidate.h"
#include "session/client.h"
#include "session/client_state.h"
#include "session/comfort.h"
#include "session/connect.h"
#include "session/failover.h"
#include "session/fsm.h"
#include "session/health.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/passage.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/rekey.h"
#include "session/rescue.h"
#include "session/server.h"
#include "session/stall.h"
#include "session/table.h"
#include "session/trail.h"
#include "session/transmit.h"
#include "session/wheel.h"

/* False without memory: what was allowed before is. (A client never counts rebindings.) */
static bool limits_resize(struct session *s, const struct policy *policy, bool client)
{
	const uint32_t max = policy->max_switches_per_min;

	return switch_limit_resize(&s->limit, max) && (client || switch_limit_resize(&s->rebind, max));
}

static void deadline_fire(struct timer *t, struct jv_time now)
{
	struct session *s = container_of(t, struct session, deadline);

	if (s->state == STATE_TERMINATED) {
		session_forget(s);
		return;
	}
	if (s->state == STATE_BIRTH) {
		session_end(s, REASON_HANDSHAKE_TIMEOUT, now);
		return;
	}
	if (!time_is_never(s->left_attached) &&
	    time_since_ms(now, s->left_attached) >= s->policy.transport_lost_ttl_ms) {
		session_end(s, REASON_TRANSPORT_TTL_EXCEEDED, now);
		return;
	}
	if (s->engine->client)
		client_deadline(s, now);
	else if (s->state == STATE_VOLATILE)
		session_event(s, EVENT_DEGRADE, REASON_VOLATILE_PERSISTED, now);
}

static void standby_fire(struct timer *t, struct jv_time now)
{
	struct session *s = container_of(t, struct session, standby);

	if (s->draining && !time_before(now, s->drain_until)) {
		struct path *left = s->draining;

		s->draining = NULL;
		if (s->engine->client)
			client_left(left);
	}
	if (s->engine->client)
		client_standby(s, now);
	if (s->draining)
		timer_start_earlier(&s->engine->wheel, &s->standby, s->drain_until);
}

static void life_fire(struct timer *t, struct jv_time now)
{
	struct session *s = container_of(t, struct session, life);

	if (time_since_ms(now, s->born) >= s->policy.max_lifetime_ms)
		session_end(s, REASON_SESSION_LIFETIME_EXCEEDED, now);
	else
		rekey_run(s, now);
}

struct session *session_new(struct engine *e, const struct policy *policy, uint8_t slots, struct jv_time now)
{
	struct session *s = calloc(1, sizeof(*s) + slots * sizeof(s->path[0]));

	if (!s)
		return NULL;
	if (!keys_reserve(&s->keys, &e->key_store) || !limits_resize(s, policy, e->client)) {
		switch_limit_free(&s->limit);
		keys_clear(&s->keys, &e->key_store);
		free(s);
		return NULL;
	}
	s->engine = e;
	s->told = e->client;
	s->policy = *policy;
	s->slots = slots;
	s->peer_name = "";
	s->born = s->since = s->last_rx = s->last_data = s->age_sampled = now;
	s->unanswered_since = s->last_switch = s->left_attached = s->unsettled = s->quality_left =
		s->failed_back = s->rekey.due = s->jump.again = s->late_until = s->flapping.minute =
			TIME_NEVER;
	for (uint8_t i = 0; i < slots; i++) {
		s->path[i].session = s;
		s->path[i].slot = i;
		path_reset(&s->path[i], now);
	}
	timer_init(&s->health, health_fire);
	timer_init(&s->deadline, deadline_fire);
	timer_init(&s->life, life_fire);
	timer_init(&s->standby, standby_fire);
	timer_init(&s->pmtu, pmtu_fire);
	timer_start(&e->wheel, &s->deadline, time_add_ms(now, policy->handshake_timeout_ms));
	list_append(&e->sessions, &s->node);
	e->nsessions++;
	return s;
}

/* When the present state must have ended: by its own bound, and by the time without a transport. */
struct jv_time session_deadline(const struct session *s)
{
	const struct jv_time ttl = time_is_never(s->left_attached)
					   ? TIME_NEVER
					   : time_add_ms(s->left_attached, s->policy.transport_lost_ttl_ms);

	switch (s->state) {
	case STATE_BIRTH:
		return time_add_ms(s->born, s->policy.handshake_timeout_ms);
	case STATE_VOLATILE:
		return time_min(ttl, time_add_ms(s->since, s->policy.volatile_to_degraded_ms));
	case STATE_RECOVERING:
		return time_min(ttl, time_add_ms(s->since, s->policy.recovery_window_ms));
	case STATE_DEGRADED:
		return ttl;
	case STATE_TERMINATED:
		return s->late_until;
	default:
		return TIME_NEVER;
	}
}

static bool take_waiting_policy(struct session *s)
{
	if (!s->policy_waits)
		return false;
	if (!limits_resize(s, &s->next_policy, s->engine->client)) {
		s->engine->counters.n[COUNT_NO_MEMORY]++;
		return false;
	}
	s->policy = s->next_policy;
	s->policy_waits = false;
	return true;
}

bool session_event(struct session *s, enum event event, enum reason why, struct jv_time now)
{
	const enum state from = s->state;
	const uint64_t elapsed = time_since_ms(now, s->since);
	int64_t away_us = -1;
	enum state to;
	bool reloaded;

	if (!fsm_next(from, event, why, &to)) {
		s->engine->counters.n[COUNT_ILLEGAL_TRANSITION]++;
		trail_refused(s->engine, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ILLEGAL_TRANSITION, NULL,
			      now);
		return false;
	}
	if (to == STATE_TERMINATED)
		trail_flaps(s, now);
	reloaded = take_waiting_policy(s);
	if (from == STATE_ATTACHED) {
		s->left_attached = now;
		s->instability = why;
		passage_ends(s, now);
		if (s->active)
			s->left_at = s->active->route.remote;
		if (s->active && evidence_is_dead(why))
			s->active->window_open = false; /* what is lost from now on is lost to a hole */
	}
	if (to == STATE_ATTACHED && !time_is_never(s->left_attached)) {
		away_us = time_diff_us(now, s->left_attached);
		s->left_attached = TIME_NEVER;
	}
	s->state = to;
	s->reason = why;
	s->since = now;
	s->state_version++;
	trail_state(s, from, to, why, elapsed, now);
	if (to == STATE_ATTACHED)
		passage_begins(s);
	if (away_us >= 0)
		rekey_attached(s, away_us, now);
	if (reloaded && to != STATE_TERMINATED) {
		trail_session(s, AUDIT_POLICY_RELOADED, REASON_NONE, now);
		rekey_configured(s, now);
	}
	timer_start(&s->engine->wheel, &s->deadline, session_deadline(s));
	health_restart(s, now);
	if (s->engine->client)
		failover_watch(s, now);
	return true;
}

void session_stop_timers(struct session *s)
{
	struct wheel *w = &s->engine->wheel;

	timer_stop(w, &s->health);
	timer_stop(w, &s->deadline);
	timer_stop(w, &s->life);
	timer_stop(w, &s->standby);
	timer_stop(w, &s->pmtu);
}

/* Nothing happens to it any more. */
static void unlink_session(struct session *s)
{
	struct engine *e = s->engine;

	session_stop_timers(s);
	rescue_free(s);
	if (s->job)
		s->job->session = NULL;
	if (s->rekey.job)
		s->rekey.job->session = NULL;
	crypto_wipe(&s->rekey, sizeof(s->rekey));
	if (e->by_peer && e->by_peer[s->peer] == s)
		e->by_peer[s->peer] = NULL;
	list_remove(&s->node);
	list_append(&e->dead, &s->node);
	e->nsessions--;
}

static uint64_t locator_key(const uint8_t locator[8])
{
	be64 v;

	memcpy(v.b, locator, sizeof(v.b));
	return get_be64(v);
}

static void session_withdraw(struct session *s, uint8_t slot)
{
	struct path *p = &s->path[slot];

	if (p->issued)
		table_remove(s->engine->locators, locator_key(p->locator));
	p->issued = false;
}

static void release(struct session *s)
{
	for (uint8_t i = 0; i < s->slots; i++) {
		if (s->engine->client)
			client_close_path(&s->path[i]);
		session_withdraw(s, i);
	}
	keys_clear(&s->keys, &s->engine->key_store);
}

static struct session **late_of(struct engine *e, uint32_t peer)
{
	return e->client ? &e->client->late : &e->births[peer].late;
}

void session_forget(struct session *s)
{
	struct engine *e = s->engine;

	timer_stop(&e->wheel, &s->deadline);
	release(s);
	*late_of(e, s->peer) = NULL;
	list_remove(&s->node);
	list_append(&e->dead, &s->node);
	e->nlate--;
}

/*
 * The next session has taken over, and what was sent under this one is still on its way: for drain_ms, but
 * never beyond its lifetime, DATA is opened and delivered. One a peer, so that memory is bounded.
 */
static void drain(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;

	s->late_until = time_min(time_add_ms(now, s->policy.drain_ms),
				 time_add_ms(s->born, s->policy.max_lifetime_ms));
	if (!time_before(now, s->late_until)) {
		release(s);
		return;
	}
	*late_of(e, s->peer) = s;
	list_remove(&s->node);
	list_append(&e->late, &s->node);
	e->nlate++;
	timer_start(&e->wheel, &s->deadline, s->late_until);
}

void session_end(struct session *s, enum reason why, struct jv_time now)
{
	struct engine *e = s->engine;
	const bool birth = s->state == STATE_BIRTH;

	if (s->state == STATE_TERMINATED)
		return;
	if (!birth && !s->closing)
		close_send(s, why, now);
	if (birth && e->births)
		births_remove(s);
	session_event(s, why == REASON_HANDSHAKE_TIMEOUT ? EVENT_HANDSHAKE_EXPIRED : EVENT_TERMINAL, why,
		      now);
	trail_session(s, AUDIT_SESSION_TERMINATED, why, now);
	if (!s->told)
		trail_unattached(s, why, now);
	if (s->jump.ordered)
		e->io.jump_done(e->ctx, s->jump.token, why, 0);
	s->jump.ordered = false;
	if (e->client)
		client_order_ends(s, why);
	unlink_session(s);
	if (!birth && *late_of(e, s->peer))
		session_forget(*late_of(e, s->peer));
	if (!birth && why == REASON_SUPERSEDED)
		drain(s, now);
	else
		release(s);
	if (e->client)
		client_ended(s, now);
}

void session_reap(struct engine *e)
{
	while (!list_is_empty(&e->dead)) {
		struct session *s = container_of(e->dead.next, struct session, node);

		list_remove(&s->node);
		switch_limit_free(&s->limit);
		switch_limit_free(&s->rebind);
		rescue_free(s);
		crypto_wipe(s, sizeof(*s));
		free(s);
	}
}

struct path *session_find_path(struct engine *e, const uint8_t locator[8])
{
	return table_find(e->locators, locator_key(locator));
}

bool session_issue(struct session *s, uint8_t slot, const uint8_t locator[8],
		   const uint8_t token[PROTO_TOKEN_LEN])
{
	struct path *p = &s->path[slot];

	session_withdraw(s, slot);
	if (table_insert(s->engine->locators, locator_key(locator), p) != 0)
		return false;
	memcpy(p->locator, locator, sizeof(p->locator));
	memcpy(p->token, token, sizeof(p->token));
	p->issued = true;
	p->spent = false;
	return true;
}

struct path *session_path_numbered(struct session *s, uint8_t number)
{
	struct path *found = NULL;

	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = &s->path[i];

		if (p->number != number || !p->known)
			continue;
		if (!found || found == s->draining ||
		    (p != s->draining && time_before(found->opened, p->opened)))
			found = p;
	}
	return found;
}

void session_bind(struct session *s, struct path *to, bool is_switch, struct jv_time now)
{
	struct path *from = s->active;
	const uint8_t from_number = from ? from->number : PATH_NONE;

	trail_flaps(s, now); /* of the binding that was */
	if (from && from != to) {
		s->draining = from;
		s->drain_until = time_add_ms(now, s->policy.drain_ms);
		timer_start_earlier(&s->engine->wheel, &s->standby, s->drain_until);
	}
	if (s->draining == to)
		s->draining = NULL;
	if (from != to)
		pmtu_moved(to);
	s->active = to;
	s->unanswered_since = TIME_NEVER;
	to->unanswered = 0;
	to->ping_out = false;
	path_taken(to);
	stall_bound(to);
	if (!is_switch)
		return;
	s->binding_version++;
	s->switches++;
	s->last_switch = now;
	s->bytes_at_switch = s->rx_bytes + s->tx_bytes;
	switch_limit_take(&s->limit, now);
	trail_path(s, AUDIT_TRANSPORT_SWITCH, s->instability, from_number, to, now);
}

uint64_t session_age_us(const struct session *s, struct jv_time now)
{
	return (uint64_t)time_diff_us(now, s->born);
}

/* Our age less the one that the peer tells, which can be any number. */
static int64_t age_difference(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	const int64_t most = INT64_C(1) << 60;
	int64_t age = (int64_t)peer_age_us;

	age = age > most ? most : age < -most ? -most : age;
	return (int64_t)session_age_us(s, now) - age;
}

void session_age_sample(struct session *s, uint64_t peer_age_us, int64_t rtt_us, struct jv_time now)
{
	const int64_t sample = age_difference(s, peer_age_us, now);
	const int64_t drift = time_diff_us(now, s->age_sampled) / 2000;

	if (!s->age_known || rtt_us >= 0)
		s->age_offset_us = rtt_us >= 0 ? sample - rtt_us / 2 : sample;
	else if (sample < s->age_offset_us + drift)
		s->age_offset_us = sample;
	else
		s->age_offset_us += drift;
	s->age_known = true;
	s->age_sampled = now;
}

int64_t session_request_age_us(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	const int64_t sample = age_difference(s, peer_age_us, now);

	return s->age_known ? sample - s->age_offset_us : 0;
}

bool session_is_stale(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	return session_request_age_us(s, peer_age_us, now) > (int64_t)s->policy.proof_max_age_ms * 1000;
}

void session_policy(struct session *s, const struct policy *policy, uint32_t generation)
{
	s->next_policy = *policy;
	s->next_policy.replay_window = s->policy.replay_window; /* sized when the session was born */
	s->policy_waits = true;
	s->policy_generation = generation;
}

const char *session_path_name(const struct session *s, uint8_t number)
{
	const struct client *c = s->engine->client;

	if (!c || number >= PROTO_PATHS_MAX || !c->candidate[number].exists)
		return "";
	return c->candidate[number].c.name;
}

void session_catch_up(struct session *s, struct jv_time now)
{
	while (s->state != STATE_TERMINATED) {
		const struct jv_time end = time_add_ms(s->born, s->policy.max_lifetime_ms);
		const struct jv_time due = time_min(end, session_deadline(s));
		/* The policy taken with the last transition may have made it due before that. */
		const struct jv_time at = time_max(due, s->since);

		if (time_before(now, at))
			return;
		if (due.us == end.us)
			life_fire(&s->life, at);
		else
			deadline_fire(&s->deadline, at);
	}
}
