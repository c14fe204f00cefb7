#include "load/stat.h"

#include <string.h>

/* Eight buckets to each power of two. */
static unsigned int bucket_of(uint64_t us)
{
	unsigned int log;

	if (us < 8)
		return (unsigned int)us;
	log = 63 - (unsigned int)__builtin_clzll(us);
	log = (log - 2) * 8 + (unsigned int)(us >> (log - 3) & 7);
	return log < TIMES_BUCKETS ? log : TIMES_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned int bucket)
{
	if (bucket < 8)
		return bucket;
	return ((uint64_t)(bucket % 8 + 9) << (bucket / 8 - 1)) - 1;
}

void times_add(struct times *t, uint64_t us)
{
	t->bucket[bucket_of(us)]++;
	t->n++;
	if (us > t->most)
		t->most = us;
}

uint64_t times_at(const struct times *t, double share)
{
	uint64_t below = 0;

	for (unsigned int i = 0; i < TIMES_BUCKETS; i++) {
		below += t->bucket[i];
		if (below > 0 && (double)below >= share * (double)t->n)
			return bucket_end(i) < t->most ? bucket_end(i) : t->most;
	}
	return t->most;
}

void curve_begin(struct curve *c)
{
	*c = (struct curve){ .step_us = 10000 };
}

void curve_add(struct curve *c, uint64_t since_us, uint32_t value)
{
	while (since_us / c->step_us >= CURVE_POINTS) {
		for (uint32_t i = 0; 2 * i < c->n; i++)
			c->value[i] = c->value[2 * i];
		c->n = (c->n + 1) / 2;
		c->step_us *= 2;
	}
	while (c->n <= since_us / c->step_us)
		c->value[c->n++] = value;
}
