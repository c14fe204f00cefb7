#include "sim/script.h"

#include <stdlib.h>
#include <string.h>

#include "sim/programme.h"
#include "sim/seed.h"

#define FLOW_US 20000 /* the packets that show, at the end, that all is well */
#define FLOW_LEAST 25

struct script {
	struct sim *sim;
	struct sim_setup setup;
	struct prng rng;
	struct jv_time end; /* of the troubles */
	uint64_t pace_ms;   /* between two of them */
	uint32_t at_hand;   /* bit for each trouble that this seed knows */
	uint32_t hold_until;
	bool has_actor;
	struct programme actor;
	struct script_result *result;
};

static uint64_t between(struct script *s, uint64_t least, uint64_t most)
{
	return chance_between(&s->rng, least, most);
}

static bool one_in(struct script *s, uint64_t n)
{
	return chance_one_in(&s->rng, n);
}

static uint64_t spread(struct script *s, uint64_t least, uint64_t most)
{
	return chance_spread(&s->rng, least, most);
}

/* --- things that come and go: each undoes itself --- */

struct episode {
	struct script *s;
	unsigned int client, path, way; /* way 2: both */
	unsigned int left;              /* repetitions */
	uint64_t ms;
	bool on;
};

static struct episode *episode(struct script *s)
{
	struct episode *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	e->s = s;
	e->client = (unsigned int)prng_below(&s->rng, s->setup.clients);
	e->path = (unsigned int)prng_below(&s->rng, s->setup.paths);
	e->way = (unsigned int)prng_below(&s->rng, 3);
	return e;
}

static bool has_way(const struct episode *e, unsigned int way)
{
	return e->way == 2 || e->way == way;
}

static void later(struct episode *e, uint64_t ms, void (*act)(struct sim *sim, void *arg))
{
	const struct jv_time at = time_add_ms(sim_now(e->s->sim), ms);

	sim_at(e->s->sim, time_min(at, e->s->end), act, e);
}

/* As it was set up; who sits there stays. */
static void link_reset(struct script *s, unsigned int client, unsigned int path, enum sim_way way)
{
	struct link_profile *l = sim_link(s->sim, client, path, way);
	struct link_profile next = s->setup.path[client][path].link[way];

	next.rules = l->rules;
	memcpy(next.rule, l->rule, sizeof(next.rule));
	*l = next;
}

static void link_mends(struct sim *sim, void *arg)
{
	struct episode *e = arg;

	for (unsigned int way = 0; way < 2; way++)
		if (has_way(e, way))
			link_reset(e->s, e->client, e->path, way);
	sim_trace(sim, e->client, "path %u: link as before (%s)", e->path,
		  e->way == 2        ? "both ways"
		  : e->way == SIM_UP ? "up"
				     : "down");
	free(e);
}

static void link_breaks(struct script *s, const char *what, uint64_t ms,
			void (*change)(struct script *s, struct link_profile *l))
{
	struct episode *e = episode(s);

	for (unsigned int way = 0; way < 2; way++)
		if (has_way(e, way))
			change(s, sim_link(s->sim, e->client, e->path, way));
	sim_trace(s->sim, e->client, "path %u: %s for %llu ms (%s)", e->path, what, (unsigned long long)ms,
		  e->way == 2        ? "both ways"
		  : e->way == SIM_UP ? "up"
				     : "down");
	later(e, ms, link_mends);
}

static void is_dead(struct script *s, struct link_profile *l)
{
	(void)s;
	l->blackhole = true;
}

static void is_lossy(struct script *s, struct link_profile *l)
{
	l->loss_ppm = (uint32_t)between(s, 50000, 600000);
}

static void is_slow(struct script *s, struct link_profile *l)
{
	l->delay_us += (uint32_t)between(s, 20000, 1000000);
	l->jitter_us += (uint32_t)between(s, 0, 100000);
}

static void is_bursty(struct script *s, struct link_profile *l)
{
	l->burst_ppm = (uint32_t)between(s, 1000, 20000);
	l->burst_ms = (uint32_t)between(s, 300, 800);
}

