/* The cache may forget, but must never hand out another key than the one asked for. */
#include "crypto/keycache.h"

#include <stdlib.h>

#include "crypto_util.h"

static const uint8_t nonce[12];

static enum suite suite_of(uint64_t number)
{
	return number % 2 ? SUITE_AES_256_GCM : SUITE_CHACHA20_POLY1305;
}

/* A key that follows from its number. */
static void key_of(uint64_t number, uint8_t key[32])
{
	fill(&number, key, 32);
}

static void expected_tag(uint64_t number, uint8_t tag[16])
{
	uint8_t key[32];

	key_of(number, key);
	aead_seal_once(suite_of(number), key, tag, nonce, NULL, 0, tag, 0);
}

static void assert_right_aead(struct keycache *c, uint64_t number)
{
	uint8_t key[32], tag[16], expected[16];

	key_of(number, key);
	aead_seal(keycache_aead(c, number, suite_of(number), key), tag, nonce, NULL, 0, tag, 0);
	expected_tag(number, expected);
	assert_memory_equal(tag, expected, 16);
}

static void assert_right_mask(struct keycache *c, uint64_t number)
{
	uint8_t key[32], mask[16], expected[16], sample[16] = { 1, 2, 3 };
	struct mask_key *k = aligned_alloc(64, (mask_key_size() + 63) / 64 * 64);

	key_of(number, key);
	mask_make(keycache_mask(c, number, suite_of(number), key), mask, sample);
	mask_key_init(k, suite_of(number), key);
	mask_make(k, expected, sample);
	mask_key_clear(k);
	free(k);
	assert_memory_equal(mask, expected, 16);
}

/* Is it cached? Asks with a wrong key: only an entry that is there gives the right tag. Leaves it dropped. */
static bool was_cached(struct keycache *c, uint64_t number)
{
	static const uint8_t wrong[32] = { 0xff };
	uint8_t tag[16], expected[16];

	aead_seal(keycache_aead(c, number, suite_of(number), wrong), tag, nonce, NULL, 0, tag, 0);
	expected_tag(number, expected);
	keycache_drop(c, number);
	return !memcmp(tag, expected, 16);
}

static bool mask_was_cached(struct keycache *c, uint64_t number)
{
	static const uint8_t wrong[32] = { 0xff };
	uint8_t key[32];
	struct mask_key *k = aligned_alloc(64, (mask_key_size() + 63) / 64 * 64);
	uint8_t mask[16], expected[16], sample[16] = { 0 };

	key_of(number, key);
	mask_make(keycache_mask(c, number, suite_of(number), wrong), mask, sample);
	mask_key_init(k, suite_of(number), key);
	mask_make(k, expected, sample);
	mask_key_clear(k);
	free(k);
	keycache_drop(c, number);
	return !memcmp(mask, expected, 16);
}

static void test_right_key_always(void **state)
{
	struct keycache *c = keycache_new(16);
	uint64_t seed = 1;

	assert_non_null(c);
	for (int round = 0; round < 3000; round++) {
		uint64_t number = next_number(&seed) % 100;

		switch (next_number(&seed) % 5) {
		case 0:
			keycache_drop(c, number);
			break;
		case 1:
			assert_right_mask(c, number);
			break;
		default:
			assert_right_aead(c, number);
		}
	}
	assert_right_aead(c, 0);
	assert_right_aead(c, UINT64_MAX);
	keycache_free(c);
}

static void test_expands_once(void **state)
{
	struct keycache *c = keycache_new(64);

	assert_right_aead(c, 7);
	assert_right_mask(c, 7);
	assert_right_mask(c, 8);
	assert_true(was_cached(c, 7));
	assert_true(mask_was_cached(c, 8));
	keycache_free(c);
}

static void test_drop(void **state)
{
	struct keycache *c = keycache_new(64);

	assert_right_aead(c, 7);
	assert_right_mask(c, 7);
	assert_right_aead(c, 8);
	keycache_drop(c, 7);
	keycache_drop(c, 7);
	keycache_drop(c, 1000000); /* never there */
	assert_false(was_cached(c, 7));
	assert_false(mask_was_cached(c, 7));
	assert_true(was_cached(c, 8));
	keycache_free(c);
}

/* Four entries are one set: the fifth key takes the place of the one unused for longest. */
static void test_least_recently_used_goes(void **state)
{
	struct keycache *c = keycache_new(1);

	for (uint64_t n = 1; n <= 4; n++)
		assert_right_aead(c, n);
	assert_right_aead(c, 1);
	assert_right_aead(c, 5); /* 2 goes */
	assert_right_aead(c, 3);
	assert_right_aead(c, 6); /* 4 goes */
	assert_false(was_cached(c, 2));
	keycache_free(c);

	c = keycache_new(4);
	for (uint64_t n = 1; n <= 4; n++)
		assert_right_aead(c, n);
	assert_right_aead(c, 1);
	assert_right_aead(c, 5);
	assert_true(was_cached(c, 1));
	assert_true(was_cached(c, 3));
	assert_true(was_cached(c, 4));
	assert_true(was_cached(c, 5));
	keycache_free(c);
}

/* The numbers in use are often all of one residue: they must not fall into a few sets. */
static void test_spreads(void **state)
{
	for (uint64_t stride = 1; stride <= 4096; stride *= 2) {
		struct keycache *c = keycache_new(1024);
		unsigned int cached = 0;

		for (uint64_t n = 0; n < 256; n++)
			assert_right_aead(c, n * stride);
		for (uint64_t n = 0; n < 256; n++)
			cached += was_cached(c, n * stride);
		assert_true(cached >= 240);
		keycache_free(c);
	}
}

static void test_bounds(void **state)
{
	assert_null(keycache_new(SIZE_MAX));
	keycache_free(NULL);
}

static int start(void **state)
{
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_key_always),
		cmocka_unit_test(test_expands_once),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_least_recently_used_goes),
		cmocka_unit_test(test_spreads),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("keycache", tests, start, NULL);
}
