/* SipHash-1-3 against known answers, and that key and every bit matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void test_vectors(void **state)
{
	/* key 00 01 .. 0f, data 00 01 .. of each length from 0 on */
	static const uint64_t want[] = {
		0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
		0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
		0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
		0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
		0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
		0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
	};
	struct hash_key key;
	uint8_t data[64];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	memcpy(key.b, data, sizeof(key.b));
	for (size_t len = 0; len < sizeof(want) / sizeof(want[0]); len++)
		assert_true(hash_bytes(&key, data, len) == want[len]);
}

static void test_every_bit_counts(void **state)
{
	struct hash_key key = { { 1 } };
	uint8_t data[33] = { 0 };
	uint64_t h = hash_bytes(&key, data, sizeof(data));

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(hash_bytes(&key, data, sizeof(data)) != h);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
		key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(hash_bytes(&key, data, sizeof(data)) != h);
		key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(hash_bytes(&key, data, sizeof(data) - 1) != h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_bit_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