static void is_wild(struct script *s, struct link_profile *l)
{
	l->dup_ppm = (uint32_t)between(s, 0, 500000);
	l->reorder_ppm = (uint32_t)between(s, 0, 500000);
	l->reorder_us = (uint32_t)between(s, 1000, 500000);
}

static void is_narrow(struct script *s, struct link_profile *l)
{
	l->rate_bps = between(s, 16000, 256000);
	l->queue_bytes = (uint32_t)between(s, 2000, 64000);
}

static void has_hole(struct script *s, struct link_profile *l)
{
	l->mtu = (uint32_t)between(s, 200, 1400);
}

static void dies(struct script *s)
{
	link_breaks(s, "dead", spread(s, 50, 120000), is_dead);
}

static void loses(struct script *s)
{
	link_breaks(s, "loss", spread(s, 1000, 60000), is_lossy);
}

static void slows(struct script *s)
{
	link_breaks(s, "latency", spread(s, 500, 60000), is_slow);
}

static void bursts(struct script *s)
{
	link_breaks(s, "bursts of loss", spread(s, 2000, 60000), is_bursty);
}

static void runs_wild(struct script *s)
{
	link_breaks(s, "duplicates and disorder", spread(s, 1000, 60000), is_wild);
}

static void narrows(struct script *s)
{
	link_breaks(s, "little rate", spread(s, 1000, 60000), is_narrow);
}

static void swallows(struct script *s)
{
	link_breaks(s, "MTU hole", spread(s, 1000, 60000), has_hole);
}

static void flap(struct sim *sim, void *arg)
{
	struct episode *e = arg;
	const bool on = e->left > 0 && e->left % 2;

	for (unsigned int way = 0; way < 2; way++)
		sim_link(sim, e->client, e->path, way)->blackhole = on;
	sim_trace(sim, e->client, "path %u %s", e->path, on ? "flaps" : "is back");
	if (e->left == 0) {
		free(e);
		return;
	}
	e->left--;
	later(e, between(e->s, e->ms / 2, e->ms), flap);
}

static void flaps(struct script *s)
{
	struct episode *e = episode(s);

	e->ms = spread(s, 50, 5000);
	e->left = (unsigned int)between(s, 3, 40) | 1;
	flap(s->sim, e);
}

static void light(struct sim *sim, void *arg)
{
	struct episode *e = arg;

	for (unsigned int n = 0; n < e->s->setup.paths; n++)
		for (unsigned int way = 0; way < 2; way++)
			sim_link(sim, e->client, n, way)->blackhole = e->on;
	sim_trace(sim, e->client, "all paths %s", e->on ? "are dead" : "live again");
	if (!e->on) {
		free(e);
		return;
	}
	e->on = false;
	later(e, e->ms, light);
}

static void blacks_out(struct script *s)
{
	struct episode *e = episode(s);

	e->on = true;
	e->ms = spread(s, 100, 2ull * s->setup.policy[e->client].transport_lost_ttl_ms + 1000);
	if (e->ms > 150000)
		e->ms = 150000;
	light(s->sim, e);
}

static void plug(struct sim *sim, void *arg)
{
	struct episode *e = arg;

	sim_candidate_up(sim, e->client, e->path);
	free(e);
}

static void unplugs(struct script *s)
{
	struct episode *e = episode(s);

	sim_candidate_down(s->sim, e->client, e->path,
			   one_in(s, 2) ? REASON_TRANSPORT_DEAD : REASON_ADDRESS_CHANGED);
	later(e, spread(s, 50, 60000), plug);
}

static void moves(struct script *s)
{
	sim_candidate_moved(s->sim, (unsigned int)prng_below(&s->rng, s->setup.clients),
			    (unsigned int)prng_below(&s->rng, s->setup.paths));
}

static void rebinds(struct script *s)
{
	sim_nat_rebind(s->sim, (unsigned int)prng_below(&s->rng, s->setup.clients),
		       (unsigned int)prng_below(&s->rng, s->setup.paths));
}

static void poisons(struct script *s)
{
	const unsigned int client = (unsigned int)prng_below(&s->rng, s->setup.clients);
	const unsigned int path = (unsigned int)prng_below(&s->rng, s->setup.paths),
			   way = (unsigned int)prng_below(&s->rng, 3);

	for (unsigned int w = 0; w < 2; w++)
		if (way == 2 || way == w)
			sim_nat_poison(s->sim, client, path, w);
}

