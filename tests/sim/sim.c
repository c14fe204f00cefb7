/* The world: made, run, changed and ended; see sim.h. */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/job.h"
#include "sim/impl.h"

#include <stdlib.h>
#include <string.h>

#define STANDSTILL_MAX 20000 /* events at one moment: more is a loop that does not end */

void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* --- set-up --- */

void sim_setup_default(struct sim_setup *setup, uint64_t seed)
{
	memset(setup, 0, sizeof(*setup));
	setup->seed = seed;
	setup->workers = setup->clients = 1;
	setup->paths = 2;
	setup->job_us = 200;
	for (unsigned int end = 0; end < SIM_ENDS; end++) {
		setup->hardware_aes[end] = true;
		setup->clock_us[end] = 1000000000 + (int64_t)end * 7000000;
	}
	for (unsigned int c = 0; c < SIM_CLIENTS; c++) {
		setup->policy[c] = policy_defaults;
		for (unsigned int n = 0; n < SIM_PATHS; n++)
			for (unsigned int way = 0; way < 2; way++)
				setup->path[c][n].link[way].delay_us = 500;
	}
}

static bool is_used(const struct sim *sim, unsigned int index)
{
	return index < SIM_WORKERS ? index < sim->setup.workers : index - SIM_WORKERS < sim->setup.clients;
}

static void candidate_made(struct sim *sim, struct sim_engine *se, unsigned int n)
{
	const struct sim_path *p = &sim->client[client_index(se)].path[n];
	struct candidate cand = { .number = (uint8_t)n, .via = (uint8_t)n, .remotes = 1 };

	cand.remote[0] = server_endpoint(p->setup.v6);
	snprintf(cand.name, sizeof(cand.name), "path%u", n);
	if (p->up)
		WITH_ENGINE(se, engine_candidate_up(se->e, &cand, engine_clock(se)));
}

static void engine_begins(struct sim *sim, struct sim_engine *se)
{
	const bool client = is_client(se);
	const struct engine_setup setup = {
		.io = sim_io,
		.ctx = se,
		.config = client ? &sim->client[client_index(se)].config : sim->config,
		.worker = client ? 0 : se->index,
		.workers = client ? 1 : sim->setup.workers,
		.key_cache = 64,
		.hardware_aes = sim->setup.hardware_aes[se->end],
	};
	const int64_t before = mem_bytes();

	se->rng.state = prng_next(&sim->rng);
	se->origin = se->index + SIM_ENGINES * sim->end[se->end].lives;
	mem_counting(true);
	se->e = engine_new(&setup, engine_clock(se));
	mem_counting(false);
	must(se->e);
	se->base_bytes = mem_bytes() - before;
	se->next = TIME_NEVER;
	if (client)
		for (unsigned int n = 0; n < sim->setup.paths; n++)
			candidate_made(sim, se, n);
}

static void client_new(struct sim *sim, unsigned int i)
{
	struct sim_client *c = &sim->client[i];

	c->is_peer = true;
	c->generation = 1;
	c->apart_since = TIME_ZERO;
	c->policy = sim->setup.policy[i];
	if (c->policy.rescue_bytes > sim->most_rescue)
		sim->most_rescue = c->policy.rescue_bytes;
	sim->config->peers[i].policy = c->policy;
	for (unsigned int way = 0; way < 2; way++) {
		c->relic[way] = must(calloc(RELICS, sizeof(struct relic)));
		c->flow[way].waits_since = TIME_NEVER;
		data_disturbed(sim, i);
	}
	for (unsigned int n = 0; n < sim->setup.paths; n++) {
		struct sim_path *p = &c->path[n];

		p->setup = sim->setup.path[i][n];
		p->up = true;
		p->good_since = p->dead_since = TIME_NEVER;
		p->next_port = 2000;
		for (unsigned int way = 0; way < 2; way++)
			link_init(&p->link[way], &p->setup.link[way], prng_next(&sim->rng));
	}
}

struct sim *sim_new(const struct sim_setup *setup)
{
	struct sim *sim = must(calloc(1, sizeof(*sim)));
	struct config *configs[SIM_CLIENTS];

