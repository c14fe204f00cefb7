/* SipHash-1-3 and SipHash-2-4-128 against known answers, and that key and every bit matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static uint8_t counted[64]; /* 00 01 ..: both functions' known answers are of its beginnings, under its first 16 bytes */

static int count(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(counted); i++)
		counted[i] = (uint8_t)i;
	return 0;
}

static void test_vectors(void **state)
{
	/* of each length from 0 on */
	static const uint64_t want[] = {
		0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
		0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
		0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
		0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
		0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
		0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
	};
	struct hash_key key;

	(void)state;
	memcpy(key.b, counted, sizeof(key.b));
	for (size_t len = 0; len < sizeof(want) / sizeof(want[0]); len++)
		assert_true(hash_bytes(&key, counted, len) == want[len]);
}

static void test_mac_vectors(void **state)
{
	/* The authors' vectors_sip128 of these lengths. */
	static const struct {
		size_t len;
		uint8_t want[16];
	} vector[] = {
		{ 0, { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
			 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 } },
		{ 1, { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
			 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45 } },
		{ 2, { 0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7,
			 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4 } },
		{ 3, { 0x9c, 0x70, 0xb6, 0x0c, 0x52, 0x67, 0xa9, 0x4e,
			 0x5f, 0x33, 0xb6, 0xb0, 0x29, 0x85, 0xed, 0x51 } },
		{ 7, { 0xa1, 0xf1, 0xeb, 0xbe, 0xd8, 0xdb, 0xc1, 0x53,
			 0xc0, 0xb8, 0x4a, 0xa6, 0x1f, 0xf0, 0x82, 0x39 } },
		{ 8, { 0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61,
			 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4 } },
		{ 15, { 0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11,
			 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9 } },
		{ 16, { 0x6e, 0xe2, 0xa4, 0xca, 0x67, 0xb0, 0x54, 0xbb,
			 0xfd, 0x33, 0x15, 0xbf, 0x85, 0x23, 0x05, 0x77 } },
		{ 31, { 0x29, 0x39, 0xb0, 0x18, 0x32, 0x23, 0xfa, 0xfc,
			 0x17, 0x23, 0xde, 0x4f, 0x52, 0xc4, 0x3d, 0x35 } },
		{ 63, { 0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a,
			 0x50, 0x3e, 0x06, 0x9a, 0x97, 0x3f, 0xbd, 0x7c } },
	};
	uint8_t mac[16];

	(void)state;
	for (size_t i = 0; i < sizeof(vector) / sizeof(vector[0]); i++) {
		hash_mac(mac, counted, counted, vector[i].len);
		assert_memory_equal(mac, vector[i].want, sizeof(mac));
	}
}

/* With each bit of these turned, `data` has another hash. */
static void every_bit_counts(uint8_t *bits, size_t n, const struct hash_key *key, const uint8_t *data, size_t len)
{
	const uint64_t h = hash_bytes(key, data, len);

	for (size_t bit = 0; bit < 8 * n; bit++) {
		bits[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(hash_bytes(key, data, len) != h);
		bits[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_every_bit_counts(void **state)
{
	struct hash_key key = { { 1 } };
	uint8_t data[33] = { 0 };

	(void)state;
	every_bit_counts(data, sizeof(data), &key, data, sizeof(data));
	every_bit_counts(key.b, sizeof(key.b), &key, data, sizeof(data));
	assert_true(hash_bytes(&key, data, sizeof(data) - 1) != hash_bytes(&key, data, sizeof(data)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_mac_vectors),
		cmocka_unit_test(test_every_bit_counts),
	};

	return cmocka_run_group_tests(tests, count, NULL);
}
