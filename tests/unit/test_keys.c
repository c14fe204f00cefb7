/* The key schedule: both ends alike, epoch by epoch, and never the same cache number twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "prng.h"
#include "session/keys.h"

#define WINDOW 64

struct end {
	struct keys k;
	struct key_store store;
	struct keycache *cache;
};

struct pair {
	struct end client, server;
};

static const struct jv_time now = { 1000 };

static void end_start(struct end *e, bool client, const struct noise_split *split)
{
	memset(e, 0, sizeof(*e));
	e->cache = keycache_new(16);
	assert_non_null(e->cache);
	key_store_init(&e->store, e->cache, 1);
	assert_true(keys_start(&e->k, &e->store, client, SUITE_CHACHA20_POLY1305, split, WINDOW));
}

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct noise_split split;
	struct prng rng = { 3 };

	if (!p || crypto_init())
		return -1;
	prng_fill(&rng, &split, sizeof(split));
	end_start(&p->client, true, &split);
	end_start(&p->server, false, &split);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	keys_clear(&p->client.k, &p->client.store);
	keys_clear(&p->server.k, &p->server.store);
	assert_int_equal(p->client.store.epochs.used + p->server.store.epochs.used, 0);
	key_store_free(&p->client.store);
	key_store_free(&p->server.store);
	keycache_free(p->client.cache);
	keycache_free(p->server.cache);
	free(p);
	return 0;
}

static void assert_mirrored(struct pair *p, uint32_t number)
{
	const struct epoch *c = keys_find(&p->client.k, number & PROTO_EPOCH_MASK, now);
	const struct epoch *s = keys_find(&p->server.k, number & PROTO_EPOCH_MASK, now);

	assert_non_null(c);
	assert_non_null(s);
	assert_int_equal(c->number, number);
	assert_int_equal(s->number, number);
	assert_memory_equal(c->tx_key, s->rx_key, 32);
	assert_memory_equal(c->rx_key, s->tx_key, 32);
	assert_memory_equal(c->tx_iv, s->rx_iv, 12);
	assert_memory_equal(c->rx_iv, s->tx_iv, 12);
	assert_memory_not_equal(c->tx_key, c->rx_key, 32);
	assert_memory_not_equal(c->tx_iv, c->rx_iv, 12);
}

static void next_epoch(struct end *e, uint8_t fill)
{
	uint8_t shared[32];

	memset(shared, fill, sizeof(shared));
	assert_true(keys_next(&e->k, &e->store, shared));
}

/* Written out with the functions of RFC 5869, as keys.h says. */
static void test_schedule(void **state)
{
	struct pair *p = *state;
	uint8_t s[32], salt[32], want[32], shared[32];
	struct noise_split split;
	struct prng rng = { 3 };
	uint8_t ikm[64];

	prng_fill(&rng, &split, sizeof(split));
	memcpy(ikm, split.i2r, 32);
	memcpy(ikm + 32, split.r2i, 32);
	hkdf_extract(s, split.h, 32, ikm, 64);
	hkdf_expand(want, 32, s, "JumpVPN/1 key c2s");
	assert_memory_equal(keys_tx(&p->client.k)->tx_key, want, 32);
	hkdf_expand(want, 32, s, "JumpVPN/1 hp s2c");
	assert_memory_equal(p->client.k.rx_mask, want, 32);

	next_epoch(&p->client, 9);
	memset(shared, 9, sizeof(shared));
	hkdf_expand(salt, 32, s, "JumpVPN/1 rekey");
	hkdf_extract(s, salt, 32, shared, 32);
	hkdf_expand(want, 12, s, "JumpVPN/1 iv s2c");
	assert_memory_equal(keys_find(&p->client.k, 1, now)->rx_iv, want, 12);
}