static unsigned int some_end(struct script *s)
{
	return one_in(s, 3) ? SIM_SERVER : (unsigned int)prng_below(&s->rng, s->setup.clients);
}

static void sleeps(struct script *s)
{
	const uint64_t ms = spread(s, 50, 90000);
	const uint64_t left = time_since_ms(s->end, sim_now(s->sim));

	sim_suspend(s->sim, some_end(s), ms < left ? ms : left);
}

static void leaps(struct script *s)
{
	sim_clock_leap(s->sim, some_end(s), spread(s, 50, 90000));
}

static void restarts(struct script *s)
{
	sim_restart(s->sim, some_end(s), one_in(s, 2));
}

static void jumps(struct script *s)
{
	const unsigned int client = (unsigned int)prng_below(&s->rng, s->setup.clients);

	sim_jump(s->sim, one_in(s, 2) ? SIM_SERVER : client, client,
		 (uint8_t)prng_below(&s->rng, s->setup.paths), prng_next(&s->rng) >> 8 | 1);
}

static void ends(struct script *s)
{
	const unsigned int client = (unsigned int)prng_below(&s->rng, s->setup.clients);

	sim_terminate(s->sim, one_in(s, 2) ? SIM_SERVER : client, client);
}

static void reloads(struct script *s)
{
	const unsigned int client = (unsigned int)prng_below(&s->rng, s->setup.clients);
	struct policy p;

	seed_policy(&s->rng, s->setup.paths, &p);
	sim_policy(s->sim, client, &p);
}

static void readmit(struct sim *sim, void *arg)
{
	struct episode *e = arg;

	if (sim_peer(sim, e->client, true))
		free(e);
	else
		later(e, 500, readmit);
}

static void expels(struct script *s)
{
	struct episode *e = episode(s);

	sim_peer(s->sim, e->client, false);
	later(e, spread(s, 100, 30000), readmit);
}

static void attack(struct sim *sim, void *arg)
{
	struct episode *e = arg;
	struct script *s = e->s;

	if (e->left-- == 0) {
		free(e);
		return;
	}
	s->result->attacks +=
		sim_attack(sim, (unsigned int)prng_below(&s->rng, s->setup.clients),
			   (enum sim_way)prng_below(&s->rng, 2),
			   (enum sim_attack)prng_below(&s->rng, SIM_ATTACKS), prng_next(&s->rng));
	later(e, between(s, 1, 2 * e->ms), attack);
}

static void attacks(struct script *s)
{
	struct episode *e = episode(s);

	e->left = (unsigned int)between(s, 20, 400);
	e->ms = spread(s, 20, 500);
	attack(s->sim, e);
}

static void let_go(struct sim *sim, void *arg)
{
	struct episode *e = arg;

	sim_hold_back(sim, e->client, e->path, 0, 0);
	sim_trace(sim, e->client, "path %u: nothing is held back any more", e->path);
	free(e);
}

static void holds(struct script *s)
{
	struct episode *e = episode(s);

	sim_hold_back(s->sim, e->client, e->path, (uint32_t)between(s, 1000, 300000),
		      (uint32_t)spread(s, 100, 30000));
	sim_trace(s->sim, e->client, "path %u: some packets are held back", e->path);
	later(e, spread(s, 1000, 60000), let_go);
}

#define TROUBLE_LIST(X)                                                                                    \
	X(dies, 12)                                                                                        \
	X(loses, 6)                                                                                        \
	X(slows, 4) X(bursts, 4) X(runs_wild, 4) X(narrows, 2) X(swallows, 1) X(flaps, 4) X(blacks_out, 4) \
		X(unplugs, 6) X(moves, 2) X(rebinds, 5) X(poisons, 4) X(sleeps, 3) X(leaps, 1)             \
			X(restarts, 3) X(jumps, 5) X(ends, 1) X(reloads, 3) X(expels, 1) X(attacks, 8)     \
				X(holds, 3)

