/*
 * The client's candidate paths: opened, probed and closed, and what links, addresses and the server tell
 * about them. When to jump and where to is decided in client.c.
 */
#include "session/candidate.h"

#include <string.h>

#include "session/client.h"
#include "session/client_state.h"
#include "session/comfort.h"
#include "session/connect.h"
#include "session/engine.h"
#include "session/grant.h"
#include "session/inside.h"
#include "session/ladder.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/server.h"
#include "session/session.h"
#include "session/trail.h"
#include "session/transmit.h"
#include "session/wheel.h"

/* The server has others at least 50 ms (PROTO_RETRY_MIN_MS) after the last ones. */
#define LOCATORS_ASK_MS 100

static struct client *client_of(const struct session *s)
{
	return s->engine->client;
}

bool candidate_is_up(const struct session *s, uint8_t number)
{
	const struct client *c = client_of(s);

	return number < PROTO_PATHS_MAX && c->candidate[number].exists && c->candidate[number].up;
}

/* --- paths --- */

void client_close_path(struct path *p)
{
	struct session *s = p->session;

	if (p->number == PATH_NONE)
		return;
	s->engine->io.path_close(s->engine->ctx, p->route.socket);
	path_reset(p, p->stable_since);
	p->spent = true;
}

void client_left(struct path *p)
{
	const struct session *s = p->session;

	if (!candidate_is_up(s, p->number) || (s->active && s->active->number == p->number))
		client_close_path(p);
}

/* A slot whose locator was never used, or NULL. */
static struct path *fresh_slot(struct session *s)
{
	for (uint8_t i = 0; i < s->slots; i++)
		if (s->path[i].issued && !s->path[i].spent && s->path[i].number == PATH_NONE)
			return &s->path[i];
	return NULL;
}

/* Each slot that is not in use had its locator used. */
static bool lacks_locators(struct session *s)
{
	bool spent = false;

	for (uint8_t i = 0; i < s->slots; i++)
		spent |= s->path[i].spent;
	return spent && !fresh_slot(s);
}

/*
 * Without a fresh locator no path can be opened, also when the next heartbeat is far: a PING tells which ones are spent, at once
 * and then less and less often, until others come.
 */
static void ask_locators(struct session *s, struct jv_time now)
{
	struct client *c = client_of(s);

	if (!lacks_locators(s)) {
		c->locators_ask_ms = 0;
		return;
	}
	if (s != c->session || (c->locators_ask_ms > 0 && time_before(now, c->locators_ask)))
		return;
	ping_send(s->active, 0, now);
	c->locators_ask_ms = c->locators_ask_ms == 0 ? LOCATORS_ASK_MS : 2 * c->locators_ask_ms;
	if (c->locators_ask_ms > s->policy.standby_probe_ms)
		c->locators_ask_ms = s->policy.standby_probe_ms;
	c->locators_ask = time_add_ms(now, c->locators_ask_ms);
}

/* When something is to be done for want of a locator. */
static struct jv_time wanting_due(struct session *s)
{
	const struct client *c = client_of(s);

	return time_min(lacks_locators(s) ? c->locators_ask : TIME_NEVER,
			c->order.session == s ? c->order.until : TIME_NEVER);
}

bool candidate_has_locator(struct session *s, struct jv_time now)
{
	if (fresh_slot(s))
		return true;
	ask_locators(s, now);
	return false;
}

bool candidate_has_room(struct session *s, uint8_t number, struct jv_time now)
{
	return grant_is_free(s, number) || (fresh_slot(s) && grant_victim(s, number, true, now));
}

enum path_fault candidate_fault(struct session *s, uint8_t number)
{
	const struct known_candidate *k = &client_of(s)->candidate[number];

	if (!k->up)
		return k->waits ? FAULT_UNSETTLED : k->fault;
	if (!grant_is_free(s, number))
		return FAULT_NOT_GRANTED;
	return fresh_slot(s) ? FAULT_NO_SOCKET : FAULT_NO_LOCATOR;
}

struct path *client_open(struct session *s, uint8_t number, struct jv_time now)
{
	struct engine *e = s->engine;
	struct path *old = session_path_numbered(s, number);
	const struct endpoint *remote;
	struct path *p = fresh_slot(s);
	struct stall stall = { .at = TIME_NEVER };
	struct pmtu guess;
	bool target;

