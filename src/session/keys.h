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

#include "crypto/crypto.h"
#include "crypto/keycache.h"
#include "base/time.h"
#include "proto/noise.h"
#include "proto/replay.h"

struct epoch {
	bool live;
	uint32_t number;             /* its low byte is on the wire */
	uint64_t tx_counter;         /* of the next packet */
	uint64_t tx_cache, rx_cache; /* numbers in the key cache */
	uint8_t tx_key[PROTO_KEY_LEN], rx_key[PROTO_KEY_LEN];
	uint8_t tx_iv[PROTO_NONCE_LEN], rx_iv[PROTO_NONCE_LEN];
	struct replay replay;
	struct jv_time dies; /* TIME_NEVER for the current one */
};

/* Epoch n lives in epoch[n & 1]: the current one, and beside it the one before or, while a rekey is under
 * way, the next. */
struct keys {
	enum suite suite;
	bool client;
	uint32_t tx_epoch; /* what we seal with */
	struct epoch epoch[2];
	uint8_t secret[32]; /* S of the newest epoch */
	uint8_t tx_mask[PROTO_KEY_LEN], rx_mask[PROTO_KEY_LEN];
	uint64_t tx_mask_cache, rx_mask_cache;
	uint32_t window;
};

/* `bits` holds 2 * REPLAY_WORDS(window) words; cache numbers are drawn from *cache_next. */
void keys_start(struct keys *k, bool client, enum suite suite, const struct noise_split *split,
		uint32_t window, uint64_t *bits, uint64_t *cache_next);
/* Makes the epoch behind the newest; its keys can open from now on, sealing begins with keys_use_newest().
 * What still lived two epochs back is dropped from the cache. */
void keys_next(struct keys *k, const uint8_t shared[32], uint64_t *cache_next, struct keycache *cache);
uint32_t keys_newest(const struct keys *k);
/* Seals with the newest epoch; the one before opens until `grace_ends`. */
void keys_use_newest(struct keys *k, struct jv_time grace_ends);
/* The epoch before the one we seal with opens until then. */
void keys_old_dies(struct keys *k, struct jv_time grace_ends);
/* The live epoch with this low byte, or NULL. */
struct epoch *keys_find(struct keys *k, uint8_t wire_epoch, struct jv_time now);
struct epoch *keys_tx(struct keys *k);
void keys_clear(struct keys *k, struct keycache *cache);

/* Where DATA stands in the order of sealing: epoch and counter + 1; 0: none. */
static inline uint64_t data_order(uint32_t epoch, uint64_t counter_plus_1)
{
	return counter_plus_1 == 0 ? 0 : ((uint64_t)epoch << 48) + counter_plus_1;
}
