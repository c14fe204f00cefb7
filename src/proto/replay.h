/*
 * Sliding replay window over a 48-bit counter: exactly the last W counters, W a power of two of at least 64, as a ring of W
 * bits. The bit of a counter is found by a mask, and what the window leaves behind is cleared when it moves on.
 *
 * While no counter was above 127, two words hold what any window would, and an idle session needs no more. From then on a
 * window of more than that wants its ring, of W / 64 words, which the caller gives it (replay_wants(), replay_give()).
 * Check before the AEAD opens, update after it did: a forged packet changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_SMALL 2 /* words that it has in itself */

struct replay {
	uint64_t highest; /* counter + 1, so that 0 means none was seen */
	union {
		uint64_t small[REPLAY_SMALL];
		uint64_t *ring; /* not owned */
	};
	uint32_t window;
	uint32_t mask; /* bits in use, less one; the ring's when that is window - 1 and not small's */
};

/* Words of the ring; 0: it never needs one. */
#define REPLAY_WORDS(window) ((window) > REPLAY_SMALL * 64 ? (window) / 64 : 0)

void replay_init(struct replay *r, uint32_t window);
/* Would `counter` be new? True: not seen, and not behind the window. */
bool replay_is_new(const struct replay *r, uint64_t counter);
/* It can be marked only when replay_give() has given a ring. */
bool replay_wants(const struct replay *r, uint64_t counter);
/* REPLAY_WORDS(window) words, which stay the caller's. */
void replay_give(struct replay *r, uint64_t *ring);
/* Its ring, or NULL. */
uint64_t *replay_ring(const struct replay *r);
/* Marks it. False when it was not new after all, or a ring is wanted. */
bool replay_update(struct replay *r, uint64_t counter);