	if (crypto_init() != 0)
		abort();
	mem_reset();
	sim->setup = *setup;
	sim->rng.state = setup->seed;
	for (unsigned int i = 0; i < SIM_CLIENTS; i++)
		configs[i] = &sim->client[i].config;
	sim->config = make_config(&sim->rng, setup->workers, setup->clients, configs);
	check_new(sim);
	for (unsigned int i = 0; i < setup->clients; i++)
		client_new(sim, i);
	make_owners(sim->config);
	for (unsigned int i = 0; i < SIM_ENDS; i++)
		sim->end[i].offset_us = setup->clock_us[i];
	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		struct sim_engine *se = &sim->engine[i];

		se->sim = sim;
		se->index = i;
		se->end = i < SIM_WORKERS ? SIM_SERVER : i - SIM_WORKERS;
		if (is_used(sim, i))
			engine_begins(sim, se);
	}
	sim_push(sim, TIME_ZERO, (struct event_item){ .kind = EV_WATCH });
	return sim;
}

/* --- engines --- */

struct jv_time engine_clock(const struct sim_engine *se)
{
	return time_add_us(se->sim->now, se->sim->end[se->end].offset_us);
}

bool end_is_awake(const struct sim *sim, unsigned int end)
{
	return !time_before(sim->now, sim->end[end].asleep_until);
}

void engine_enter(struct sim_engine *se)
{
	(void)se;
	mem_counting(true);
}

static void timers_noted(struct sim_engine *se)
{
	const struct jv_time next = se->e ? engine_next(se->e) : TIME_NEVER;

	se->next = time_is_never(next) ? next : time_add_us(next, -se->sim->end[se->end].offset_us);
}

void engine_leave(struct sim_engine *se)
{
	mem_counting(false);
	timers_noted(se);
	check_step(se);
}

/* The worker that the kernel's steering gives it to: HELLOs by a hash of the address, the rest by its locator. */
struct sim_engine *worker_for(struct sim *sim, const struct route *from, const uint8_t *data, size_t len)
{
	unsigned int i = (from->remote.port + from->remote.ip.b[15]) % sim->setup.workers;

	if (len > 0 && data[0] != PACKET_HELLO)
		i = engine_datagram_home(sim->engine[i].e, data, len);
	return &sim->engine[i];
}

ptrdiff_t peer_index(const struct sim *sim, unsigned int client)
{
	return config_find_peer(sim->config, sim->client[client].config.public_key);
}

/* --- time --- */

struct jv_time sim_now(const struct sim *sim)
{
	return sim->now;
}

struct jv_time sim_clock(const struct sim *sim, unsigned int end)
{
	return time_add_us(sim->now, sim->end[end].offset_us);
}

void sim_push(struct sim *sim, struct jv_time at, struct event_item item)
{
	item.at = time_max(at, sim->now);
	heap_push(&sim->heap, item);
}

void sim_at(struct sim *sim, struct jv_time at, void (*act)(struct sim *sim, void *arg), void *arg)
{
	struct event_item item = { .kind = EV_CALL };

	item.call.act = act;
	item.call.arg = arg;
	sim_push(sim, at, item);
}

static void link_tells(struct sim *sim, const struct event_item *ev);

static void happens(struct sim *sim, const struct event_item *ev)
{
	switch (ev->kind) {
	case EV_DATAGRAM:
		parcel_arrives(sim, ev->parcel);
		break;
	case EV_JOB:
		job_finishes(sim, ev);
		break;
	case EV_TRAFFIC:
		traffic_goes(sim, ev);
		break;
	case EV_CALL:
		ev->call.act(sim, ev->call.arg);
		break;
	case EV_LINK:
		link_tells(sim, ev);
		break;
	case EV_WATCH:
		live_watch(sim);
		check_memory(sim);
		sim_push(sim, time_add_us(sim->now, WATCH_US), (struct event_item){ .kind = EV_WATCH });
		break;
	}
}

/* The engine whose timers are due first, and when. */
static struct sim_engine *first_timer(struct sim *sim, struct jv_time *at)
{
	struct sim_engine *first = NULL;

	*at = TIME_NEVER;
	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		struct sim_engine *se = &sim->engine[i];
		struct jv_time due;

		if (!se->e || time_is_never(se->next))
			continue;
		due = time_max(se->next, sim->end[se->end].asleep_until);
		if (!time_before(due, *at))
			continue;
		*at = due;
		first = se;
	}
	return first;
}

