/* Set-up, time, and questions; see world.h. */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/job.h"
#include "session/path.h"
#include "session/session.h"
#include "world.h"

#define ROUNDS_MAX 2000 /* events at one moment: more is a loop that does not end */

unsigned int world_allocates;

void *world_realloc(void *p, size_t len)
{
	world_allocates++;
	p = realloc(p, len);
	world_allocates--;
	assert_non_null(p);
	return p;
}

/* --- set-up --- */

struct config *world_config_next(const struct world *w)
{
	return make_config_next(w->config);
}

void world_session_policy(struct session *s, const struct policy *policy)
{
	const struct policy *before = s->policy;

	s->policy = policies_take(&s->engine->policies, policy);
	policies_drop(&s->engine->policies, before);
	assert_non_null(s->policy);
}

void world_reload(struct world *w, struct config *next)
{
	make_owners(next);
	for (unsigned int i = 0; i < w->workers; i++)
		engine_configure(w->engine[i].e, next, engine_peers_new(w->config, next, i, w->workers), w->now);
	make_config_free(w->config);
	w->config = next;
}

struct world *world_new(unsigned int workers, unsigned int clients)
{
	struct world *w = calloc(1, sizeof(*w));
	struct config *configs[WORLD_CLIENTS];

	assert_non_null(w);
	assert_int_equal(crypto_init(), 0);
	w->now.us = START_US;
	w->workers = workers;
	w->clients = clients;
	w->paths = 3;
	w->rng.state = 1;
	w->job_us = 100;
	w->aes[0] = w->aes[1] = true;
	for (unsigned int i = 0; i < clients; i++) {
		configs[i] = &w->client[i].config;
		for (unsigned int n = 0; n < WORLD_PATHS; n++)
			w->client[i].link[n].delay_us = 500;
	}
	w->config = make_config(&w->rng, workers, clients, configs);
	for (unsigned int i = 0; i < clients; i++)
		w->config->peers[i].policy.max_candidates = WORLD_PATHS;
	w->max_switches = policy_defaults.max_switches_per_min;
	w->recovery_window_ms = policy_defaults.recovery_window_ms;
	return w;
}

void world_policy(struct world *w, const struct policy *p)
{
	for (size_t i = 0; i < w->config->npeers; i++)
		w->config->peers[i].policy = *p;
	if (p->max_switches_per_min > w->max_switches)
		w->max_switches = p->max_switches_per_min;
	if (p->recovery_window_ms > w->recovery_window_ms)
		w->recovery_window_ms = p->recovery_window_ms;
}

static void engine_start(struct world *w, unsigned int i)
{
	struct world_engine *we = &w->engine[i];
	const bool client = i >= WORLD_WORKERS;
	const struct engine_setup setup = {
		.io = world_io,
		.ctx = we,
		.config = client ? &w->client[i - WORLD_WORKERS].config : w->config,
		.worker = client ? 0 : i,
		.workers = client ? 1 : w->workers,
		.key_cache = 64,
		.hardware_aes = w->aes[client ? 0 : 1],
		.machine = { w->machine },
	};

	we->w = w;
	we->index = i;
	we->rng.state = i * 1000003 + w->rng.state;
	we->e = engine_new(&setup, w->now);
	assert_non_null(we->e);
}

void world_restart(struct world *w, unsigned int worker)
{
	engine_free(w->engine[worker].e);
	engine_start(w, worker);
}

void world_candidate(struct world *w, unsigned int client, uint8_t path)
{
	struct candidate cand = {
		.number = path, .via = path, .remotes = 1, .remote[0] = { world_server_ip(), .port = 4433 }
	};

	snprintf(cand.name, sizeof(cand.name), "path%u", path);
	engine_candidate_up(world_client_engine(w, client), &cand, w->now);
}

void world_start(struct world *w)
{
	make_owners(w->config);
	for (unsigned int i = 0; i < w->workers; i++)
		engine_start(w, i);
	for (unsigned int i = 0; i < w->clients; i++) {
		engine_start(w, WORLD_WORKERS + i);
		for (uint8_t n = 0; n < w->paths; n++)
			world_candidate(w, i, n);
	}
}

/* --- time --- */

