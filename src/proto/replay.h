/*
 * Sliding replay window over a 48-bit counter (RFC 6479): a ring of 64-bit words, so the window moves
 * by clearing words, never by shifting.
 *
 * The window holds W packets, a power of two of at least 64; the caller gives W / 64 + 1 words.
 * Check before the AEAD opens, update after it did: a forged packet changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay {
	uint64_t highest; /* counter + 1, so that 0 means none was seen */
	uint32_t words;   /* in bits[] */
	uint64_t *bits;   /* not owned */
};

#define REPLAY_WORDS(window) ((window) / 64 + 1)

void replay_init(struct replay *r, uint64_t *bits, uint32_t window);
/* Would `counter` be new? True: not seen, and not behind the window. */
bool replay_is_new(const struct replay *r, uint64_t counter);
/* Marks it. False when it was not new after all. */
bool replay_update(struct replay *r, uint64_t counter);
