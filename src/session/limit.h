/*
 * Limits that are exact or bounded: switches of a session in any sliding minute, and packets of a source.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/time.h"

#define LIMIT_WINDOW_MS 60000
#define LIMIT_NO_MEMORY_MS 1000 /* what cannot be counted is not allowed; another time it may be */

/* The times of the switches of the last minute, oldest first in a ring: exact, O(1), no timer. While there are none, there
 * is no ring; it is made by whoever asks whether one is allowed, and without memory for it none is. */
struct switch_limit {
	struct jv_time *at; /* owned, or NULL */
	uint8_t cap;        /* 1..60 */
	uint8_t head;
	uint8_t count;
	bool starved;        /* there was no memory for the ring; for the caller to count and to reset */
	struct jv_time last; /* of the latest switch; TIME_NEVER: none yet */
};

/* False without memory; a second call changes the bound and keeps the history. */
bool switch_limit_resize(struct switch_limit *l, uint32_t max);
void switch_limit_free(struct switch_limit *l);
/* Switches left now under `max` (which may be below the size, never above it). */
uint32_t switch_limit_left(struct switch_limit *l, uint32_t max, struct jv_time now);
/* Milliseconds until one more is allowed; 0: now, and there is room to record it. */
uint32_t switch_limit_wait_ms(struct switch_limit *l, uint32_t max, struct jv_time now);
/* Milliseconds of cooldown still to run; 0: none. */
uint32_t switch_limit_cooldown_ms(const struct switch_limit *l, uint32_t cooldown_ms, struct jv_time now);
/* Records a switch; the caller has asked switch_limit_left(). */
void switch_limit_take(struct switch_limit *l, struct jv_time now);

struct rate { /* so many tokens a second, and so many at once */
	uint32_t per_second, burst;
	uint32_t price; /* tokens for each of what is limited; 0: one */
};

struct bucket {
	uint32_t tokens; /* thousandths */
	uint32_t at_ms;  /* of the last refill, wraps */
};

void bucket_fill(struct bucket *b, const struct rate *r);
/* Are there tokens enough? Takes none. */
bool bucket_has(struct bucket *b, const struct rate *r, struct jv_time now);
/* Takes the price; false when there is not enough. */
bool bucket_take(struct bucket *b, const struct rate *r, struct jv_time now);

/*
 * Token buckets by source address (IPv4 /32, IPv6 /64) in a fixed array under a keyed hash: sources that fall
 * together share a bucket, memory never grows.
 */
#define SOURCE_BUCKETS 4096

struct source_limit {
	struct hash_key key;
	struct rate rate;
	struct bucket bucket[SOURCE_BUCKETS];
};

void source_limit_init(struct source_limit *l, const struct hash_key *key, uint32_t per_second,
		       uint32_t burst);
/* Takes one token of whatever the key names; false when there is none. */
bool limit_take(struct source_limit *l, const void *key, size_t len, struct jv_time now);
/* The same of a source. */
bool source_limit_take(struct source_limit *l, const struct ip *source, struct jv_time now);

/*
 * The same for the networks that a source is in, too: IPv4 /32 and /24, IPv6 /64, /56 and /48; each is allowed
 * NET_WIDER times as much as the one within. A token is taken of all of them or of none.
 */
#define NET_LEVELS 3
#define NET_WIDER 4

struct net_limit {
	struct source_limit level[NET_LEVELS];
};

void net_limit_init(struct net_limit *l, const struct hash_key *key, uint32_t per_second, uint32_t burst);
bool net_limit_take(struct net_limit *l, const struct ip *source, struct jv_time now);
