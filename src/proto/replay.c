#include "proto/replay.h"

#include <string.h>

#include "jumpvpn/proto.h"

#define WORD_BITS 64
#define SMALL_BITS (REPLAY_SMALL * WORD_BITS)

void replay_init(struct replay *r, uint32_t window)
{
	*r = (struct replay){ .window = window, .mask = (window < SMALL_BITS ? window : SMALL_BITS) - 1 };
}

/* Small windows never have a ring. */
static bool has_ring(const struct replay *r)
{
	return r->mask >= SMALL_BITS;
}

uint64_t *replay_ring(const struct replay *r)
{
	return has_ring(r) ? r->ring : NULL;
}

static const uint64_t *words(const struct replay *r)
{
	return has_ring(r) ? r->ring : r->small;
}

static uint64_t *words_of(struct replay *r)
{
	return has_ring(r) ? r->ring : r->small;
}

static uint64_t bit_of(uint64_t counter)
{
	return UINT64_C(1) << counter % WORD_BITS;
}

bool replay_is_new(const struct replay *r, uint64_t counter)
{
	if (counter > PROTO_COUNTER_MAX)
		return false;
	if (counter >= r->highest)
		return true;
	return r->highest - counter <= r->window &&
	       !(words(r)[(counter & r->mask) / WORD_BITS] & bit_of(counter));
}

bool replay_wants(const struct replay *r, uint64_t counter)
{
	return counter > r->mask && r->mask + 1 < r->window;
}

void replay_give(struct replay *r, uint64_t *ring)
{
	memset(ring, 0, r->window / WORD_BITS * sizeof(*ring));
	memcpy(ring, r->small, sizeof(r->small));
	r->ring = ring;
	r->mask = r->window - 1;
}

/* Clears `n` bits of the ring from that of counter `from` on. */
static void clear(uint64_t *word, uint64_t mask, uint64_t from, uint64_t n)
{
	while (n > 0) {
		const uint64_t at = from & mask;
		const uint64_t rest = WORD_BITS - at % WORD_BITS;
		const uint64_t take = n < rest ? n : rest;

		word[at / WORD_BITS] &= ~(UINT64_MAX >> (WORD_BITS - take) << at % WORD_BITS);
		from += take;
		n -= take;
	}
}

bool replay_update(struct replay *r, uint64_t counter)
{
	uint64_t *word, gap;

	if (!replay_is_new(r, counter) || replay_wants(r, counter))
		return false;
	word = words_of(r);
	if (counter >= r->highest) {
		gap = counter - r->highest; /* passed over: whatever stood there is behind the window now */
		if (gap > 0)
			clear(word, r->mask, r->highest, gap <= r->mask ? gap : r->mask + UINT64_C(1));
		r->highest = counter + 1;
	}
	word[(counter & r->mask) / WORD_BITS] |= bit_of(counter);
	return true;
}
