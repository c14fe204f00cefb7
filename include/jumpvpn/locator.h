/*
 * Which worker a locator belongs to. Four of its random bytes times a secret odd number, the upper half of that by
 * the number of workers: each worker has as many of the values as any other, and who does not know the secret cannot
 * tell by their locators whether two sessions, or two paths of one, are of the same worker.
 *
 * The steering program in the kernel (net/steer.c) computes the same. A client takes locators as they are.
 */
#pragma once

#include <stdint.h>

#include "jumpvpn/proto.h"

#define LOCATOR_HASHED LOCATOR_RANDOM /* the four bytes, in a locator, ... */
#define PROTO_HASHED_OFFSET (PROTO_HEADER_LEN - 8 + LOCATOR_HASHED) /* ... and in a sealed packet */
#define LOCATOR_SHIFT 16

static inline uint32_t locator_worker(const uint8_t locator[8], uint32_t key, uint32_t workers)
{
	const uint8_t *b = locator + LOCATOR_HASHED;
	const uint32_t word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

	return (word * key >> LOCATOR_SHIFT) % workers;
}

/* What times `key` is 1: each step doubles the bits that are right, and three are right to begin with. */
static inline uint32_t locator_inverse(uint32_t key)
{
	uint32_t x = key;

	for (int bits = 3; bits < 32; bits *= 2)
		x *= 2 - key * x;
	return x;
}

/* Of a locator of random bytes, makes one of this worker; just as random. worker < workers <= PROTO_WORKERS_MAX. */
static inline void locator_of_worker(uint8_t locator[8], uint32_t key, uint32_t worker, uint32_t workers)
{
	uint8_t *b = locator + LOCATOR_HASHED;
	const uint32_t random = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	const uint32_t values = ((1u << LOCATOR_SHIFT) - worker + workers - 1) / workers;
	const uint32_t upper = worker + workers * (uint32_t)((uint64_t)random * values >> 32);
	const uint32_t word = (upper << LOCATOR_SHIFT | (random & 0xffff)) * locator_inverse(key);

	b[0] = (uint8_t)(word >> 24);
	b[1] = (uint8_t)(word >> 16);
	b[2] = (uint8_t)(word >> 8);
	b[3] = (uint8_t)word;
}