/* One event, or one engine's timers: what the network had waiting is handed in first. */
static bool step(struct sim *sim, struct jv_time until)
{
	struct jv_time timer_at, at = sim->heap.n > 0 ? sim->heap.item[0].at : TIME_NEVER;
	struct sim_engine *se = first_timer(sim, &timer_at);
	const bool timer = se && time_before(timer_at, at);

	at = timer ? timer_at : at;
	if (time_before(until, at))
		return false;
	sim->standstill = time_before(sim->now, at) ? 0 : sim->standstill + 1;
	sim->now = time_max(sim->now, at);
	if (sim->standstill > STANDSTILL_MAX) {
		sim_violate(sim, "standstill", "time does not go on");
		return false;
	}
	if (timer) {
		WITH_ENGINE(se, engine_tick(se->e, engine_clock(se)));
		check_ticked(se);
	} else {
		const struct event_item ev = heap_pop(&sim->heap);

		happens(sim, &ev);
	}
	return true;
}

bool sim_run(struct sim *sim, struct jv_time until)
{
	while (!sim->violation.is_one && step(sim, until))
		;
	if (!sim->violation.is_one)
		sim->now = time_max(sim->now, until);
	return !sim->violation.is_one;
}

bool sim_run_until(struct sim *sim, bool (*question)(struct sim *sim, void *arg), void *arg,
		   struct jv_time until)
{
	while (!sim->violation.is_one) {
		if (question(sim, arg))
			return true;
		if (!step(sim, until)) {
			sim->now = sim->violation.is_one ? sim->now : time_max(sim->now, until);
			return false;
		}
	}
	return false;
}

/* --- the end --- */

/* The jobs of a dead process die with it. */
static void jobs_die(struct sim *sim, unsigned int end)
{
	for (size_t i = 0; i < sim->heap.n; i++) {
		struct event_item *ev = &sim->heap.item[i];

		if (ev->kind != EV_JOB || !ev->job.job || sim->engine[ev->job.engine].end != end)
			continue;
		mem_counting(true);
		job_free(ev->job.job);
		mem_counting(false);
		ev->job.job = NULL;
	}
}

static void process_ends(struct sim *sim, unsigned int end, bool kindly)
{
	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		struct sim_engine *se = &sim->engine[i];

		if (se->end != end || !se->e)
			continue;
		sim->doing = DOING_SHUTDOWN;
		if (kindly)
			WITH_ENGINE(se, engine_shutdown(se->e, engine_clock(se)));
		sim->doing = DOING_INPUT;
	}
}

static void process_gone(struct sim *sim, unsigned int end)
{
	for (unsigned int i = 0; i < SIM_ENGINES; i++) {
		struct sim_engine *se = &sim->engine[i];

		if (se->end != end || !se->e)
			continue;
		mem_counting(true);
		engine_free(se->e);
		mem_counting(false);
		se->e = NULL;
		if (!sim->violation.is_one)
			verify_origin_end(sim->verify, se->origin);
		se->next = TIME_NEVER;
	}
	jobs_die(sim, end);
	if (end != SIM_SERVER)
		sim->client[end].sockets = 0;
}

static void world_free(struct sim *sim)
{
	for (size_t i = 0; i < sim->heap.n; i++)
		if (sim->heap.item[i].kind == EV_DATAGRAM)
			parcel_free(sim, sim->heap.item[i].parcel);
	while (sim->free_parcels) {
		struct parcel *p = sim->free_parcels;

		sim->free_parcels = p->next;
		free(p);
	}
	for (unsigned int i = 0; i < sim->setup.clients; i++) {
		for (unsigned int way = 0; way < 2; way++) {
			free(sim->client[i].relic[way]);
			free(sim->client[i].flow[way].packet);
		}
	}
	check_free(sim);
	make_config_free(sim->config);
	free(sim->heap.item);
}

bool sim_free(struct sim *sim, struct sim_violation *out)
{
	for (unsigned int end = 0; end < SIM_ENDS; end++) {
		sim->end[end].asleep_until = TIME_ZERO;
		if (!sim->violation.is_one)
			process_ends(sim, end, true);
	}
	sim->ending = true;
	/* Jobs come back, what was left to say goes out, and a birth of the last moment dies. */
	sim_run(sim, time_add_ms(sim->now, 62000));
	if (!sim->violation.is_one)
		check_ended(sim);
	for (unsigned int end = 0; end < SIM_ENDS; end++)
		process_gone(sim, end);
	if (!sim->violation.is_one && (mem_bytes() != 0 || mem_blocks() != 0))
		sim_violate(sim, "memory", "%lld bytes in %lld blocks were not given back",
			    (long long)mem_bytes(), (long long)mem_blocks());
	if (!sim->violation.is_one)
		verify_end(sim->verify);
	if (out)
		*out = sim->violation;
	world_free(sim);

	const bool good = !sim->violation.is_one;
	free(sim);
	return good;
}