static void test_mirrored(void **state)
{
	struct pair *p = *state;
	uint8_t before[32];

	assert_mirrored(p, 0);
	assert_memory_equal(p->client.k.tx_mask, p->server.k.rx_mask, 32);
	assert_memory_equal(p->client.k.rx_mask, p->server.k.tx_mask, 32);
	assert_memory_not_equal(p->client.k.tx_mask, p->client.k.rx_mask, 32);
	for (uint32_t n = 1; n < 600; n++) { /* past where the byte on the wire wraps */
		memcpy(before, keys_tx(&p->client.k)->tx_key, 32);
		next_epoch(&p->client, (uint8_t)n);
		next_epoch(&p->server, (uint8_t)n);
		assert_mirrored(p, n);
		assert_int_equal(p->client.k.tx_epoch, n - 1); /* sealing waits */
		assert_memory_equal(keys_tx(&p->client.k)->tx_key, before, 32);
		keys_use_newest(&p->client.k, TIME_NEVER);
		keys_use_newest(&p->server.k, TIME_NEVER);
		assert_int_equal(p->client.k.tx_epoch, n);
		assert_int_equal(keys_newest(&p->client.k), n);
		assert_memory_not_equal(keys_tx(&p->client.k)->tx_key, before, 32);
		assert_int_equal(keys_tx(&p->client.k)->tx_counter, 0);
	}
}

/* Another secret in one step makes every later epoch another. */
static void test_chained(void **state)
{
	struct pair *p = *state;

	next_epoch(&p->client, 1);
	next_epoch(&p->server, 2);
	keys_use_newest(&p->client.k, TIME_NEVER);
	keys_use_newest(&p->server.k, TIME_NEVER);
	next_epoch(&p->client, 3);
	next_epoch(&p->server, 3);
	assert_memory_not_equal(keys_find(&p->client.k, 2, now)->tx_key,
				keys_find(&p->server.k, 2, now)->rx_key, 32);
}

static void test_grace(void **state)
{
	struct keys *k = &((struct pair *)*state)->client.k;

	next_epoch(&((struct pair *)*state)->client, 1);
	assert_non_null(keys_find(k, 0, now));
	assert_non_null(keys_find(k, 1, now));
	keys_use_newest(k, (struct jv_time){ 5000 });
	keys_use_newest(k, (struct jv_time){ 9000 }); /* nothing newer: changes nothing */
	assert_non_null(keys_find(k, 0, (struct jv_time){ 4999 }));
	assert_null(keys_find(k, 0, (struct jv_time){ 5000 }));
	assert_non_null(keys_find(k, 1, (struct jv_time){ INT64_MAX - 1 }));
}

static void test_wire_bytes(void **state)
{
	struct keys *k = &((struct pair *)*state)->client.k;

	for (unsigned int b = 1; b < 256; b++)
		assert_null(keys_find(k, (uint8_t)b, now));
	for (unsigned int n = 1; n <= 258; n++) {
		next_epoch(&((struct pair *)*state)->client, (uint8_t)n);
		keys_use_newest(k, TIME_NEVER);
	}
	for (unsigned int b = 0; b < 256; b++) {
		const struct epoch *e = keys_find(k, (uint8_t)b, now);

		assert_true((e != NULL) == (b == 1 || b == 2));
		assert_true(!e || e->number == 256 + b);
	}
}

static void test_cache_numbers(void **state)
{
	struct end *e = &((struct pair *)*state)->client;
	uint64_t highest = e->k.mask_cache + 1;

	assert_true(e->k.mask_cache > 0 && e->k.epoch[0]->cache > highest);
	highest = e->k.epoch[0]->cache + 1;
	for (unsigned int n = 1; n < 100; n++) {
		const struct epoch *ep;

		next_epoch(e, (uint8_t)n);
		ep = keys_find(&e->k, (uint8_t)n, now);
		assert_true(ep->cache > highest);
		highest = ep->cache + 1;
		assert_true(highest < e->store.cache_next);
		keys_use_newest(&e->k, TIME_NEVER);
	}
}

/* Fresh windows for fresh epochs: a counter of the old one is new again, and the old window stays as it is. */
static void test_replay_windows(void **state)
{
	struct end *e = &((struct pair *)*state)->client;

	assert_true(replay_update(&keys_find(&e->k, 0, now)->replay, 5));
	next_epoch(e, 1);
	assert_true(replay_is_new(&keys_find(&e->k, 1, now)->replay, 5));
	assert_true(replay_update(&keys_find(&e->k, 1, now)->replay, 5));
	assert_false(replay_is_new(&keys_find(&e->k, 0, now)->replay, 5));
	assert_true(replay_is_new(&keys_find(&e->k, 0, now)->replay, 6));
	keys_use_newest(&e->k, TIME_NEVER);
	next_epoch(e, 2);
	assert_true(replay_is_new(&keys_find(&e->k, 2, now)->replay, 5));
	assert_false(replay_is_new(&keys_find(&e->k, 1, now)->replay, 5));
}

/* A second epoch before the first is used would drop the one that seals. */
static void next_again(void *arg)
{
	next_epoch(arg, 2);
}

