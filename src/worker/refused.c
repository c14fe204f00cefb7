#include "worker/refused.h"

#include <string.h>

static unsigned int bucket_of(int fd, const struct endpoint *to)
{
	uint32_t word[4], sum = to->port ^ (uint32_t)fd << 16;

	memcpy(word, to->ip.b, sizeof(word));
	for (size_t i = 0; i < 4; i++)
		sum = (sum ^ word[i]) * 0x9e3779b1u;
	return sum >> 24 & (REFUSED_BUCKETS - 1);
}

bool refused_add(struct refused *r, int fd, const struct endpoint *to, struct jv_time now)
{
	const unsigned int i = bucket_of(fd, to);
	const bool first = r->used == 0;

	r->used += r->bucket[i].to.port == 0;
	r->bucket[i].fd = fd;
	r->bucket[i].to = *to;
	r->bucket[i].until = time_add_ms(now, REFUSED_MS);
	return first;
}

bool refused_has(const struct refused *r, int fd, const struct endpoint *to, struct jv_time now)
{
	unsigned int i;

	if (r->used == 0)
		return false;
	i = bucket_of(fd, to);
	return r->bucket[i].fd == fd && endpoint_equal(&r->bucket[i].to, to) &&
	       time_before(now, r->bucket[i].until);
}
