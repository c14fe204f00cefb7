#include "session/keys.h"

#include <string.h>

#include "base/log.h"

static void derive_epoch(struct keys *k, uint32_t number, uint64_t *cache_next)
{
	struct epoch *e = &k->epoch[number & 1];
	uint8_t *c2s_key = k->client ? e->tx_key : e->rx_key;
	uint8_t *s2c_key = k->client ? e->rx_key : e->tx_key;
	uint8_t *c2s_iv = k->client ? e->tx_iv : e->rx_iv;
	uint8_t *s2c_iv = k->client ? e->rx_iv : e->tx_iv;

	hkdf_expand(c2s_key, PROTO_KEY_LEN, k->secret, "JumpVPN/1 key c2s");
	hkdf_expand(s2c_key, PROTO_KEY_LEN, k->secret, "JumpVPN/1 key s2c");
	hkdf_expand(c2s_iv, PROTO_NONCE_LEN, k->secret, "JumpVPN/1 iv c2s");
	hkdf_expand(s2c_iv, PROTO_NONCE_LEN, k->secret, "JumpVPN/1 iv s2c");
	e->number = number;
	e->tx_counter = 0;
	e->tx_cache = (*cache_next)++;
	e->rx_cache = (*cache_next)++;
	e->dies = TIME_NEVER;
	e->live = true;
	replay_init(&e->replay, e->replay.bits, k->window);
}

static void epoch_drop(struct epoch *e, struct keycache *cache)
{
	if (!e->live)
		return;
	keycache_drop(cache, e->tx_cache);
	keycache_drop(cache, e->rx_cache);
	crypto_wipe(e->tx_key, sizeof(e->tx_key));
	crypto_wipe(e->rx_key, sizeof(e->rx_key));
	e->live = false;
}

void keys_start(struct keys *k, bool client, enum suite suite, const struct noise_split *split,
		uint32_t window, uint64_t *bits, uint64_t *cache_next)
{
	uint8_t ikm[64];

	memset(k, 0, sizeof(*k));
	k->suite = suite;
	k->client = client;
	k->window = window;
	k->epoch[0].replay.bits = bits;
	k->epoch[1].replay.bits = bits + REPLAY_WORDS(window);

	memcpy(ikm, split->i2r, 32);
	memcpy(ikm + 32, split->r2i, 32);
	hkdf_extract(k->secret, split->h, 32, ikm, sizeof(ikm));
	crypto_wipe(ikm, sizeof(ikm));

	hkdf_expand(client ? k->tx_mask : k->rx_mask, PROTO_KEY_LEN, k->secret, "JumpVPN/1 hp c2s");
	hkdf_expand(client ? k->rx_mask : k->tx_mask, PROTO_KEY_LEN, k->secret, "JumpVPN/1 hp s2c");
	k->tx_mask_cache = (*cache_next)++;
	k->rx_mask_cache = (*cache_next)++;
	derive_epoch(k, 0, cache_next);
}

uint32_t keys_newest(const struct keys *k)
{
	const struct epoch *beside = &k->epoch[(k->tx_epoch + 1) & 1];

	return beside->live && beside->number == k->tx_epoch + 1 ? beside->number : k->tx_epoch;
}

void keys_next(struct keys *k, const uint8_t shared[32], uint64_t *cache_next, struct keycache *cache)
{
	const uint32_t number = keys_newest(k) + 1;
	uint8_t salt[32];

	if (number != k->tx_epoch + 1) /* it would take the place of the epoch we seal with */
		bug("epoch %u while epoch %u is not in use yet", number, number - 1);
	epoch_drop(&k->epoch[number & 1], cache);
	hkdf_expand(salt, sizeof(salt), k->secret, "JumpVPN/1 rekey");
	hkdf_extract(k->secret, salt, sizeof(salt), shared, 32);
	crypto_wipe(salt, sizeof(salt));
	derive_epoch(k, number, cache_next);
}

void keys_use_newest(struct keys *k, struct jv_time grace_ends)
{
	const uint32_t newest = keys_newest(k);

	if (newest == k->tx_epoch)
		return;
	k->epoch[k->tx_epoch & 1].dies = grace_ends;
	k->tx_epoch = newest;
}

void keys_old_dies(struct keys *k, struct jv_time grace_ends)
{
	struct epoch *old = &k->epoch[(k->tx_epoch + 1) & 1];

	if (old->live && old->number + 1 == k->tx_epoch)
		old->dies = grace_ends;
}

struct epoch *keys_find(struct keys *k, uint8_t wire_epoch, struct jv_time now)
{
	struct epoch *e = &k->epoch[wire_epoch & 1];

	if (!e->live || (e->number & PROTO_EPOCH_MASK) != wire_epoch || !time_before(now, e->dies))
		return NULL;
	return e;
}

struct epoch *keys_tx(struct keys *k)
{
	return &k->epoch[k->tx_epoch & 1];
}

void keys_clear(struct keys *k, struct keycache *cache)
{
	if (!k->epoch[0].live && !k->epoch[1].live)
		return; /* a session that never had keys */
	epoch_drop(&k->epoch[0], cache);
	epoch_drop(&k->epoch[1], cache);
	keycache_drop(cache, k->tx_mask_cache);
	keycache_drop(cache, k->rx_mask_cache);
	crypto_wipe(k, sizeof(*k));
}