static const struct {
	void (*happens)(struct script *s);
	const char *name;
	unsigned int weight;
} trouble[] = {
#define X(name, weight) { name, #name, weight },
	TROUBLE_LIST(X)
#undef X
};

#define TROUBLES (sizeof(trouble) / sizeof(trouble[0]))

static void next_trouble(struct sim *sim, void *arg)
{
	struct script *s = arg;
	unsigned int sum = 0, at;

	if (!time_before(sim_now(sim), s->end))
		return;
	for (unsigned int i = 0; i < TROUBLES; i++)
		sum += s->at_hand & 1u << i ? trouble[i].weight : 0;
	at = (unsigned int)prng_below(&s->rng, sum);
	for (unsigned int i = 0; i < TROUBLES; i++) {
		const unsigned int weight = s->at_hand & 1u << i ? trouble[i].weight : 0;

		if (at < weight) {
			s->result->troubles++;
			trouble[i].happens(s);
			break;
		}
		at -= weight;
	}
	sim_at(sim, time_add_ms(sim_now(sim), between(s, 1, 2 * s->pace_ms)), next_trouble, s);
}

/* --- traffic, in spurts --- */

struct talker {
	struct script *s;
	unsigned int client;
	enum sim_way way;
	bool talks;
};

static void talk(struct sim *sim, void *arg)
{
	struct talker *t = arg;
	struct script *s = t->s;
	uint64_t ms;

	if (!time_before(sim_now(sim), s->end)) {
		free(t);
		return;
	}
	t->talks = !t->talks;
	ms = t->talks ? spread(s, 200, 10000) : spread(s, 500, 40000);
	if (s->has_actor) /* whether data passes is seen where there is some */
		ms = t->talks ? spread(s, 60000, 240000) : spread(s, 200, 5000);
	if (t->talks)
		sim_traffic(sim, t->client, t->way,
			    (int64_t)spread(s, s->has_actor ? 50000 : 20000, s->has_actor ? 200000 : 400000),
			    one_in(s, 8) ? 1300 : (size_t)between(s, 60, 200));
	else
		sim_traffic(sim, t->client, t->way, 0, 100);
	sim_at(sim, time_min(time_add_ms(sim_now(sim), ms), s->end), talk, t);
}

static void traffic_begins(struct script *s)
{
	for (unsigned int c = 0; c < s->setup.clients; c++) {
		for (unsigned int way = 0; way < 2; way++) {
			struct talker *t = calloc(1, sizeof(*t));

			if (!t)
				abort();
			t->s = s;
			t->client = c;
			t->way = way;
			sim_at(s->sim, time_add_ms(TIME_ZERO, between(s, 0, 5000)), talk, t);
		}
	}
}

/* --- the calm end --- */

static void calm_begins(struct sim *sim, void *arg)
{
	struct script *s = arg;

	sim_trace(sim, SIM_ENDS, "calm");
	for (unsigned int c = 0; c < s->setup.clients; c++) {
		for (unsigned int n = 0; n < s->setup.paths; n++) {
			sim_hold_back(sim, c, n, 0, 0);
			for (unsigned int way = 0; way < 2; way++)
				*sim_link(sim, c, n, way) = s->setup.path[c][n].link[way];
		}
		sim_traffic(sim, c, SIM_UP, FLOW_US, 100);
		sim_traffic(sim, c, SIM_DOWN, FLOW_US, 100);
	}
}

static bool all_attached(struct sim *sim, void *arg)
{
	const struct script *s = arg;

	for (unsigned int c = 0; c < s->setup.clients; c++)
		if (!sim_is_attached(sim, c))
			return false;
	return true;
}

/* Attached, and what was sent in the last second has come through. */
static bool flows(struct script *s)
{
	uint32_t got[SIM_CLIENTS][2];
	bool good = true;

	for (unsigned int c = 0; c < s->setup.clients; c++)
		for (unsigned int way = 0; way < 2; way++)
			got[c][way] = sim_flow(s->sim, c, way)->got;
	sim_run(s->sim, time_add_ms(sim_now(s->sim), 1000));
	for (unsigned int c = 0; c < s->setup.clients; c++)
		for (unsigned int way = 0; way < 2; way++)
			good = good && sim_flow(s->sim, c, way)->got - got[c][way] >= FLOW_LEAST;
	return good && all_attached(s->sim, s);
}

