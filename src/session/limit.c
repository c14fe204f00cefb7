#include "session/limit.h"

#include <stdlib.h>
#include <string.h>

bool switch_limit_resize(struct switch_limit *l, uint32_t max)
{
	struct jv_time *at;

	if (l->at && max <= l->cap)
		return true;
	at = calloc(max, sizeof(*at));
	if (!at)
		return false;
	for (unsigned int i = 0; i < l->count; i++)
		at[i] = l->at[(l->head + i) % l->cap];
	if (!l->at)
		l->last = TIME_NEVER;
	free(l->at);
	l->at = at;
	l->cap = (uint8_t)max;
	l->head = 0;
	return true;
}

void switch_limit_free(struct switch_limit *l)
{
	free(l->at);
	l->at = NULL;
}

/* A slot comes back when strictly more than the window has passed, so that no closed window holds
 * too many. */
static void give_back(struct switch_limit *l, struct jv_time now)
{
	while (l->count > 0 && time_diff_us(now, l->at[l->head]) > (int64_t)LIMIT_WINDOW_MS * 1000) {
		l->head = (uint8_t)((l->head + 1) % l->cap);
		l->count--;
	}
}

uint32_t switch_limit_left(struct switch_limit *l, uint32_t max, struct jv_time now)
{
	give_back(l, now);
	if (max > l->cap)
		max = l->cap;
	return l->count < max ? max - l->count : 0;
}

uint32_t switch_limit_wait_ms(struct switch_limit *l, uint32_t max, struct jv_time now)
{
	struct jv_time frees;

	if (switch_limit_left(l, max, now) > 0)
		return 0;
	if (max == 0)
		return LIMIT_WINDOW_MS;
	/* With the bound lowered below the count, the one to wait for is not the oldest. */
	frees = time_add_ms(l->at[(l->head + l->count - max) % l->cap], LIMIT_WINDOW_MS + 1);
	return (uint32_t)time_since_ms(frees, now) + 1;
}

uint32_t switch_limit_cooldown_ms(const struct switch_limit *l, uint32_t cooldown_ms, struct jv_time now)
{
	struct jv_time over;

	if (time_is_never(l->last))
		return 0;
	over = time_add_ms(l->last, cooldown_ms);
	return time_before(now, over) ? (uint32_t)time_since_ms(over, now) + 1 : 0;
}

void switch_limit_count(struct switch_limit *l, struct jv_time now)
{
	if (l->count == l->cap) { /* only after a lowered bound: forget the oldest */
		l->head = (uint8_t)((l->head + 1) % l->cap);
		l->count--;
	}
	l->at[(l->head + l->count) % l->cap] = now;
	l->count++;
}

void switch_limit_take(struct switch_limit *l, struct jv_time now)
{
	switch_limit_count(l, now);
	l->last = now;
}

void source_limit_init(struct source_limit *l, const struct hash_key *key, uint32_t per_second,
		       uint32_t burst)
{
	l->key = *key;
	l->per_second = per_second;
	l->burst = burst;
	for (unsigned int i = 0; i < SOURCE_BUCKETS; i++) {
		l->bucket[i].tokens = burst * 1000;
		l->bucket[i].at_ms = 0;
	}
}

bool source_limit_take(struct source_limit *l, const struct ip *source, struct jv_time now)
{
	const struct ip net = ip_is_v4(source) ? *source : ip_masked(source, 64);
	const uint64_t i = hash_bytes(&l->key, net.b, sizeof(net.b)) % SOURCE_BUCKETS;
	const uint32_t now_ms = (uint32_t)(now.us / 1000);
	const uint64_t grown = l->bucket[i].tokens + (uint64_t)(now_ms - l->bucket[i].at_ms) * l->per_second;
	const uint64_t full = (uint64_t)l->burst * 1000;

	l->bucket[i].tokens = (uint32_t)(grown < full ? grown : full);
	l->bucket[i].at_ms = now_ms;
	if (l->bucket[i].tokens < 1000)
		return false;
	l->bucket[i].tokens -= 1000;
	return true;
}