	if (!candidate_is_up(s, number) || !grant_is_free(s, number))
		return NULL;
	pmtu_init(&guess);
	if (old) {
		pmtu_inherit(&guess, &old->pmtu);
		stall = old->stall;
	}
	if (old == s->active)
		old = NULL;
	target = old && s->jump.pending && s->jump.slot == old->slot;
	remote = p || old ? ladder_climb(s, number, now) : NULL;
	if (old && (remote || !target))
		client_close_path(old);
	if (!remote)
		return NULL;
	/* With no fresh locator at hand the old one is seen from another port: linked, but alive. */
	p = p ? p : old;
	path_reset(p, now);
	p->pmtu = guess;
	p->stall = stall;
	p->number = number;
	p->route.socket = ++e->client->next_socket;
	p->route.remote = *remote;
	if (!e->io.path_open(e->ctx, p->route.socket, number, remote)) {
		path_reset(p, now);
		p->spent = p == old;
		return NULL;
	}
	p->known = true;
	ping_send(p, 0, now);
	if (target)
		client_retarget(s, p, now);
	timer_start_earlier(&e->wheel, &s->standby, time_add_us(now, client_patience_us(s, p)));
	return p;
}

/* Nothing answers, there is no locator for a path more, and the word of new ones cannot come. */
static bool is_cornered(struct session *s)
{
	const struct path *p = s->active;

	return evidence_is_dead(s->instability) && p->unanswered >= s->policy.max_consecutive_drops &&
	       candidate_is_up(s, p->number) && session_path_numbered(s, p->number) == p && !fresh_slot(s);
}

/* The active locator from another port: to the server, a NAT rebinding. */
static void move_active(struct session *s, const struct endpoint *remote, struct jv_time now)
{
	struct engine *e = s->engine;
	struct path *p = s->active;
	const uint32_t socket = e->client->next_socket + 1;

	if (!e->io.path_open(e->ctx, socket, p->number, remote))
		return;
	e->io.path_close(e->ctx, p->route.socket);
	e->client->next_socket = socket;
	p->route.socket = socket;
	p->route.remote = *remote;
	p->proven = p->ping_out = false;
	p->unanswered = 0;
	trail_path(s, AUDIT_REATTACH_ATTEMPT, s->instability, p->number, p, now);
}

void client_probe_active(struct session *s, struct jv_time now)
{
	const struct endpoint *remote = is_cornered(s) ? ladder_climb(s, s->active->number, now) : NULL;

	if (remote)
		move_active(s, remote, now);
	ping_send(s->active, 0, now);
}

void client_probe_at(struct session *s, const struct endpoint *remote, struct jv_time now)
{
	if (!endpoint_equal(&s->active->route.remote, remote) && candidate_is_up(s, s->active->number))
		move_active(s, remote, now);
	ping_send(s->active, 0, now);
}

/* Only with a locator to open it under does another path make room for it. */
static struct path *open_in_turn(struct session *s, uint8_t number, bool ordered, struct jv_time now)
{
	struct path *victim = NULL;

	if (!grant_is_free(s, number) && fresh_slot(s))
		victim = grant_victim(s, number, ordered, now);
	if (victim)
		grant_give_up(victim, now);
	return client_open(s, number, now);
}

struct path *client_open_ordered(struct session *s, uint8_t number, struct jv_time now)
{
	return open_in_turn(s, number, true, now);
}

void client_open_missing(struct session *s, struct jv_time now)
{
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		if (candidate_is_up(s, n) && !session_path_numbered(s, n))
			open_in_turn(s, n, false, now);
}

/* --- the paths that do not carry data --- */

/* Another port of the active path, which is well: kept, it would pass for a path of its own. */
static bool is_twin(const struct session *s, const struct path *p)
{
	return s->state == STATE_ATTACHED && p->number == s->active->number;
}

/* A rung of the ladder: from a new port, or to the next remote. */
static void reopen(struct session *s, uint8_t number, struct jv_time now)
{
	const struct path *p = client_open(s, number, now);

	if (p && (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED))
		trail_path(s, AUDIT_REATTACH_ATTEMPT, s->instability, s->active->number, p, now);
}

static void probe(struct session *s, struct path *p, struct jv_time now)
{
	const bool gone = p->ping_out && p->unanswered >= s->policy.max_consecutive_drops;
	const bool target = s->jump.pending && s->jump.slot == p->slot;

	/* A newer instance of the same candidate has taken its place, or it was to take that of the active path, which
	 * lives. */
	if (!candidate_is_up(s, p->number) || session_path_numbered(s, p->number) != p || is_twin(s, p) ||
	    (!target && !grant_is_free(s, p->number)))
		client_close_path(p);
	else if (!gone || target || grant_is_waited_for(s))
		ping_send(p, 0, now); /* the last locators are for a candidate that has had none */
	else
		reopen(s, p->number, now);
}

static bool is_standby(const struct session *s, const struct path *p)
{
	return p->known && p->number != PATH_NONE && p != s->active && p != s->draining;
}

/* While nothing carries, a path that never answered makes room for the candidate's next remote at once, for one
 * round. */
