#include "session/keys.h"

#include <string.h>

#include "base/log.h"

void key_store_init(struct key_store *st, struct keycache *cache, size_t sessions)
{
	*st = (struct key_store){ .cache = cache, .cache_next = 1 }; /* 0 is no key's number */
	slab_init(&st->epochs, sizeof(struct epoch), 2 * sessions);
	for (unsigned int i = 0; i < RING_SIZES; i++)
		slab_init(&st->rings[i], (2 * REPLAY_SMALL * sizeof(uint64_t)) << i, 2 * sessions);
}

void key_store_free(struct key_store *st)
{
	slab_free(&st->epochs);
	for (unsigned int i = 0; i < RING_SIZES; i++)
		slab_free(&st->rings[i]);
}

size_t key_store_bytes(const struct key_store *st)
{
	size_t bytes = slab_bytes(&st->epochs);

	for (unsigned int i = 0; i < RING_SIZES; i++)
		bytes += slab_bytes(&st->rings[i]);
	return bytes;
}

static struct slab *rings_for(struct key_store *st, uint32_t window)
{
	return &st->rings[__builtin_ctz(REPLAY_WORDS(window)) - __builtin_ctz(2 * REPLAY_SMALL)];
}

static void derive_epoch(struct keys *k, struct key_store *st, struct epoch *e, uint32_t number)
{
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
	e->cache = st->cache_next;
	st->cache_next += 2;
	e->dies = TIME_NEVER;
	replay_init(&e->replay, k->window);
	k->epoch[number & 1] = e;
}

/* Both directions' keys are not used again. */
static void forget(struct key_store *st, uint64_t number)
{
	keycache_drop(st->cache, number);
	keycache_drop(st->cache, number + 1);
}

/* Its keys are wiped with it. */
static void epoch_drop(struct keys *k, struct key_store *st, unsigned int i)
{
	struct epoch *e = k->epoch[i];

	if (!e)
		return;
	if (e->cache) /* it has keys */
		forget(st, e->cache);
	if (replay_ring(&e->replay))
		slab_put(rings_for(st, e->replay.window), replay_ring(&e->replay));
	slab_put(&st->epochs, e);
	k->epoch[i] = NULL;
}

bool keys_reserve(struct keys *k, struct key_store *st)
{
	if (!k->epoch[0])
		k->epoch[0] = slab_get(&st->epochs);
	return k->epoch[0];
}

bool keys_start(struct keys *k, struct key_store *st, bool client, enum suite suite,
		const struct noise_split *split, uint32_t window)
{
	uint8_t ikm[64];

	if (!keys_reserve(k, st))
		return false;
	k->suite = suite;
	k->client = client;
	k->window = window;

	memcpy(ikm, split->i2r, 32);
	memcpy(ikm + 32, split->r2i, 32);
	hkdf_extract(k->secret, split->h, 32, ikm, sizeof(ikm));
	crypto_wipe(ikm, sizeof(ikm));

	hkdf_expand(client ? k->tx_mask : k->rx_mask, PROTO_KEY_LEN, k->secret, "JumpVPN/1 hp c2s");
	hkdf_expand(client ? k->rx_mask : k->tx_mask, PROTO_KEY_LEN, k->secret, "JumpVPN/1 hp s2c");
	k->mask_cache = st->cache_next;
	st->cache_next += 2;
	derive_epoch(k, st, k->epoch[0], 0);
	return true;
}

uint32_t keys_newest(const struct keys *k)
{
	return keys_epoch(k, k->tx_epoch + 1) ? k->tx_epoch + 1 : k->tx_epoch;
}

bool keys_next(struct keys *k, struct key_store *st, const uint8_t shared[32])
{
	const uint32_t number = keys_newest(k) + 1;
	struct epoch *e;
	uint8_t salt[32];

	if (number != k->tx_epoch + 1) /* it would take the place of the epoch we seal with */
		bug("epoch %u while epoch %u is not in use yet", number, number - 1);
	epoch_drop(k, st, number & 1);
	e = slab_get(&st->epochs);
	if (!e)
		return false;
	hkdf_expand(salt, sizeof(salt), k->secret, "JumpVPN/1 rekey");
	hkdf_extract(k->secret, salt, sizeof(salt), shared, 32);
	crypto_wipe(salt, sizeof(salt));
	derive_epoch(k, st, e, number);
	return true;
}

void keys_use_newest(struct keys *k, struct jv_time grace_ends)
{
	const uint32_t newest = keys_newest(k);

	if (newest == k->tx_epoch)
		return;
	keys_tx(k)->dies = grace_ends;
	k->tx_epoch = newest;
}

static struct epoch *old_of(const struct keys *k)
{
	return k->tx_epoch > 0 ? keys_epoch(k, k->tx_epoch - 1) : NULL;
}

void keys_old_dies(struct keys *k, struct jv_time grace_ends)
{
	struct epoch *old = old_of(k);

	if (old)
		old->dies = grace_ends;
}

struct jv_time keys_old_ends(const struct keys *k)
{
	const struct epoch *old = old_of(k);

	return old ? old->dies : TIME_NEVER;
}

bool keys_reap(struct keys *k, struct key_store *st, struct jv_time now)
{
	const struct jv_time ends = keys_old_ends(k);

	if (time_before(now, ends))
		return false;
	epoch_drop(k, st, (k->tx_epoch + 1) & 1);
	return true;
}

struct epoch *keys_find(struct keys *k, uint8_t wire_epoch, struct jv_time now)
{
	struct epoch *e = k->epoch[wire_epoch & 1];

	if (!e || (e->number & PROTO_EPOCH_MASK) != wire_epoch || !time_before(now, e->dies))
		return NULL;
	return e;
}

bool keys_mark(struct key_store *st, struct epoch *e, uint64_t counter, bool *no_memory)
{
	uint64_t *ring;

	*no_memory = false;
	if (__builtin_expect(replay_wants(&e->replay, counter), 0)) {
		ring = slab_get(rings_for(st, e->replay.window));
		*no_memory = !ring;
		if (!ring)
			return false;
		replay_give(&e->replay, ring);
	}
	return replay_update(&e->replay, counter);
}

void keys_clear(struct keys *k, struct key_store *st)
{
	epoch_drop(k, st, 0);
	epoch_drop(k, st, 1);
	if (k->mask_cache)
		forget(st, k->mask_cache);
	crypto_wipe(k, sizeof(*k));
}