/* --- troubles --- */

struct link_profile *sim_link(struct sim *sim, unsigned int client, unsigned int path, enum sim_way way)
{
	return &sim->client[client].path[path].link[way].profile;
}

static struct sim_engine *client_engine(struct sim *sim, unsigned int client)
{
	return &sim->engine[SIM_WORKERS + client];
}

/* What its system tells a client; a sleeper hears of it when it wakes. */
static void link_tells(struct sim *sim, const struct event_item *ev)
{
	const unsigned int client = ev->link.client, path = ev->link.path;
	struct sim_engine *se = client_engine(sim, client);
	struct sim_path *p = &sim->client[client].path[path];

	if (!end_is_awake(sim, client)) {
		sim_push(sim, sim->end[client].asleep_until, *ev);
		return;
	}
	if (ev->link.news == LINK_UP ? p->up : !p->up)
		return;
	if (ev->link.news == LINK_RESOLVED) {
		candidate_made(sim, se, path);
		return;
	}
	p->up = ev->link.news != LINK_DOWN;
	if (ev->link.news == LINK_MOVED || ev->link.why == REASON_ADDRESS_CHANGED)
		path_new_address(sim, client, path);
	if (ev->link.news == LINK_UP) {
		sim_trace(sim, client, "path %u is up", path);
		candidate_made(sim, se, path);
	} else if (ev->link.news == LINK_MOVED) {
		sim_trace(sim, client, "path %u has another address", path);
		WITH_ENGINE(se, engine_candidate_moved(se->e, (uint8_t)path, engine_clock(se)));
	} else {
		sim_trace(sim, client, "path %u is down: %s", path, reason_name(ev->link.why));
		WITH_ENGINE(se, engine_candidate_down(se->e, (uint8_t)path, ev->link.why, engine_clock(se)));
	}
}

static void link_changes(struct sim *sim, unsigned int client, unsigned int path, enum link_news news,
			 enum reason why)
{
	struct event_item ev = { .kind = EV_LINK };

	ev.link.client = client;
	ev.link.path = path;
	ev.link.news = news;
	ev.link.why = why;
	if (!sim->violation.is_one)
		link_tells(sim, &ev);
}

void sim_candidate_down(struct sim *sim, unsigned int client, unsigned int path, enum reason why)
{
	link_changes(sim, client, path, LINK_DOWN, why);
}

void sim_candidate_up(struct sim *sim, unsigned int client, unsigned int path)
{
	link_changes(sim, client, path, LINK_UP, REASON_NONE);
}

void sim_candidate_moved(struct sim *sim, unsigned int client, unsigned int path)
{
	link_changes(sim, client, path, LINK_MOVED, REASON_NONE);
}

void sim_nat_rebind(struct sim *sim, unsigned int client, unsigned int path)
{
	struct sim_client *c = &sim->client[client];
	struct sim_path *p = &c->path[path];

	if (sim->violation.is_one)
		return;
	sim_trace(sim, client, "path %u: NAT has rebound", path);
	p->good_since = TIME_NEVER;
	if (!p->setup.nat) {
		path_new_address(sim, client, path);
		return;
	}
	for (unsigned int i = 0; i < c->sockets; i++)
		if (c->socket[i].path == path)
			c->socket[i].port = p->next_port++;
}

void sim_nat_poison(struct sim *sim, unsigned int client, unsigned int path, enum sim_way way)
{
	struct sim_client *c = &sim->client[client];

	if (sim->violation.is_one)
		return;
	sim_trace(sim, client, "path %u: NAT mappings swallow %s", path, way == SIM_UP ? "up" : "down");
	for (unsigned int i = 0; i < c->sockets; i++)
		if (c->socket[i].path == path)
			c->socket[i].swallows[way] = true;
	c->path[path].good_since = TIME_NEVER;
}

void sim_suspend(struct sim *sim, unsigned int end, uint64_t ms)
{
	if (sim->violation.is_one)
		return;
	sim_trace(sim, end, "sleeps for %llu ms", (unsigned long long)ms);
	sim->end[end].asleep_until = time_max(sim->end[end].asleep_until, time_add_ms(sim->now, ms));
	sim->end[end].leapt = sim->end[end].asleep_until;
	live_disturbed(sim, end);
}