static void test_next_twice(void **state)
{
	struct end *e = &((struct pair *)*state)->client;

	next_epoch(e, 1);
	assert_true(aborts(next_again, e));
}

static void test_clear(void **state)
{
	struct end e;
	static const struct keys zero;
	struct noise_split split;

	memset(&split, 1, sizeof(split));
	end_start(&e, true, &split);
	next_epoch(&e, 1);
	keys_clear(&e.k, &e.store);
	assert_memory_equal(&e.k, &zero, sizeof(zero));
	assert_null(keys_find(&e.k, 0, now));
	assert_int_equal(e.store.epochs.used, 0);
	key_store_free(&e.store);
	keycache_free(e.cache);
}

/* The one before lives for its grace, and no longer. */
static void test_reaped(void **state)
{
	struct end *e = &((struct pair *)*state)->client;

	assert_int_equal(e->store.epochs.used, 1);
	next_epoch(e, 1);
	assert_int_equal(e->store.epochs.used, 2);
	assert_false(keys_reap(&e->k, &e->store, (struct jv_time){ 6000 })); /* the next is not the old one */
	keys_use_newest(&e->k, TIME_NEVER);
	assert_true(time_is_never(keys_old_ends(&e->k)));
	assert_false(keys_reap(&e->k, &e->store, (struct jv_time){ 6000 }));
	assert_int_equal(e->store.epochs.used, 2);
	keys_old_dies(&e->k, (struct jv_time){ 5000 });
	assert_int_equal(keys_old_ends(&e->k).us, 5000);
	assert_false(keys_reap(&e->k, &e->store, (struct jv_time){ 4999 }));
	assert_int_equal(e->store.epochs.used, 2);
	assert_true(keys_reap(&e->k, &e->store, (struct jv_time){ 5000 }));
	assert_int_equal(e->store.epochs.used, 1);
	assert_null(keys_epoch(&e->k, 0));
	assert_non_null(keys_tx(&e->k));
	next_epoch(e, 2);
	assert_int_equal(e->store.epochs.used, 2);
}

/* No place for an epoch: nothing changes, and another time it goes on from there. */
static void test_no_room(void **state)
{
	struct pair *p = *state;
	struct end *e = &p->client;
	uint8_t shared[32] = { 1 }, before[32];

	e->store.epochs.limit = 1;
	memcpy(before, e->k.secret, 32);
	assert_false(keys_next(&e->k, &e->store, shared));
	assert_memory_equal(before, e->k.secret, 32);
	assert_non_null(keys_tx(&e->k));
	assert_int_equal(keys_newest(&e->k), 0);
	e->store.epochs.limit = 2;
	assert_true(keys_next(&e->k, &e->store, shared));
	assert_true(keys_next(&p->server.k, &p->server.store, shared));
	assert_mirrored(p, 1);
}

/* The ring of a large window comes with counter 128 and goes with the epoch; without it nothing is marked. */
static void test_rings(void **state)
{
	struct end *e = &((struct pair *)*state)->client;
	struct slab *rings = &e->store.rings[3]; /* 2048 / 64 = 4 << 3 words */
	struct noise_split split = { .h = { 1 } };
	struct keys k = { .window = 0 };
	bool no_memory;

	assert_true(keys_start(&k, &e->store, true, SUITE_CHACHA20_POLY1305, &split, 2048));
	for (uint64_t c = 0; c < 128; c++)
		assert_true(keys_mark(&e->store, keys_tx(&k), c, &no_memory) && !no_memory);
	assert_false(keys_mark(&e->store, keys_tx(&k), 127, &no_memory) || no_memory);
	assert_int_equal(rings->used, 0);
	rings->limit = 0;
	assert_false(keys_mark(&e->store, keys_tx(&k), 128, &no_memory));
	assert_true(no_memory && replay_is_new(&keys_tx(&k)->replay, 128));
	rings->limit = 1;
	assert_true(keys_mark(&e->store, keys_tx(&k), 128, &no_memory) && !no_memory);
	assert_int_equal(rings->used, 1);
	for (uint64_t c = 0; c < 129; c++)
		assert_false(replay_is_new(&keys_tx(&k)->replay, c));
	keys_clear(&k, &e->store);
	assert_int_equal(rings->used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_schedule, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mirrored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_chained, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_grace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wire_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cache_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_windows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_next_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reaped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rings, set_up, tear_down),
		cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
