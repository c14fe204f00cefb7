/* What a seed is before anything happens: policies, topology, the kinds of access. */
#pragma once

#include "sim/chance.h"
#include "sim/sim.h"

/* `actor`: somebody is to sit on a path of client 0, and there is another. */
void seed_setup(struct prng *rng, uint64_t seed, bool actor, struct sim_setup *u);
void seed_policy(struct prng *rng, unsigned int paths, struct policy *p);
/* In words, what is not the default. */
void seed_tell(FILE *f, const struct sim_setup *u);
