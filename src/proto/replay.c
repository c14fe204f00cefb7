/* The ring has one word more than the window fills, since the window seldom begins at a word's edge. */
#include "proto/replay.h"

#include <string.h>

#include "jumpvpn/proto.h"

#define WORD_BITS 64

void replay_init(struct replay *r, uint64_t *bits, uint32_t window)
{
	*r = (struct replay){ .words = REPLAY_WORDS(window), .bits = bits };
	memset(bits, 0, r->words * sizeof(*bits));
}

static uint64_t *word_of(const struct replay *r, uint64_t counter)
{
	return &r->bits[counter / WORD_BITS % r->words];
}

static uint64_t bit_of(uint64_t counter)
{
	return UINT64_C(1) << counter % WORD_BITS;
}

bool replay_is_new(const struct replay *r, uint64_t counter)
{
	uint64_t window = (uint64_t)(r->words - 1) * WORD_BITS;

	if (counter > PROTO_COUNTER_MAX)
		return false;
	if (counter >= r->highest)
		return true;
	return r->highest - counter <= window && !(*word_of(r, counter) & bit_of(counter));
}

/* Clears the words between the highest counter's and `counter`'s, its own included. */
static void advance(struct replay *r, uint64_t counter)
{
	uint64_t from = r->highest == 0 ? 0 : (r->highest - 1) / WORD_BITS;
	uint64_t n = counter / WORD_BITS - from;

	if (n > r->words)
		n = r->words;
	for (uint64_t i = 1; i <= n; i++)
		r->bits[(from + i) % r->words] = 0;
	r->highest = counter + 1;
}

bool replay_update(struct replay *r, uint64_t counter)
{
	if (!replay_is_new(r, counter))
		return false;
	if (counter >= r->highest)
		advance(r, counter);
	*word_of(r, counter) |= bit_of(counter);
	return true;
}
