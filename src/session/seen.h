/*
 * What was seen lately: fingerprints under a keyed hash, in two tables of a cookie's period each. Memory is fixed. In a
 * full place the new one takes the room of another, which is then forgotten too soon; and one thing in 2^50 or so is
 * taken for another that was seen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/time.h"

#define SEEN_SLOTS 16384

struct seen {
	struct hash_key key;
	uint64_t period; /* that table[now] is of */
	unsigned int now;
	uint64_t table[2][SEEN_SLOTS]; /* 0: empty */
};

void seen_init(struct seen *s, const struct hash_key *key);
uint64_t seen_print(const struct seen *s, const void *what, size_t len);
/* Remembered for PROTO_COOKIE_SECRET_MS to twice that. */
void seen_add(struct seen *s, uint64_t print, struct jv_time now);
bool seen_has(struct seen *s, uint64_t print, struct jv_time now);