/* Until everybody is attached and packets flow; the watch says when that takes too long, and so does this. */
static void calm(struct script *s)
{
	const struct jv_time begin = sim_now(s->sim);
	uint64_t bound = 0;

	for (unsigned int c = 0; c < s->setup.clients; c++) {
		const uint64_t ms = sim_liveness_bound_ms(s->sim, c);

		bound = ms > bound ? ms : bound;
	}
	for (;;) {
		const struct jv_time until = time_add_ms(begin, bound + 2000);

		if (sim_run_until(s->sim, all_attached, s, until) && flows(s))
			break;
		if (!time_before(sim_now(s->sim), until))
			sim_violate(s->sim, "liveness", "calm for %llu ms, and not all is well",
				    (unsigned long long)bound);
		if (!sim_run(s->sim, sim_now(s->sim)))
			break;
	}
	s->result->calm = (double)time_diff_us(sim_now(s->sim), begin) / 1e6;
}

/* What the seed expands to. */
static void tell(const struct script *s, FILE *f)
{
	seed_tell(f, &s->setup);
	fprintf(f, "a trouble every %llu ms or so:", (unsigned long long)s->pace_ms);
	for (unsigned int i = 0; i < TROUBLES; i++)
		if (s->at_hand >> i & 1)
			fprintf(f, " %s", trouble[i].name);
	fputc('\n', f);
	if (s->has_actor)
		programme_tell(&s->actor, f);
}

static void count_record(void *ctx, unsigned int end, const struct audit_record *r)
{
	struct script_result *out = ctx;

	(void)end;
	out->switches += r->event == AUDIT_TRANSPORT_SWITCH;
	out->sessions += r->event == AUDIT_SESSION_CREATED;
	out->denials += r->event == AUDIT_TRANSPORT_SWITCH_DENIED;
}

static bool has_actor(uint64_t seed, enum script_actor actor)
{
	return actor == SCRIPT_ACTOR_ALL || (actor == SCRIPT_ACTOR_SOME && seed % 8 == 0);
}

bool script_run(const struct script_options *o, uint64_t seed, struct script_result *out)
{
	struct script s = { .rng = { seed * 2 + 1 }, .result = out };

	memset(out, 0, sizeof(*out));
	s.end = time_add_ms(TIME_ZERO, o->seconds * 1000ull);
	s.has_actor = has_actor(seed, o->actor);
	seed_setup(&s.rng, seed, s.has_actor, &s.setup);
	if (s.has_actor)
		programme_new(&s.actor, seed, s.setup.paths, s.end);
	s.setup.trace = o->trace;
	s.setup.trace_datagrams = o->datagrams;
	s.setup.hooks.record = count_record;
	s.setup.hooks.ctx = out;
	s.pace_ms = spread(&s, 800, 30000);
	/* A seed knows some troubles and not all: what they do by themselves must be seen, too. */
	do
		s.at_hand = (uint32_t)(prng_next(&s.rng) | prng_next(&s.rng)) & ((1u << TROUBLES) - 1);
	while (s.at_hand == 0);
	if (s.has_actor && one_in(&s, 2))
		s.at_hand = 0;
	if (o->trace)
		tell(&s, o->trace);
	s.sim = sim_new(&s.setup);
	traffic_begins(&s);
	if (s.at_hand)
		sim_at(s.sim, time_add_ms(TIME_ZERO, between(&s, 1, 4000)), next_trouble, &s);
	if (s.has_actor)
		programme_begins(&s.actor, s.sim);
	sim_at(s.sim, time_add_us(s.end, 1), calm_begins, &s);
	if (sim_run(s.sim, time_add_us(s.end, 1)))
		calm(&s);
	out->digest = sim_digest(s.sim);
	out->seconds = (double)sim_now(s.sim).us / 1e6;
	for (unsigned int c = 0; c < s.setup.clients; c++)
		for (unsigned int way = 0; way < 2; way++)
			out->got += sim_flow(s.sim, c, way)->got;
	return sim_free(s.sim, &out->violation);
}
