/*
 * The record of a session: made, found by a locator, its slots, its ages, what is due and the records it has at times. Nothing
 * here sends, tells or changes a state.
 *
 * On the thread of the engine.
 */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "session/client_state.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/table.h"
#include "session/wheel.h"

/* False without memory: what was allowed before is. */
static bool limits_resize(struct session *s, const struct policy *policy)
{
	const uint32_t max = policy->max_switches_per_min;
	struct rebindings *r = session_rare(s)->rebindings;

	return switch_limit_resize(&s->limit, max) && (!r || switch_limit_resize(&r->limit, max));
}

/* A client opens paths by the slot; a server learns of one when something authentic comes on it. */
static bool first_paths(struct session *s, struct jv_time now)
{
	const uint8_t n = s->engine->client ? s->slots : 1;

	for (uint8_t i = 0; i < n; i++)
		if (!session_make_path(s, i, now) || !session_need_health(s->slot[i].path))
			return false;
	return true;
}

/* Zeroed; NULL: no memory, counted. */
static void *get(struct engine *e, struct slab *slab)
{
	void *object = slab_get(slab);

	e->counters.n[COUNT_NO_MEMORY] += !object;
	return object;
}

static void put(struct slab *slab, void *object)
{
	if (object)
		slab_put(slab, object);
}

/* A client's session has one always. */
static bool make_jump(struct session *s)
{
	s->jump = get(s->engine, &s->engine->jumps);
	if (!s->jump)
		return false;
	s->jump->again = s->jump->failed_back = TIME_NEVER;
	return true;
}

struct jump_order *session_make_order(struct session *s)
{
	s->order = get(s->engine, &s->engine->orders);
	return s->order;
}

void session_drop_order(struct session *s)
{
	put(&s->engine->orders, s->order);
	s->order = NULL;
}

const struct rare rare_never = { .exchange = NULL };

static struct rare *need_rare(struct session *s)
{
	if (!s->rare)
		s->rare = get(s->engine, &s->engine->rares);
	return s->rare;
}

/* It is given back, if there is nothing left in it. */
static void ease_rare(struct session *s)
{
	if (!s->rare || memcmp(s->rare, &rare_never, sizeof(rare_never)) != 0)
		return;
	slab_put(&s->engine->rares, s->rare);
	s->rare = NULL;
}

/* The record that was wanted; without memory for it there may be nothing in `rare`. */
static void *had(struct session *s, void *object)
{
	if (!object)
		ease_rare(s);
	return object;
}

struct exchange *session_need_exchange(struct session *s)
{
	struct rare *r = need_rare(s);

	if (r && !r->exchange)
		r->exchange = get(s->engine, &s->engine->exchanges);
	return had(s, r ? r->exchange : NULL);
}

void session_drop_exchange(struct session *s)
{
	struct exchange *x = session_rare(s)->exchange;

	s->rekey.offered = s->rekey.answered = false;
	if (!x)
		return;
	if (x->job)
		x->job->session = NULL;
	slab_put(&s->engine->exchanges, x);
	s->rare->exchange = NULL;
	ease_rare(s);
}

struct flapping *session_need_flapping(struct session *s)
{
	struct engine *e = s->engine;
	struct rare *r = need_rare(s);

	if (r && !r->flapping) {
		r->flapping = get(e, &e->flaps);
		if (r->flapping) {
			r->flapping->session = s;
			list_append(&e->flapping, &r->flapping->node);
		}
	}
	return had(s, r ? r->flapping : NULL);
}

void session_drop_flapping(struct session *s)
{
	struct flapping *f = session_rare(s)->flapping;

	if (!f)
		return;
	list_remove(&f->node);
	slab_put(&s->engine->flaps, f);
	s->rare->flapping = NULL;
	ease_rare(s);
}

struct rebindings *session_need_rebindings(struct session *s)
{
	struct rare *r = need_rare(s);

	if (r && !r->rebindings) {
		r->rebindings = get(s->engine, &s->engine->rebindings);
		if (r->rebindings) {
			switch_limit_resize(&r->rebindings->limit, s->policy->max_switches_per_min);
			r->rebindings->unsettled = TIME_NEVER;
		}
	}
	return had(s, r ? r->rebindings : NULL);
}

void session_drop_job(struct session *s)
{
	if (!s->rare)
		return;
	s->rare->job = NULL;
	ease_rare(s);
}

