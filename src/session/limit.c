#include "session/limit.h"

#include <stdlib.h>

bool switch_limit_resize(struct switch_limit *l, uint32_t max)
{
	struct jv_time *at;

	if (l->cap == 0)
		l->last = TIME_NEVER;
	if (max <= l->cap)
		return true;
	if (!l->at) { /* nothing to keep, and perhaps nothing to come */
		l->cap = (uint8_t)max;
		return true;
	}
	at = calloc(max, sizeof(*at));
	if (!at)
		return false;
	for (unsigned int i = 0; i < l->count; i++)
		at[i] = l->at[(l->head + i) % l->cap];
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

static bool has_ring(struct switch_limit *l)
{
	if (!l->at)
		l->at = calloc(l->cap, sizeof(*l->at));
	l->starved |= !l->at;
	return l->at != NULL;
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
		return has_ring(l) ? 0 : LIMIT_NO_MEMORY_MS;
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

static void take_slot(struct switch_limit *l, struct jv_time now)
{
	if (!has_ring(l))
		return;
	if (l->count == l->cap) { /* only after a lowered bound: forget the oldest */
		l->head = (uint8_t)((l->head + 1) % l->cap);
		l->count--;
	}
	l->at[(l->head + l->count) % l->cap] = now;
	l->count++;
}

void switch_limit_take(struct switch_limit *l, struct jv_time now)
{
	take_slot(l, now);
	l->last = now;
}

void bucket_fill(struct bucket *b, const struct rate *r)
{
	b->tokens = r->burst * 1000;
	b->at_ms = 0;
}

static uint32_t price_of(const struct rate *r)
{
	return 1000 * (r->price ? r->price : 1);
}

bool bucket_has(struct bucket *b, const struct rate *r, struct jv_time now)
{
	const uint32_t now_ms = (uint32_t)(now.us / 1000);
	const uint64_t grown = b->tokens + (uint64_t)(now_ms - b->at_ms) * r->per_second;
	const uint64_t full = (uint64_t)r->burst * 1000;

	b->tokens = (uint32_t)(grown < full ? grown : full);
	b->at_ms = now_ms;
	return b->tokens >= price_of(r);
}

bool bucket_take(struct bucket *b, const struct rate *r, struct jv_time now)
{
	if (!bucket_has(b, r, now))
		return false;
	b->tokens -= price_of(r);
	return true;
}

void source_limit_init(struct source_limit *l, const struct hash_key *key, uint32_t per_second,
		       uint32_t burst)
{
	l->key = *key;
	l->rate = (struct rate){ .per_second = per_second, .burst = burst };
	for (unsigned int i = 0; i < SOURCE_BUCKETS; i++)
		bucket_fill(&l->bucket[i], &l->rate);
}

static struct bucket *bucket_of(struct source_limit *l, const struct ip *source, uint8_t bits)
{
	const struct ip net = ip_masked(source, bits);

	return &l->bucket[hash_bytes(&l->key, net.b, sizeof(net.b)) % SOURCE_BUCKETS];
}

bool source_limit_take(struct source_limit *l, const struct ip *source, struct jv_time now)
{
	return bucket_take(bucket_of(l, source, ip_is_v4(source) ? 128 : 64), &l->rate, now);
}

bool limit_take(struct source_limit *l, const void *key, size_t len, struct jv_time now)
{
	return bucket_take(&l->bucket[hash_bytes(&l->key, key, len) % SOURCE_BUCKETS], &l->rate, now);
}

void net_limit_init(struct net_limit *l, const struct hash_key *key, uint32_t per_second, uint32_t burst)
{
	for (unsigned int i = 0; i < NET_LEVELS; i++) {
		source_limit_init(&l->level[i], key, per_second, burst);
		per_second *= NET_WIDER;
		burst *= NET_WIDER;
	}
}

bool net_limit_take(struct net_limit *l, const struct ip *source, struct jv_time now)
{
	static const uint8_t v4[] = { 128, 120 }, v6[NET_LEVELS] = { 64, 56, 48 };
	const uint8_t *bits = ip_is_v4(source) ? v4 : v6;
	const unsigned int levels = ip_is_v4(source) ? sizeof(v4) : sizeof(v6);
	struct bucket *b[NET_LEVELS];

	for (unsigned int i = 0; i < levels; i++) {
		b[i] = bucket_of(&l->level[i], source, bits[i]);
		if (!bucket_has(b[i], &l->level[i].rate, now))
			return false;
	}
	for (unsigned int i = 0; i < levels; i++)
		bucket_take(b[i], &l->level[i].rate, now);
	return true;
}