static struct datagram *first_datagram(struct world *w)
{
	struct datagram *first = NULL;

	for (size_t i = 0; i < w->flight.n; i++) {
		struct datagram *d = &w->flight.list[i];

		if (!first || d->at.us < first->at.us ||
		    (d->at.us == first->at.us && d->order < first->order))
			first = d;
	}
	return first;
}

static struct jv_time next_event(struct world *w)
{
	struct datagram *d = first_datagram(w);
	struct jv_time at = d ? d->at : TIME_NEVER;

	for (size_t i = 0; i < w->jobs; i++)
		at = time_min(at, w->job[i].at);
	for (unsigned int i = 0; i < WORLD_ENGINES; i++)
		if (w->engine[i].e)
			at = time_min(at, engine_next(w->engine[i].e));
	for (unsigned int i = 0; i < w->clients; i++) {
		if (w->client[i].up.interval_us)
			at = time_min(at, w->client[i].up.next);
		if (w->client[i].down.interval_us)
			at = time_min(at, w->client[i].down.next);
	}
	return at;
}

static void jobs_finish(struct world *w)
{
	for (size_t i = 0; i < w->jobs; i++) {
		struct world_job wj = w->job[i];

		if (time_before(w->now, wj.at))
			continue;
		memmove(&w->job[i], &w->job[i + 1], (--w->jobs - i) * sizeof(wj));
		i--;
		if (wj.run)
			job_run(wj.job);
		engine_job_done(w->engine[wj.engine].e, wj.job, w->now);
	}
}

/* Everything that is due now: first what the network brings, then what was asked for, then timers. */
static void happen(struct world *w)
{
	struct datagram *d;

	while ((d = first_datagram(w)) && !time_before(w->now, d->at)) {
		static struct datagram copy;

		copy = *d;
		*d = w->flight.list[--w->flight.n];
		world_arrive(w, &copy);
		world_reply(w);
	}
	jobs_finish(w);
	world_traffic_send(w);
	for (unsigned int i = 0; i < WORLD_ENGINES; i++)
		if (w->engine[i].e && !time_before(w->now, engine_next(w->engine[i].e)))
			engine_tick(w->engine[i].e, w->now);
}

static bool run(struct world *w, bool (*question)(struct world *w), uint64_t ms)
{
	const struct jv_time end = time_add_ms(w->now, ms);
	unsigned int rounds = 0;

	for (;;) {
		struct jv_time at = next_event(w);

		if (question && question(w))
			return true;
		if (time_before(end, at)) {
			w->now = end;
			return false;
		}
		rounds = time_before(w->now, at) ? 0 : rounds + 1;
		if (rounds > ROUNDS_MAX)
			fail_msg("time stands still at %lld us", (long long)w->now.us);
		w->now = time_max(w->now, at);
		happen(w);
	}
}

void world_run(struct world *w, uint64_t ms)
{
	run(w, NULL, ms);
}

bool world_until(struct world *w, bool (*question)(struct world *w), uint64_t ms)
{
	return run(w, question, ms);
}

/* --- questions --- */

struct engine *world_client_engine(struct world *w, unsigned int client)
{
	return w->engine[WORLD_WORKERS + client].e;
}

struct session *world_session(struct world *w, unsigned int client)
{
	return world_client_engine(w, client)->client->session;
}

struct engine *world_home(struct world *w, unsigned int client)
{
	const ptrdiff_t peer = config_find_peer(w->config, w->client[client].config.public_key);

	assert_true(peer >= 0);
	return w->engine[w->config->peers[peer].home % w->workers].e;
}

const struct route *world_route(const struct path *p)
{
	static struct route routes[4];
	static unsigned int next;

	routes[next = (next + 1) % 4] = session_route(p);
	return &routes[next];
}

struct session *world_peer(struct world *w, unsigned int client)
{
	const ptrdiff_t peer = config_find_peer(w->config, w->client[client].config.public_key);

	return peer < 0 ? NULL : world_home(w, client)->by_peer[peer];
}

static bool attached(struct world *w, unsigned int client)
{
	const struct session *c = world_session(w, client), *s = world_peer(w, client);

	return c && s && c->state == STATE_ATTACHED && s->state == STATE_ATTACHED &&
	       memcmp(c->id, s->id, sizeof(c->id)) == 0 && c->active->number == s->active->number &&
	       c->binding_version == s->binding_version && !c->jump->pending;
}