static bool has_haste(const struct session *s, const struct path *p)
{
	const struct known_candidate *k = &client_of(s)->candidate[p->number];

	return s->state != STATE_ATTACHED && p->srtt_us == 0 && k->c.remotes > 1 && ladder_has_more(k);
}

/* A path that has not answered yet is asked again soon; one that has, or never does, at the usual pace. */
static struct jv_time standby_due(const struct session *s, const struct path *p)
{
	const uint32_t pace =
		s->state == STATE_ATTACHED ? s->policy.standby_probe_ms : s->policy.heartbeat_volatile_ms;

	if (p->ping_out && (p->unanswered < s->policy.max_consecutive_drops || has_haste(s, p)))
		return time_add_us(p->ping_sent, client_patience_us(s, p));
	return time_add_ms(p->ping_sent, pace);
}

/* The active path is in doubt: how are the others? */
void client_ask_others(struct session *s, struct jv_time now)
{
	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = &s->path[i];

		if (is_standby(s, p) && time_diff_us(now, p->ping_sent) >= path_patience_us(p))
			probe(s, p, now);
	}
	client_standby(s, now);
}

/*
 * The way of a candidate is another one: its path is opened anew, the active one by a jump. Where no locator is left for that,
 * it stays to be done.
 */
static void take_move(struct engine *e, uint8_t n, struct jv_time now)
{
	struct known_candidate *k = &e->client->candidate[n];
	struct session *s = e->client->session;
	const struct path *old;

	if (s && s->active && !ladder_settled(e->client, k, now))
		return;
	k->moves = false;
	if (!s || !s->active)
		return;
	old = session_path_numbered(s, n);
	if (s->active->number == n)
		client_path_dead(s, REASON_ADDRESS_CHANGED, now);
	else
		client_open(s, n, now);
	k->moves = old && s == e->client->session && session_path_numbered(s, n) == old;
}

/* What could not move for want of a locator, or was just left by data that may still be under way. */
static void move_waiting(struct session *s, struct jv_time now)
{
	const struct client *c = client_of(s);

	for (uint8_t n = 0; s == c->session && n < PROTO_PATHS_MAX; n++)
		if (c->candidate[n].moves && fresh_slot(s) && (!s->draining || s->draining->number != n) &&
		    (s->active->number != n || s->state == STATE_ATTACHED || s->state == STATE_VOLATILE))
			take_move(s->engine, n, now);
}

void client_standby(struct session *s, struct jv_time now)
{
	struct jv_time next = time_add_ms(now, s->policy.standby_probe_ms);

	if (s->state == STATE_TERMINATED || s->state == STATE_BIRTH)
		return;
	client_fail_back(s, now); /* before the probes: they are not answered at once */
	for (uint8_t i = 0; i < s->slots; i++)
		if (is_standby(s, &s->path[i]) &&
		    (is_twin(s, &s->path[i]) || !time_before(now, standby_due(s, &s->path[i]))))
			probe(s, &s->path[i], now);
	move_waiting(s, now);
	client_open_missing(s, now);
	client_order_again(s, now);
	ask_locators(s, now);
	for (uint8_t i = 0; i < s->slots; i++)
		if (is_standby(s, &s->path[i]))
			next = time_min(next, standby_due(s, &s->path[i]));
	if (s == client_of(s)->session)
		next = time_min(next, wanting_due(s));
	if (s->draining)
		next = time_min(next, s->drain_until);
	timer_start(&s->engine->wheel, &s->standby, next);
}

/* --- what the server tells --- */

void client_locators(struct session *s, const struct frame *f, struct jv_time now)
{
	/* An older list, late or held back, would bring back what has been withdrawn since. */
	if ((int32_t)(f->locators.seq - s->locators_seq) <= 0)
		return;
	for (uint8_t i = 0; i < f->locators.count; i++) {
		const struct locator *l = &f->locators.list[i];
		struct path *p = l->slot < s->slots ? &s->path[l->slot] : NULL;

		if (!p || p->number != PATH_NONE ||
		    (p->issued && memcmp(p->locator, l->locator, sizeof(p->locator)) == 0))
			continue;
		session_issue(s, l->slot, l->locator, l->token);
	}
	s->locators_seq = f->locators.seq;
	move_waiting(s, now);
	client_open_missing(s, now);
	client_order_again(s, now);
}

