#include "sim/programme.h"

#include <string.h>

#include "sim/chance.h"

static const char *const kind_names[LINK_KINDS] = {
#define X(NAME, name) #name,
	LINK_KIND_LIST(X)
#undef X
};

static uint64_t between(struct programme *p, uint64_t least, uint64_t most)
{
	return chance_between(&p->rng, least, most);
}

static bool one_in(struct programme *p, uint64_t n)
{
	return chance_one_in(&p->rng, n);
}

static uint64_t spread(struct programme *p, uint64_t least, uint64_t most)
{
	return chance_spread(&p->rng, least, most);
}

void programme_new(struct programme *p, uint64_t seed, unsigned int paths, struct jv_time end)
{
	memset(p, 0, sizeof(*p));
	p->rng.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	p->end = end;
	p->paths = paths;
	do
		p->on = (uint32_t)between(p, 1, (1u << paths) - 1);
	while (programme_is_everywhere(p) && !one_in(p, 4));
	p->guesses = one_in(p, 2);
	p->pace_ms = one_in(p, 2) ? spread(p, 2000, 120000) : 0;
}

bool programme_is_everywhere(const struct programme *p)
{
	return p->on == (1u << p->paths) - 1;
}

void programme_tell(const struct programme *p, FILE *f)
{
	fprintf(f, "actor: on paths");
	for (unsigned int n = 0; n < p->paths; n++)
		if (p->on >> n & 1)
			fprintf(f, " %u", n);
	fprintf(f, " of client0, picks by %s, ", p->guesses ? "kind or length" : "length");
	if (p->pace_ms)
		fprintf(f, "changes its mind every %llu ms or so\n", (unsigned long long)p->pace_ms);
	else
		fprintf(f, "never changes its mind\n");
}

/* What an observer can tell apart: all, what is large, what is small, single frames by their length, anything. */
static void some_lengths(struct programme *p, struct link_rule *r)
{
	static const uint16_t known[][2] = {
		{ 0, UINT16_MAX }, { 200, UINT16_MAX }, { 92, UINT16_MAX },   { 0, 91 },
		{ 66, 66 },        { 41, 41 },          { 1201, UINT16_MAX },
	};
	const uint64_t i = prng_below(&p->rng, sizeof(known) / sizeof(known[0]) + 1);

	if (i < sizeof(known) / sizeof(known[0])) {
		r->least = known[i][0];
		r->most = known[i][1];
	} else {
		r->least = (uint16_t)between(p, 32, 1400);
		r->most = (uint16_t)between(p, r->least, 1500);
	}
}

static void some_packets(struct programme *p, struct link_rule *r)
{
	r->most = UINT16_MAX;
	if (!p->guesses || one_in(p, 4))
		some_lengths(p, r);
	else if (one_in(p, 2))
		r->kinds = 1u << LINK_KIND_DATA;
	else
		r->kinds = 1u << between(p, LINK_KIND_CONTROL, LINK_KINDS - 1);
	if (r->kinds & (1u << LINK_KIND_REKEY_OFFER | 1u << LINK_KIND_REKEY_ACCEPT))
		r->kinds = 1u << LINK_KIND_REKEY_OFFER | 1u << LINK_KIND_REKEY_ACCEPT;
}

#define ALL_PPM 1000000u

/* What has been seen to hold a session where no data passes. */
static struct link_rule known_rule(struct programme *p)
{
	static const struct link_rule known[] = {
		{ .least = 200, .most = UINT16_MAX, .drop_ppm = ALL_PPM },
		{ .least = 92, .most = UINT16_MAX, .drop_ppm = ALL_PPM },
		{ .most = UINT16_MAX, .ce = true },
		/* the rest for those who guess well */
		{ .kinds = 1u << LINK_KIND_DATA, .most = UINT16_MAX, .drop_ppm = ALL_PPM },
		{ .kinds = 1u << LINK_KIND_DATA, .most = UINT16_MAX, .delay_us = 2500000 },
		{ .kinds = 1u << LINK_KIND_PATH_RESPONSE, .most = UINT16_MAX, .drop_ppm = ALL_PPM },
		{ .kinds = 1u << LINK_KIND_REKEY_OFFER | 1u << LINK_KIND_REKEY_ACCEPT,
		  .most = UINT16_MAX,
		  .drop_ppm = ALL_PPM },
	};