bool world_all_attached(struct world *w)
{
	for (unsigned int i = 0; i < w->clients; i++)
		if (!attached(w, i))
			return false;
	return true;
}

static bool all_warm(struct world *w)
{
	if (!world_all_attached(w))
		return false;
	for (unsigned int i = 0; i < w->clients; i++) {
		for (uint8_t n = 0; n < w->paths; n++) {
			struct path *c = session_path_numbered(world_session(w, i), n);
			struct path *s = session_path_numbered(world_peer(w, i), n);

			if (!c || !path_is_warm(c, world_session(w, i)->policy) || !s || !path_is_proven(s))
				return false;
		}
	}
	return true;
}

void world_attach(struct world *w)
{
	world_start(w);
	world_assert(w, world_until(w, all_warm, 10000));
}

uint64_t world_count(struct world *w, unsigned int engine, enum counter c)
{
	return engine_counters(w->engine[engine].e)->n[c];
}

uint64_t world_served(struct world *w, enum counter c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < w->workers; i++)
		n += world_count(w, i, c);
	return n;
}

unsigned int world_audits(struct world *w, bool clients, enum audit_event event, enum reason why, size_t from)
{
	unsigned int n = 0;

	for (size_t i = from; i < w->audits; i++)
		n += (w->audit[i].engine >= WORLD_WORKERS) == clients && w->audit[i].r.event == event &&
		     (why == REASON_NONE || w->audit[i].r.reason == why);
	return n;
}

void world_jump(struct world *w, unsigned int client, uint8_t path, uint64_t token)
{
	w->jumped.n = 0;
	engine_jump(world_client_engine(w, client), world_session(w, client)->id, path, token, w->now);
}

size_t world_view(struct world *w, unsigned int engine, struct session_info *out, size_t max)
{
	struct walk walk = { .done = false };
	size_t n = 0;

	memset(out, 0, max * sizeof(*out));
	while (n < max && !walk.done)
		n += engine_walk(w->engine[engine].e, &walk, NULL, out + n, max - n, w->now);
	walk_stop(&walk);
	return n;
}

void world_free(struct world *w)
{
	uint64_t illegal = 0;

	world_check(w);
	while (w->jobs > 0) {
		w->now = time_add_us(w->now, w->job_us);
		jobs_finish(w);
	}
	for (unsigned int i = 0; i < WORLD_ENGINES; i++) {
		if (w->engine[i].e)
			illegal += world_count(w, i, COUNT_ILLEGAL_TRANSITION);
		engine_free(w->engine[i].e);
		assert_int_equal(w->engine[i].nstanding, 0); /* no ring has gone with what was to stand */
		free(w->engine[i].standing);
	}
	assert_int_equal(illegal, 0);
	for (unsigned int i = 0; i < w->clients; i++) {
		free(w->client[i].socket);
		free(w->client[i].up.seen);
		free(w->client[i].down.seen);
	}
	make_config_free(w->config);
	free(w->flight.list);
	free(w->record.list);
	free(w->job);
	free(w->audit);
	free(w->seen);
	free(w->key);
	free(w);
}

/* --- frames made by hand --- */

struct a_frame world_a_ping(const struct session *s, uint32_t id, uint8_t path, struct jv_time now)
{
	struct a_frame f = { .type = FRAME_PING };

	f.ping.id = put_be32(id);
	f.ping.path = path;
	f.ping.age_us = put_be64(session_age_us(s, now));
	f.ping.policy_generation = put_be32(s->policy_generation);
	f.ping.locators_seq = put_be32(s->locators_seq);
	return f;
}

struct a_frame world_a_jump(const struct session *s, uint32_t id, uint8_t path, struct jv_time now)
{
	struct a_frame f = { .type = FRAME_JUMP };

	f.jump.id = put_be32(id);
	f.jump.path = path;
	f.jump.reason = REASON_POLICY_FORCED;
	f.jump.binding_version = put_be32(s->binding_version);
	f.jump.age_us = put_be64(session_age_us(s, now));
	return f;
}
