/* What a seed decides by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "unit/prng.h"

static inline uint64_t chance_between(struct prng *rng, uint64_t least, uint64_t most)
{
	return least + prng_below(rng, most - least + 1);
}

static inline bool chance_one_in(struct prng *rng, uint64_t n)
{
	return prng_below(rng, n) == 0;
}

/* Mostly short, now and then long: each doubling is as likely as the others. */
static inline uint64_t chance_spread(struct prng *rng, uint64_t least, uint64_t most)
{
	uint64_t doublings = 0, top;

	while (least << doublings < most)
		doublings++;
	top = least << prng_below(rng, doublings + 1);
	return chance_between(rng, least, top < most ? top : most);
}