/* Gives back all that it has but what it is known by. */
void session_free(struct session *s)
{
	struct engine *e = s->engine;

	session_drop_lags(s);
	switch_limit_free(&s->limit);
	if (session_rare(s)->rebindings)
		switch_limit_free(&s->rare->rebindings->limit);
	put(&e->rebindings, session_rare(s)->rebindings);
	policies_drop(&e->policies, s->policy);
	policies_drop(&e->policies, session_rare(s)->next_policy);
	session_drop_exchange(s);
	session_drop_flapping(s);
	session_drop_passage(s);
	put(&e->rares, s->rare);
	if (e->client)
		put(&e->jumps, s->jump);
	else
		session_drop_order(s);
	keys_clear(&s->keys, &e->key_store);
	for (uint8_t i = 0; i < s->slots; i++)
		session_drop_path(s, i);
	slab_put(&e->session_slab[s->slots], s);
}

struct session *session_new(struct engine *e, const struct policy *policy, uint8_t slots, struct jv_time now)
{
	struct session *s = slab_get(&e->session_slab[slots]);

	if (!s)
		return NULL;
	s->engine = e;
	s->slots = slots;
	s->policy = policies_take(&e->policies, policy);
	if (!s->policy || !need_rare(s) || !keys_reserve(&s->keys, &e->key_store) || !limits_resize(s, policy) ||
	    (e->client && !make_jump(s)) || !first_paths(s, now)) {
		session_free(s);
		return NULL;
	}
	s->told = e->client;
	s->born = s->since = s->last_rx = s->last_data = s->age_sampled = now;
	s->unanswered_since = s->left_attached = s->quality_left = s->rekey.due =
		s->superseded_until = s->told_minute = TIME_NEVER;
	timer_init(&s->timer, e->session_fire);
	for (unsigned int i = 0; i < DUES; i++)
		s->due[i] = SESSION_NEVER;
	session_due(s, DUE_DEADLINE, time_add_ms(now, policy->handshake_timeout_ms));
	list_append(&e->sessions, &s->node);
	e->nsessions++;
	e->by_state[s->state]++;
	return s;
}

bool session_take_policy(struct session *s)
{
	const struct policy *next = session_rare(s)->next_policy;

	if (!next)
		return false;
	if (!limits_resize(s, next)) {
		s->engine->counters.n[COUNT_NO_MEMORY]++;
		return false;
	}
	policies_drop(&s->engine->policies, s->policy);
	s->policy = next;
	s->rare->next_policy = NULL;
	ease_rare(s);
	return true;
}

/* A tick of the wheel as the session counts them; what is beyond its lifetime by far is as far as can be told. */
static uint32_t tick_of(const struct session *s, uint64_t tick)
{
	const uint64_t birth = wheel_floor(s->born);

	tick = tick > birth ? tick - birth : 0;
	return tick < SESSION_NEVER ? (uint32_t)tick : SESSION_NEVER - 1;
}

static uint32_t earliest_due(const struct session *s)
{
	uint32_t at = SESSION_NEVER;

	for (unsigned int i = 0; i < DUES; i++)
		at = s->due[i] < at ? s->due[i] : at;
	return at;
}

static struct jv_time due_time(const struct session *s, uint32_t due)
{
	return due == SESSION_NEVER ? TIME_NEVER : wheel_time(wheel_floor(s->born) + due);
}

void session_due_rest(struct session *s)
{
	const struct jv_time at = due_time(s, earliest_due(s));

	if (timer_due(&s->timer).us != at.us)
		timer_start(&s->engine->wheel, &s->timer, at);
}

void session_due(struct session *s, enum due what, struct jv_time at)
{
	s->due[what] = time_is_never(at) ? SESSION_NEVER : tick_of(s, wheel_ceil(at));
	session_due_rest(s);
}

void session_due_earlier(struct session *s, enum due what, struct jv_time at)
{
	uint32_t due;

	if (time_is_never(at))
		return;
	due = tick_of(s, wheel_ceil(at));
	if (due >= s->due[what])
		return;
	s->due[what] = due;
	session_due_rest(s);
}

struct jv_time session_due_at(const struct session *s, enum due what)
{
	return due_time(s, s->due[what]);
}