void sim_clock_leap(struct sim *sim, unsigned int end, uint64_t ms)
{
	if (sim->violation.is_one)
		return;
	sim_trace(sim, end, "clock leaps by %llu ms", (unsigned long long)ms);
	sim->end[end].offset_us += (int64_t)ms * 1000;
	sim->end[end].leapt = time_max(sim->end[end].leapt, sim->now);
	for (unsigned int i = 0; i < SIM_ENGINES; i++)
		if (sim->engine[i].end == end && sim->engine[i].e)
			timers_noted(&sim->engine[i]);
	live_disturbed(sim, end);
}

void sim_restart(struct sim *sim, unsigned int end, bool kindly)
{
	if (sim->violation.is_one)
		return;
	sim_trace(sim, end, "restarts%s", kindly ? "" : " without a word");
	if (end_is_awake(sim, end))
		process_ends(sim, end, kindly);
	process_gone(sim, end);
	sim->end[end].lives++;
	sim->end[end].asleep_until = TIME_ZERO;
	for (unsigned int i = 0; i < SIM_ENGINES; i++)
		if (sim->engine[i].end == end && is_used(sim, i))
			engine_begins(sim, &sim->engine[i]);
	live_disturbed(sim, end);
}

/* The engine that has `client`'s session at this end, and that session. */
static struct sim_engine *engine_at(struct sim *sim, unsigned int end, unsigned int client)
{
	const ptrdiff_t peer = peer_index(sim, client);

	if (end != SIM_SERVER)
		return client_engine(sim, client);
	return peer < 0 ? NULL : &sim->engine[sim->config->peers[peer].home % sim->setup.workers];
}

void sim_jump(struct sim *sim, unsigned int end, unsigned int client, uint8_t path, uint64_t token)
{
	struct sim_engine *se = engine_at(sim, end, client);
	const struct session *s = sim_session(sim, end, client);

	if (sim->violation.is_one || !s || !end_is_awake(sim, end))
		return;
	sim_trace(sim, end, "operator moves client%u to path %u", client, path);
	WITH_ENGINE(se, engine_jump(se->e, s->id, path, token, engine_clock(se)));
}

void sim_terminate(struct sim *sim, unsigned int end, unsigned int client)
{
	struct sim_engine *se = engine_at(sim, end, client);
	const struct session *s = sim_session(sim, end, client);

	if (sim->violation.is_one || !s || !end_is_awake(sim, end))
		return;
	sim_trace(sim, end, "operator ends the session of client%u", client);
	sim->doing = DOING_TERMINATE;
	WITH_ENGINE(se, engine_terminate(se->e, s->id, engine_clock(se)));
	sim->doing = DOING_INPUT;
	live_disturbed(sim, client);
}

static void reload(struct sim *sim, struct config *next)
{
	make_owners(next);
	sim->doing = DOING_CONFIGURE;
	for (unsigned int i = 0; i < sim->setup.workers; i++)
		WITH_ENGINE(&sim->engine[i],
			    engine_configure(sim->engine[i].e, next, engine_peers_new(sim->config, next, i, sim->setup.workers),
					     engine_clock(&sim->engine[i])));
	sim->doing = DOING_INPUT;
	make_config_free(sim->config);
	sim->config = next;
}

bool sim_policy(struct sim *sim, unsigned int client, const struct policy *policy)
{
	const ptrdiff_t peer = peer_index(sim, client);
	struct config *next;

	if (sim->violation.is_one || !end_is_awake(sim, SIM_SERVER))
		return false;
	sim->client[client].policy = *policy;
	sim->client[client].generation++;
	if (policy->rescue_bytes > sim->most_rescue)
		sim->most_rescue = policy->rescue_bytes;
	if (peer < 0)
		return true;
	sim_trace(sim, SIM_SERVER, "another policy for client%u", client);
	next = make_config_next(sim->config);
	next->peers[peer].policy = *policy;
	next->peers[peer].generation = sim->client[client].generation;
	reload(sim, next);
	live_disturbed(sim, client);
	return true;
}

static void peer_leaves(struct config *next, size_t peer)
{
	free(next->peers[peer].addresses);
	free(next->peers[peer].routes);
	free(next->peers[peer].dns);
	memmove(&next->peers[peer], &next->peers[peer + 1], (--next->npeers - peer) * sizeof(next->peers[0]));
}

