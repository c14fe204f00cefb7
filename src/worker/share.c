#include "worker/share.h"

#include <string.h>

static uint32_t bucket_of(const struct endpoint *to)
{
	uint32_t word[4], sum = to->port;

	memcpy(word, to->ip.b, sizeof(word));
	for (size_t i = 0; i < 4; i++)
		sum = (sum ^ word[i]) * 0x9e3779b1u;
	return sum >> 24 & (SHARE_BUCKETS - 1);
}

static void forget_half(struct share *s)
{
	s->total = 0;
	s->active = 0;
	for (size_t i = 0; i < SHARE_BUCKETS; i++) {
		s->offered[i] /= 2;
		s->total += s->offered[i];
		s->active += s->offered[i] > 0;
	}
}

void share_offer(struct share *s, const struct endpoint *to, uint32_t bytes)
{
	uint32_t *mine = &s->offered[bucket_of(to)];

	s->active += *mine == 0 && bytes > 0;
	*mine += bytes;
	s->total += bytes;
	if (s->total > SHARE_WINDOW)
		forget_half(s);
}

bool share_exceeded(const struct share *s, const struct endpoint *to)
{
	return (uint64_t)s->offered[bucket_of(to)] * (s->active + 1) > s->total;
}