	return known[prng_below(&p->rng, p->guesses ? sizeof(known) / sizeof(known[0]) : 3)];
}

static struct link_rule some_rule(struct programme *p)
{
	struct link_rule r = { 0 };

	if (one_in(p, 2))
		return known_rule(p);
	some_packets(p, &r);
	switch (between(p, 0, 7)) {
	case 0:
		r.ce = true;
		break;
	case 1:
	case 2:
		r.delay_us = (uint32_t)spread(p, 20000, 5000000);
		break;
	case 3:
		r.double_ppm = (uint32_t)between(p, 10000, 1000000);
		break;
	case 4:
		r.drop_ppm = (uint32_t)between(p, 100000, 900000);
		break;
	default:
		r.drop_ppm = ALL_PPM;
		break;
	}
	return r;
}

static void tell_rule(struct programme *p, unsigned int path, const char *ways, const struct link_rule *r)
{
	char what[300] = "any";
	size_t at = 0;

	for (unsigned int i = 0; i < LINK_KINDS; i++)
		if (r->kinds >> i & 1)
			at += (size_t)snprintf(what + at, sizeof(what) - at, "%s%s", at ? " or " : "",
					       kind_names[i]);
	sim_trace(p->sim, SIM_ENDS,
		  "actor on path %u %s: %s of %u-%u bytes: drop %u ppm, double %u ppm, delay %u us%s", path,
		  ways, what, r->least, r->most, r->drop_ppm, r->double_ppm, r->delay_us,
		  r->ce ? ", ce" : "");
}

static void acts_on(struct programme *p, unsigned int path)
{
	const uint64_t n = between(p, 1, 2), ways = one_in(p, 3) ? between(p, 1, 2) : 3;
	struct link_rule rule[2];

	for (uint64_t i = 0; i < n; i++) {
		rule[i] = some_rule(p);
		tell_rule(p, path, ways == 3 ? "both ways" : ways == 1 ? "up" : "down", &rule[i]);
	}
	for (unsigned int way = 0; way < 2; way++) {
		struct link_profile *l = sim_link(p->sim, p->client, path, way);

		l->rules = 0;
		for (uint64_t i = 0; i < n && ways >> way & 1; i++)
			l->rule[l->rules++] = rule[i];
	}
}

static void acts(struct sim *sim, void *arg)
{
	struct programme *p = arg;

	if (!time_before(sim_now(sim), p->end))
		return;
	for (unsigned int n = 0; n < p->paths; n++)
		if (p->on >> n & 1)
			acts_on(p, n);
	p->remap_ms = one_in(p, 5) ? spread(p, 50, 8000) : 0;
	if (p->remap_ms)
		sim_trace(sim, SIM_ENDS, "actor: remaps every %llu ms or so",
			  (unsigned long long)p->remap_ms);
	if (p->pace_ms)
		sim_at(sim, time_add_ms(sim_now(sim), between(p, 1, 2 * p->pace_ms)), acts, p);
}

static void remaps(struct sim *sim, void *arg)
{
	struct programme *p = arg;

	if (!time_before(sim_now(sim), p->end))
		return;
	for (unsigned int n = 0; n < p->paths && p->remap_ms; n++)
		if (p->on >> n & 1)
			sim_nat_rebind(sim, p->client, n);
	sim_at(sim, time_add_ms(sim_now(sim), p->remap_ms ? between(p, 1, 2 * p->remap_ms) : 1000), remaps,
	       p);
}

void programme_begins(struct programme *p, struct sim *sim)
{
	p->sim = sim;
	sim_at(sim, time_add_ms(sim_now(sim), spread(p, 100, 30000)), acts, p);
	sim_at(sim, sim_now(sim), remaps, p);
}
