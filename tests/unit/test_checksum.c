/* Each form of the sum, whichever the CPU would choose, against RFC 1071 two bytes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.c" /* the forms are its own */
#include "unit/prng.h"

#define MOST 2000

static uint16_t plain(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void assert_sum(uint64_t sum, const uint8_t *p, size_t len)
{
	const uint16_t folded = checksum_fold(sum);
	uint8_t bytes[2];

	memcpy(bytes, &folded, 2);
	assert_int_equal(bytes[0] << 8 | bytes[1], plain(p, len));
}

/* Of every length and alignment, in memory that ends with them. */
static void each(void (*check)(const uint8_t *p, size_t len))
{
	struct prng rng = { 1 };

	for (size_t len = 1; len <= MOST; len += len < 300 ? 1 : 37) {
		uint8_t *data = malloc(len + len % 64), *p = data + len % 64;

		assert_non_null(data);
		prng_fill(&rng, p, len);
		check(p, len);
		memset(p, 0xff, len); /* every addition carries */
		check(p, len);
		free(data);
	}
}

static void check_added(const uint8_t *p, size_t len)
{
	assert_sum(checksum_add(0, p, len), p, len);
	assert_sum(checksum_add(0xffff, p, len), p, len); /* the other zero */
}

static void check_words(const uint8_t *p, size_t len)
{
	const size_t blocks = len / BLOCK;

	assert_sum(sum_words(p, blocks), p, blocks * BLOCK);
}

static void test_added(void **state)
{
	each(check_added);
	assert_int_equal(checksum_add(5, NULL, 0), 5);
}

static void test_words(void **state)
{
	each(check_words);
}

#ifdef __x86_64__
static void check_avx2(const uint8_t *p, size_t len)
{
	const size_t blocks = len / BLOCK;

	assert_sum(sum_avx2(p, blocks), p, blocks * BLOCK);
}

static void check_avx512(const uint8_t *p, size_t len)
{
	assert_sum(sum_avx512(p, len), p, len);
}
#endif

static void test_avx2(void **state)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		each(check_avx2);
		return;
	}
#endif
	skip();
}

static void test_avx512(void **state)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512bw")) {
		each(check_avx512);
		return;
	}
#endif
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_avx2),
		cmocka_unit_test(test_avx512),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
