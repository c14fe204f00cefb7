/* Base64 as `wg` writes it, hex, and "did you mean". */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "prng.h"

static void test_base64_vectors(void **state)
{
	/* RFC 4648 section 10 */
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};
	char out[16];
	uint8_t back[8];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i][0]);

		base64_encode(out, (const uint8_t *)rows[i][0], len);
		assert_string_equal(out, rows[i][1]);
		assert_int_equal(strlen(out), BASE64_LEN(len));
		assert_true(base64_decode(back, len, out));
		assert_memory_equal(back, rows[i][0], len);
	}
}

/* Every 24-bit group's letters, over all four places, by an alphabet written out here. */
static void test_base64_alphabet(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t data[3];
	char out[5];

	(void)state;
	for (unsigned int v = 0; v < 64; v++) {
		for (unsigned int at = 0; at < 4; at++) {
			char want[5] = "AAAA";
			uint32_t n = v << (18 - 6 * at);

			want[at] = alphabet[v];
			data[0] = (uint8_t)(n >> 16);
			data[1] = (uint8_t)(n >> 8);
			data[2] = (uint8_t)n;
			base64_encode(out, data, 3);
			assert_string_equal(out, want);
			assert_true(base64_decode(data, 3, want));
			assert_int_equal((uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2], n);
		}
	}
	for (int c = 1; c < 256; c++) {
		char text[5] = "AAAA";

		for (int at = 0; at < 4; at++) {
			text[at] = (char)c;
			assert_int_equal(base64_decode(data, 3, text), strchr(alphabet, c) != NULL);
			text[at] = 'A';
		}
	}
}

static void test_base64_canonical_only(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		{ "Zh==", 1 }, { "Zg=", 1 }, { "Zg", 1 }, { "Zg==", 2 }, { "Zg==", 0 }, { "Zm9=", 2 },
		{ "Zm8=", 1 },
		{ "Zm8=", 3 }, { "Z===", 1 }, { "====", 0 }, { "====", 1 }, { "Zg=A", 1 }, { "Zg==Zg==", 2 },
		{ "Zm9v\n", 3 }, { " Zm9v", 3 }, { "Zm-v", 3 }, { "Zm_v", 3 }, { "Zm8=Zm9v", 5 },
	};
	uint8_t out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(base64_decode(out, bad[i].len, bad[i].text));
	/* A key has 256 bits in 43 letters of 6: the last one has two bits that must be zero. */
	assert_int_equal(KEY_BASE64_LEN, 44);
	for (int c = 'A'; c <= 'Z'; c++) {
		char key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
		uint8_t raw[32];

		key[42] = (char)c;
		assert_int_equal(base64_decode(raw, 32, key), (c - 'A') % 4 == 0);
	}
}

static void test_base64_round_trip(void **state)
{
	struct prng rng = { 2 };
	uint8_t data[64], back[64];
	char text[BASE64_LEN(64) + 1];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t len = prng_below(&rng, sizeof(data) + 1);

		prng_fill(&rng, data, len);
		base64_encode(text, data, len);
		assert_true(base64_decode(back, len, text));
		assert_memory_equal(back, data, len);
	}
}

static void test_hex(void **state)
{
	uint8_t data[3] = { 0x00, 0xaf, 0x19 }, back[3];
	char text[7];

	(void)state;
	hex_encode(text, data, 3);
	assert_string_equal(text, "00af19");
	assert_true(hex_decode(back, 3, "00Af19"));
	assert_memory_equal(back, data, 3);
	assert_true(hex_decode(back, 0, ""));
	assert_false(hex_decode(back, 3, "00af1"));
	assert_false(hex_decode(back, 3, "00af190"));
	assert_false(hex_decode(back, 2, "00af19"));
	for (int c = 1; c < 256; c++) {
		char one[3] = { '0', (char)c, '\0' };

		assert_int_equal(hex_decode(back, 1, one), strchr("0123456789abcdefABCDEF", c) != NULL);
	}
}

static void test_edit_distance(void **state)
{
	char sixty_four[65];

	(void)state;
	assert_int_equal(edit_distance("", ""), 0);
	assert_int_equal(edit_distance("", "abc"), 3);
	assert_int_equal(edit_distance("abc", ""), 3);
	assert_int_equal(edit_distance("kitten", "sitting"), 3);
	assert_int_equal(edit_distance("sitting", "kitten"), 3);
	assert_int_equal(edit_distance("listen", "lsten"), 1);
	assert_int_equal(edit_distance("private_key_file", "private_key_file"), 0);
	memset(sixty_four, 'a', 64);
	sixty_four[64] = '\0';
	assert_int_equal(edit_distance(sixty_four + 1, ""), 63);
	assert_int_equal(edit_distance("", sixty_four + 1), 63);
	assert_int_equal(edit_distance(sixty_four, "a"), UINT_MAX);
	assert_int_equal(edit_distance("a", sixty_four), UINT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_vectors),
		cmocka_unit_test(test_base64_alphabet),
		cmocka_unit_test(test_base64_canonical_only),
		cmocka_unit_test(test_base64_round_trip),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_edit_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