void client_policy(struct session *s, const struct frame *f, struct jv_time now)
{
	struct client *c = client_of(s);

	if (f->policy.generation == s->policy_generation || s != c->session)
		return;
	if (c->coming_generation != f->policy.generation || c->coming_parts != f->policy.parts) {
		c->coming_generation = f->policy.generation;
		c->coming_parts = f->policy.parts;
		c->coming_have = 0;
	}
	memcpy(c->coming + (size_t)f->policy.part * POLICY_ITEMS_MAX, f->policy.item,
	       f->policy.items * sizeof(f->policy.item[0]));
	c->coming_count[f->policy.part] = f->policy.items;
	c->coming_have |= (uint16_t)(1u << f->policy.part);
	if (c->coming_have != (uint16_t)((1u << c->coming_parts) - 1))
		return;

	c->nitems = 0;
	for (uint8_t i = 0; i < c->coming_parts; i++) {
		memcpy(c->items + c->nitems, c->coming + (size_t)i * POLICY_ITEMS_MAX,
		       c->coming_count[i] * sizeof(c->items[0]));
		c->nitems += c->coming_count[i];
	}
	s->mtu = c->mtu = f->policy.mtu;
	session_policy(s, &f->policy.policy, f->policy.generation);
	c->coming_have = 0;
	inside_set_up(c);
	ping_send(s->active, 0, now); /* tells the server that it is here */
}

/* --- what the links tell --- */

static void candidate_lost(struct session *s, uint8_t number, enum reason why, struct jv_time now)
{
	struct path *p = session_path_numbered(s, number);

	if (!p || !s->active)
		return;
	if (p == s->active || s->active->number == number)
		client_path_dead(s, why, now);
	if (s->jump.pending && s->jump.number == number)
		client_target_lost(s, number, now);
	else if (p != s->active && s->active->number != number)
		client_close_path(p);
}

static void take_up(struct engine *e, uint8_t n, struct jv_time now)
{
	struct client *c = e->client;
	struct known_candidate *k = &c->candidate[n];
	struct session *s = c->session;
	const bool quiet = !time_before(now, k->settled);

	if (!ladder_settled(c, k, now))
		return;
	k->waits = k->opened = false;
	k->up = true;
	k->fault = FAULT_NONE;
	grant_reset(k);
	if (s && s->active && session_path_numbered(s, n))
		client_open(s, n, now); /* the old socket may be bound to an interface that is gone */
	if (s)
		client_open_missing(s, now);
	connect_candidate(e, quiet, now);
}

/* The path that the active one's trouble, or its own, should have renewed leads to a remote that is no more. */
static void remote_gone(struct session *s, uint8_t n, struct jv_time now)
{
	const struct path *p = session_path_numbered(s, n);

	if (!p || ladder_has(&client_of(s)->candidate[n], &p->route.remote))
		return;
	if (p == s->active ? s->state != STATE_ATTACHED : !path_is_warm(p, &s->policy))
		reopen(s, n, now);
}

void engine_candidate_up(struct engine *e, const struct candidate *cand, struct jv_time now)
{
	struct client *c = e->client;
	struct known_candidate *k = &c->candidate[cand->number];

	engine_input(e, now);
	ladder_list(k, cand);
	k->exists = true;
	if (!k->up) {
		k->waits = true;
		take_up(e, cand->number, now);
	} else if (c->session && c->session->active) {
		remote_gone(c->session, cand->number, now);
	}
}

void engine_candidate_known(struct engine *e, const struct candidate *cand, enum path_fault fault,
			    struct jv_time now)
{
	struct known_candidate *k = &e->client->candidate[cand->number];

	engine_input(e, now);
	if (k->exists && (k->up || k->waits))
		return;
	ladder_list(k, cand);
	k->exists = true;
	k->fault = fault;
}

void engine_candidate_forgotten(struct engine *e, uint8_t number, struct jv_time now)
{
	engine_input(e, now);
	if (!e->client->candidate[number].up)
		e->client->candidate[number] = (struct known_candidate){ .exists = false };
}

void engine_candidate_down(struct engine *e, uint8_t number, enum reason why, struct jv_time now)
{
	struct client *c = e->client;
	struct known_candidate *k = &c->candidate[number];

	engine_input(e, now);
	k->waits = k->moves = false;
	if (!k->exists || !k->up)
		return;
	k->up = false;
	k->fault = why == REASON_ADDRESS_CHANGED ? FAULT_NO_ADDRESS : FAULT_NO_CARRIER;
	if (!c->session || !c->session->active)
		return;
	candidate_lost(c->session, number, why, now);
	if (c->session)
		client_open_missing(c->session, now); /* its place is free */
}

void engine_candidate_moved(struct engine *e, uint8_t number, struct jv_time now)
{
	struct client *c = e->client;

	engine_input(e, now);
	c->candidate[number].moves = c->candidate[number].up;
	if (c->candidate[number].moves)
		take_move(e, number, now);
}

void candidate_settle(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, settle);

	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++) {
		if (c->candidate[n].waits)
			take_up(c->engine, n, now);
		else if (c->candidate[n].moves)
			take_move(c->engine, n, now);
	}
}
