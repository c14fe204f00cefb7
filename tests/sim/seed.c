#include "sim/seed.h"

#include <string.h>

struct bounds {
	uint32_t def, least, most;
	bool power;
};

static const struct bounds policy_bounds[POLICY_KEYS] = {
#define POWER_MS false
#define POWER_COUNT false
#define POWER_BYTES false
#define POWER_PPM false
#define POWER_POW2 true
#define X(section, key, KIND, def, least, most) { def, least, most, POWER_##KIND },
	POLICY_LIST(X)
#undef X
};

/* Mostly the default; else near it; seldom a bound itself. */
static uint32_t some_value(struct prng *rng, const struct bounds *b)
{
	uint64_t v = b->def;

	if (!chance_one_in(rng, 4))
		return b->def;
	if (b->power)
		return b->least << prng_below(rng, 7);
	if (chance_one_in(rng, 8))
		return chance_one_in(rng, 2) ? b->least : b->most;
	v = v * chance_between(rng, 30, 300) / 100;
	return (uint32_t)(v < b->least ? b->least : v > b->most ? b->most : v);
}

void seed_policy(struct prng *rng, unsigned int paths, struct policy *p)
{
	uint32_t v[POLICY_KEYS];

	for (unsigned int i = 0; i < POLICY_KEYS; i++)
		v[i] = some_value(rng, &policy_bounds[i]);
	memcpy(p, v, sizeof(*p));
	/* Short lives and many keys are what five minutes can show. */
	if (chance_one_in(rng, 3))
		p->max_lifetime_ms = (uint32_t)chance_between(rng, 60000, 150000);
	if (chance_one_in(rng, 2))
		p->rekey_after_ms = (uint32_t)chance_between(rng, 10000, 40000);
	if (chance_one_in(rng, 3))
		p->transport_lost_ttl_ms = (uint32_t)chance_between(rng, 5000, 60000);
	if (p->max_candidates < paths && !chance_one_in(rng, 8))
		p->max_candidates = paths;
	if (p->transport_lost_ttl_ms > 120000)
		p->transport_lost_ttl_ms = 120000; /* or some calm ends take an hour */
	if (p->handshake_timeout_ms < 2500)        /* a satellite needs its round trips */
		p->handshake_timeout_ms = 2500;
	if (p->replay_window > 4096)
		p->replay_window = 4096;
}

/* A kind of access: delay, jitter, loss, rate. */
static void some_access(struct prng *rng, struct sim_path_setup *p)
{
	static const struct {
		uint32_t delay_us, jitter_us, loss_ppm;
		uint64_t rate_bps;
	} kind[] = {
		{ 500, 0, 0, 0 },                 /* an Ethernet */
		{ 4000, 3000, 2000, 0 },          /* Wi-Fi */
		{ 25000, 20000, 3000, 0 },        /* LTE */
		{ 12000, 1000, 0, 10000000 },     /* a line */
		{ 280000, 30000, 5000, 2000000 }, /* a satellite */
		{ 25000, 0, 0, 0 },
	};
	const unsigned int i = (unsigned int)prng_below(rng, sizeof(kind) / sizeof(kind[0]));

	for (unsigned int way = 0; way < 2; way++) {
		p->link[way] = (struct link_profile){ .delay_us = kind[i].delay_us,
						      .jitter_us = kind[i].jitter_us,
						      .loss_ppm = kind[i].loss_ppm,
						      .rate_bps = kind[i].rate_bps,
						      .queue_bytes = 65536 };
		if (chance_one_in(rng, 4)) {
			p->link[way].reorder_ppm = 10000;
			p->link[way].reorder_us = kind[i].delay_us + 2000;
		}
		if (chance_one_in(rng, 4))
			p->link[way].dup_ppm = 5000;
	}
	p->v6 = chance_one_in(rng, 4);
	p->nat = !chance_one_in(rng, 3);
	p->nat_idle_ms = chance_one_in(rng, 3) ? (uint32_t)chance_between(rng, 30000, 180000) : 0;
}

/* Who sits on a path can be left where there is another, the server grants it, and the policy calls it loss. */
static void make_room_for_actor(struct sim_setup *u)
{
	u->clients = 1;
	u->paths = u->paths > 1 ? u->paths : 2;
	if (u->policy[0].max_candidates < u->paths)
		u->policy[0].max_candidates = u->paths;
	if (u->policy[0].loss_volatile_threshold > POLICY_PPM / 2)
		u->policy[0].loss_volatile_threshold = POLICY_PPM / 2;
}

void seed_setup(struct prng *rng, uint64_t seed, bool actor, struct sim_setup *u)
{
	const uint64_t size = prng_below(rng, 20);

	sim_setup_default(u, seed);
	u->clients = size < 14 ? 1 : size < 18 ? 2 : 3;
	u->workers = chance_one_in(rng, 3) ? 2 : 1;
	u->paths = (unsigned int)chance_between(rng, 1, SIM_PATHS);
	u->job_us = (uint32_t)chance_spread(rng, 100, 20000);
	for (unsigned int end = 0; end < SIM_ENDS; end++) {
		u->hardware_aes[end] = !chance_one_in(rng, 4);
		u->clock_us[end] = (int64_t)chance_between(rng, 1000, 5000000000);
	}
	for (unsigned int c = 0; c < u->clients; c++) {
		seed_policy(rng, u->paths, &u->policy[c]);
		for (unsigned int n = 0; n < u->paths; n++)
			some_access(rng, &u->path[c][n]);
	}
	if (actor && u->paths == 1)
		some_access(rng, &u->path[0][1]);
	if (actor)
		make_room_for_actor(u);
}

/* --- told --- */

static void tell_link(FILE *f, const struct link_profile *l)
{
	fprintf(f, " %u+%u us", l->delay_us, l->jitter_us);
	if (l->loss_ppm)
		fprintf(f, ", loss %u ppm", l->loss_ppm);
	if (l->rate_bps)
		fprintf(f, ", rate %llu", (unsigned long long)l->rate_bps);
	if (l->reorder_ppm)
		fprintf(f, ", reorder %u ppm %u us", l->reorder_ppm, l->reorder_us);
	if (l->dup_ppm)
		fprintf(f, ", dup %u ppm", l->dup_ppm);
}

static void tell_client(FILE *f, const struct sim_setup *u, unsigned int c)
{
	static const char *const keys[] = {
#define X(section, key, KIND, def, least, most) #section "." #key,
		POLICY_LIST(X)
#undef X
	};
	uint32_t v[POLICY_KEYS];

	memcpy(v, &u->policy[c], sizeof(v));
	for (unsigned int i = 0; i < POLICY_KEYS; i++)
		if (v[i] != policy_bounds[i].def)
			fprintf(f, "client%u: %s %u\n", c, keys[i], v[i]);
	for (unsigned int n = 0; n < u->paths; n++) {
		const struct sim_path_setup *p = &u->path[c][n];

		fprintf(f, "client%u: path %u: %s%s, idle for %u ms; up", c, n, p->v6 ? "IPv6" : "IPv4",
			p->nat ? " behind a NAT" : "", p->nat_idle_ms);
		tell_link(f, &p->link[SIM_UP]);
		fprintf(f, "; down");
		tell_link(f, &p->link[SIM_DOWN]);
		fputc('\n', f);
	}
}

void seed_tell(FILE *f, const struct sim_setup *u)
{
	fprintf(f, "%u clients, %u workers, %u paths, key agreements of %u us\n", u->clients, u->workers,
		u->paths, u->job_us);
	for (unsigned int c = 0; c < u->clients; c++)
		tell_client(f, u, c);
}
