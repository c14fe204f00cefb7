/*
 * The key schedule of a session, and its live epochs.
 *
 *     S(0)     = HKDF-Extract(salt: handshake hash, ikm: Split() key c2s || Split() key s2c)
 *     S(n + 1) = HKDF-Extract(salt: HKDF-Expand(S(n), "JumpVPN/1 rekey", 32), ikm: X25519(e, e'))
 *     key      = HKDF-Expand(S(n), "JumpVPN/1 key c2s" | "... s2c", 32)
 *     iv       = HKDF-Expand(S(n), "JumpVPN/1 iv c2s"  | "... s2c", 12)
 *     mask key = HKDF-Expand(S(0), "JumpVPN/1 hp c2s"  | "... s2c", 32)
 */
#pragma once

#include "base/slab.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "crypto/keycache.h"
#include "proto/noise.h"
#include "proto/replay.h"

struct epoch {
	uint64_t tx_counter; /* of the next packet */
	uint64_t cache;      /* number in the key cache of what we seal with; the other's is the next */
	uint8_t tx_key[PROTO_KEY_LEN], rx_key[PROTO_KEY_LEN];
	uint8_t tx_iv[PROTO_NONCE_LEN], rx_iv[PROTO_NONCE_LEN];
	struct replay replay;
	struct jv_time dies; /* TIME_NEVER for the current one */
	uint32_t number;     /* its low byte is on the wire */
};
_Static_assert(sizeof(struct epoch) <= 152, "an epoch is what most of a resting session's keys are");

/* Sizes of replay rings: one for each power of two above REPLAY_SMALL words. */
#define RING_SIZES 9

/* What the keys of all sessions of an engine draw from. */
struct key_store {
	struct keycache *cache; /* of expanded keys; not owned */
	uint64_t cache_next;    /* the next key's number there */
	struct slab epochs;
	struct slab rings[RING_SIZES]; /* by size, from 4 words on */
};

/* For so many sessions: each has at most two epochs. */
void key_store_init(struct key_store *st, struct keycache *cache, size_t sessions);
void key_store_free(struct key_store *st);
size_t key_store_bytes(const struct key_store *st);

/* Epoch n is epoch[n & 1]: the current one, and beside it the one before or, while a rekey is under way, the next; or
 * NULL. */
struct keys {
	struct epoch *epoch[2];
	uint64_t mask_cache; /* number in the key cache of our mask key; the peer's is the next */
	uint32_t tx_epoch;   /* what we seal with */
	uint32_t window : 20;
	enum suite suite : 8;
	bool client : 1;
	uint8_t secret[32]; /* S of the newest epoch */
	uint8_t tx_mask[PROTO_KEY_LEN], rx_mask[PROTO_KEY_LEN];
};
_Static_assert(sizeof(struct keys) <= 128, "and an epoch or two");

/* The first epoch's place is taken, so that keys_start() cannot fail. False: no memory. */
bool keys_reserve(struct keys *k, struct key_store *st);
/* False: no memory, if nothing was reserved. */
bool keys_start(struct keys *k, struct key_store *st, bool client, enum suite suite,
		const struct noise_split *split, uint32_t window);
/* Makes the epoch behind the newest; its keys can open from now on, sealing begins with keys_use_newest(). What still
 * lived two epochs back is dropped. False: no memory, and nothing has changed. */
bool keys_next(struct keys *k, struct key_store *st, const uint8_t shared[32]);
uint32_t keys_newest(const struct keys *k);
/* Seals with the newest epoch; the one before opens until `grace_ends`. */
void keys_use_newest(struct keys *k, struct jv_time grace_ends);
/* The epoch before the one we seal with opens until then. */
void keys_old_dies(struct keys *k, struct jv_time grace_ends);
/* When that is; TIME_NEVER: there is none, or no end is set. */
struct jv_time keys_old_ends(const struct keys *k);
/* Drops it when its time is over, and answers whether it was. */
bool keys_reap(struct keys *k, struct key_store *st, struct jv_time now);
/* The live epoch with this low byte, or NULL. */
struct epoch *keys_find(struct keys *k, uint8_t wire_epoch, struct jv_time now);
/* The one with this number, or NULL. */
static inline struct epoch *keys_epoch(const struct keys *k, uint32_t number)
{
	struct epoch *e = k->epoch[number & 1];

	return e && e->number == number ? e : NULL;
}
/* What we seal with; NULL before keys_start(). */
static inline struct epoch *keys_tx(const struct keys *k)
{
	return k->epoch[k->tx_epoch & 1];
}
/* Marks what was opened: false when it was not new after all, or *no_memory. */
bool keys_mark(struct key_store *st, struct epoch *e, uint64_t counter, bool *no_memory);
void keys_clear(struct keys *k, struct key_store *st);

/* Where DATA stands in the order of sealing: epoch and counter + 1; 0: none. */
static inline uint64_t keys_order(uint32_t epoch, uint64_t counter_plus_1)
{
	return counter_plus_1 == 0 ? 0 : ((uint64_t)epoch << 48) + counter_plus_1;
}