bool sim_peer(struct sim *sim, unsigned int client, bool is_peer)
{
	struct sim_client *c = &sim->client[client];
	struct config *next;

	if (sim->violation.is_one || !end_is_awake(sim, SIM_SERVER))
		return false;
	if (c->is_peer == is_peer)
		return true;
	sim_trace(sim, SIM_SERVER, "client%u is %s peer", client, is_peer ? "a" : "no");
	next = make_config_next(sim->config);
	if (is_peer) {
		struct config_peer *p;

		next->peers = must(realloc(next->peers, (next->npeers + 1) * sizeof(*p)));
		p = &next->peers[next->npeers++];
		memset(p, 0, sizeof(*p));
		make_peer(p, client, sim->setup.workers);
		memcpy(p->public_key, c->config.public_key, sizeof(p->public_key));
		p->policy = c->policy;
		p->generation = ++c->generation;
	} else {
		peer_leaves(next, (size_t)peer_index(sim, client));
	}
	c->is_peer = is_peer;
	reload(sim, next);
	live_disturbed(sim, client);
	return true;
}

void sim_hold_back(struct sim *sim, unsigned int client, unsigned int path, uint32_t ppm, uint32_t up_to_ms)
{
	sim->client[client].path[path].hold_ppm = ppm;
	sim->client[client].path[path].hold_ms = up_to_ms;
}

/* --- what there is --- */

const struct session *sim_session(const struct sim *sim, unsigned int end, unsigned int client)
{
	const struct engine *e = sim->engine[SIM_WORKERS + client].e;
	ptrdiff_t peer;

	if (end != SIM_SERVER)
		return e && client < sim->setup.clients ? e->client->session : NULL;
	peer = peer_index(sim, client);
	if (peer < 0)
		return NULL;
	e = sim->engine[sim->config->peers[peer].home % sim->setup.workers].e;
	return e ? e->by_peer[peer] : NULL;
}

bool sim_is_attached(const struct sim *sim, unsigned int client)
{
	const struct session *c = sim_session(sim, client, client), *s = sim_session(sim, SIM_SERVER, client);

	return c && s && c->state == STATE_ATTACHED && s->state == STATE_ATTACHED &&
	       memcmp(c->id, s->id, sizeof(c->id)) == 0 && c->active->number == s->active->number &&
	       c->binding_version == s->binding_version && !c->jump->pending;
}

uint64_t sim_count(const struct sim *sim, unsigned int end, enum counter c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < SIM_ENGINES; i++)
		if (sim->engine[i].end == end && sim->engine[i].e)
			n += engine_counters(sim->engine[i].e)->n[c];
	return n;
}

uint64_t sim_digest(const struct sim *sim)
{
	return sim->digest;
}

void digest_number(struct sim *sim, uint64_t v)
{
	sim->digest = (sim->digest ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	sim->digest ^= sim->digest >> 29;
}

void digest_bytes(struct sim *sim, const void *data, size_t len)
{
	const uint8_t *b = data;
	uint64_t v;

	digest_number(sim, len);
	for (; len >= 8; b += 8, len -= 8) {
		memcpy(&v, b, 8);
		digest_number(sim, v);
	}
	v = 0;
	memcpy(&v, b, len);
	digest_number(sim, v);
}

/* --- telling --- */

static void who(char out[16], unsigned int end)
{
	if (end == SIM_SERVER)
		snprintf(out, 16, "server");
	else if (end < SIM_CLIENTS)
		snprintf(out, 16, "client%u", end);
	else
		snprintf(out, 16, "net");
}

void sim_trace(const struct sim *sim, unsigned int end, const char *format, ...)
{
	char name[16];
	va_list args;

	if (!sim->setup.trace)
		return;
	who(name, end);
	fprintf(sim->setup.trace, "%11.6f  %-8s ", (double)sim->now.us / 1e6, name);
	va_start(args, format);
	vfprintf(sim->setup.trace, format, args);
	va_end(args);
	fputc('\n', sim->setup.trace);
}

void sim_violate(struct sim *sim, const char *rule, const char *format, ...)
{
	struct sim_violation *v = &sim->violation;
	va_list args;

	if (v->is_one)
		return;
	v->is_one = true;
	v->rule = rule;
	v->at = sim->now;
	va_start(args, format);
	vsnprintf(v->text, sizeof(v->text), format, args);
	va_end(args);
	sim_trace(sim, SIM_ENDS, "BROKEN %s: %s", rule, v->text);
}
