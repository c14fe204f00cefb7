/* splitmix64 with a fixed seed: the random steps of a test are the same in every run. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct prng {
	uint64_t state;
};

static inline uint64_t prng_next(struct prng *p)
{
	uint64_t z = p->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0..n-1 */
static inline uint64_t prng_below(struct prng *p, uint64_t n)
{
	return prng_next(p) % n;
}

static inline void prng_fill(struct prng *p, void *out, size_t len)
{
	uint8_t *b = out;

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)prng_next(p);
}