unsigned int session_due_now(const struct session *s, struct jv_time now)
{
	const uint32_t tick = tick_of(s, wheel_floor(now));
	unsigned int set = 0;

	for (unsigned int i = 0; i < DUES; i++)
		set |= (s->due[i] <= tick) << i;
	return set;
}

bool session_due_next(struct session *s, unsigned int *left, struct jv_time now, enum due *what)
{
	unsigned int first;

	*left &= session_due_now(s, now); /* one that was done may have put off another */
	if (*left == 0)
		return false;
	first = (unsigned int)__builtin_ctz(*left);
	for (unsigned int i = first + 1; i < DUES; i++)
		if (*left & 1u << i && s->due[i] < s->due[first])
			first = i;
	*left &= ~(1u << first);
	s->due[first] = SESSION_NEVER;
	*what = (enum due)first;
	return true;
}

void session_stop_timers(struct session *s)
{
	for (unsigned int i = 0; i < DUES; i++)
		s->due[i] = SESSION_NEVER;
	timer_stop(&s->engine->wheel, &s->timer);
}

void session_withdraw(struct session *s, uint8_t slot)
{
	if (session_issued(s, slot))
		table_remove(s->engine->locators, session_key(s->slot[slot].locator));
	s->issued &= (uint16_t)~(1u << slot);
}

struct path *session_make_path(struct session *s, uint8_t slot, struct jv_time now)
{
	struct path *p = slab_get(&s->engine->paths);

	if (!p)
		return NULL;
	p->session = s;
	p->slot = slot;
	s->slot[slot].path = p;
	if (s->engine->client &&
	    (!session_need_health(p) || !session_need_pmtu(p))) { /* it has all of it always */
		session_drop_path(s, slot);
		return NULL;
	}
	session_reset_path(p, now);
	return p;
}

void session_reset_path(struct path *p, struct jv_time now)
{
	nears_drop(&p->session->engine->nears, p->lead.near);
	path_reset(p, now);
}

void session_drop_path(struct session *s, uint8_t slot)
{
	struct path *p = s->slot[slot].path;

	if (!p)
		return;
	session_end_trial(p);
	nears_drop(&s->engine->nears, p->lead.near);
	if (p->health)
		slab_put(&s->engine->healths, p->health);
	if (p->upkeep && p->upkeep->pmtu)
		slab_put(&s->engine->pmtus, p->upkeep->pmtu);
	if (p->upkeep)
		slab_put(&s->engine->upkeeps, p->upkeep);
	slab_put(&s->engine->paths, p);
	s->slot[slot].path = NULL;
}

uint32_t session_limit_ms(struct session *s, struct switch_limit *l, uint32_t max, struct jv_time now)
{
	const uint32_t ms = switch_limit_wait_ms(l, max, now);

	s->engine->counters.n[COUNT_NO_MEMORY] += l->starved;
	l->starved = false;
	return ms;
}

struct health *session_need_health(struct path *p)
{
	struct engine *e = p->session->engine;

	if (p->health)
		return p->health;
	p->health = get(e, &e->healths);
	if (p->health)
		*p->health = health_never;
	return p->health;
}

const struct lags lags_never = { .there.mark = 0 };

struct lags *session_need_lags(struct session *s)
{
	struct rare *r = need_rare(s);

	if (r && !r->lags)
		r->lags = get(s->engine, &s->engine->lags);
	return had(s, r ? r->lags : NULL);
}

void session_drop_lags(struct session *s)
{
	if (!session_rare(s)->lags)
		return;
	slab_put(&s->engine->lags, s->rare->lags);
	s->rare->lags = NULL;
	ease_rare(s);
}

const struct passage passage_never = { .since = { INT64_MAX } };

struct passage *session_need_passage(struct session *s)
{
	struct rare *r = need_rare(s);

	if (r && !r->passage) {
		r->passage = get(s->engine, &s->engine->passages);
		if (r->passage)
			*r->passage = passage_never;
	}
	return had(s, r ? r->passage : NULL);
}

void session_drop_passage(struct session *s)
{
	if (!session_rare(s)->passage)
		return;
	slab_put(&s->engine->passages, s->rare->passage);
	s->rare->passage = NULL;
	ease_rare(s);
}

struct upkeep *session_need_upkeep(struct path *p)
{
	struct engine *e = p->session->engine;

	if (!p->upkeep)
		p->upkeep = get(e, &e->upkeeps);
	return p->upkeep;
}

void session_ease_upkeep(struct path *p, struct jv_time now)
{
	const struct upkeep *u = path_upkeep(p);

	if (!p->upkeep || !path_is_proven(p) || u->challenge.out || u->trial || u->pmtu ||
	    u->answers_second == (uint32_t)(now.us / 1000000))
		return;
	slab_put(&p->session->engine->upkeeps, p->upkeep);
	p->upkeep = NULL;
}

struct pmtu *session_need_pmtu(struct path *p)
{
	struct engine *e = p->session->engine;
	struct upkeep *u = session_need_upkeep(p);

	if (!u || u->pmtu)
		return u ? u->pmtu : NULL;
	u->pmtu = get(e, &e->pmtus);
	if (u->pmtu)
		pmtu_init(u->pmtu);
	return u->pmtu;
}

void session_end_trial(struct path *p)
{
	struct engine *e = p->session->engine;
	struct trial *trial = path_trial(p);

	if (!trial)
		return;
	nears_drop(&e->nears, trial->near);
	slab_put(&e->trials, trial);
	p->upkeep->trial = NULL;
}

struct slot *session_find_slot(struct engine *e, const uint8_t locator[8], struct session **owner)
{
	unsigned int slot;

	*owner = table_find(e->locators, session_key(locator), &slot);
	return *owner ? &(*owner)->slot[slot] : NULL;
}

bool session_issue(struct session *s, uint8_t slot, const uint8_t locator[8],
		   const uint8_t token[PROTO_TOKEN_LEN])
{
	struct slot *sl = &s->slot[slot];

	session_withdraw(s, slot);
	if (table_insert(s->engine->locators, session_key(locator), s, slot) != 0)
		return false;
	memcpy(sl->locator, locator, sizeof(sl->locator));
	s->issued |= (uint16_t)(1u << slot);
	if (s->engine->client && token)
		memcpy(session_token(s, slot), token, PROTO_TOKEN_LEN);
	if (sl->path && sl->path->state == PATH_SPENT)
		sl->path->state = PATH_UNUSED;
	return true;
}

struct path *session_path_numbered(struct session *s, uint8_t number)
{
	struct path *found = NULL;

	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = s->slot[i].path;

		if (!p || p->number != number || !path_is_known(p))
			continue;
		if (!found || found == s->draining ||
		    (p != s->draining && time_before(found->opened, p->opened)))
			found = p;
	}
	return found;
}

bool session_policy(struct session *s, const struct policy *policy, uint32_t generation)
{
	struct engine *e = s->engine;
	struct policy next = *policy;
	const struct policy *taken;

	next.replay_window = s->policy->replay_window; /* sized when the session was born */
	if (!need_rare(s))
		return false;
	taken = policies_take(&e->policies, &next);
	if (!taken) {
		e->counters.n[COUNT_NO_MEMORY]++;
		ease_rare(s);
		return false;
	}
	policies_drop(&e->policies, s->rare->next_policy);
	s->rare->next_policy = taken;
	s->policy_generation = generation;
	return true;
}

const char *session_path_name(const struct session *s, uint8_t number)
{
	const struct client *c = s->engine->client;

	if (!c || number >= PROTO_PATHS_MAX || !c->candidate[number].exists)
		return "";
	return c->candidate[number].c.name;
}

bool session_has_candidate(const struct session *s, uint8_t number)
{
	const struct client *c = s->engine->client;

	return number < PROTO_PATHS_MAX && c->candidate[number].exists && c->candidate[number].up;
}

void session_close_path(struct path *p)
{
	struct session *s = p->session;

	if (p->number == PATH_NONE)
		return;
	s->engine->io.path_close(s->engine->ctx, session_near(p)->socket);
	session_reset_path(p, path_health(p)->stable_since);
	p->state = PATH_SPENT;
}

struct path *session_fresh_slot(struct session *s)
{
	for (uint8_t i = 0; i < s->slots; i++)
		if (session_issued(s, i) && s->slot[i].path->state != PATH_SPENT &&
		    s->slot[i].path->number == PATH_NONE)
			return s->slot[i].path;
	return NULL;
}

struct path *session_data_path(struct session *s)
{
	if (s->state == STATE_RECOVERING && session_flees(s))
		return s->slot[s->jump->slot].path;
	return s->active;
}
