/* Which worker a locator is of: as many for each, whatever their number, and nothing to be seen of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jumpvpn/locator.h"
#include "prng.h"

static const uint32_t keys[] = { 1, 0x9e3779b1, 0xdeadbeef, 0xffffffff };

static void test_inverse(void **state)
{
	struct prng rng = { 1 };

	(void)state;
	for (int i = 0; i < 100000; i++) {
		const uint32_t key = (uint32_t)prng_next(&rng) | 1;

		assert_int_equal(key * locator_inverse(key), 1);
	}
}

/* What is made for a worker is of that worker; nothing but the four bytes is touched. */
static void test_every_worker(void **state)
{
	struct prng rng = { 2 };
	uint8_t before[8], locator[8];

	(void)state;
	for (uint32_t workers = 1; workers <= PROTO_WORKERS_MAX; workers++) {
		for (uint32_t worker = 0; worker < workers; worker++) {
			const uint32_t key = keys[(worker + workers) % 4];

			prng_fill(&rng, before, 8);
			memcpy(locator, before, 8);
			locator_of_worker(locator, key, worker, workers);
			assert_int_equal(locator_worker(locator, key, workers), worker);
			assert_int_equal(locator[LOCATOR_NODE], before[LOCATOR_NODE]);
			assert_memory_equal(locator + LOCATOR_HASHED + 4, before + LOCATOR_HASHED + 4, 3);
		}
	}
}

/* Random bytes are spread evenly; and of one worker's locators each byte takes every value, as often as any. */
static void test_even(void **state)
{
	struct prng rng = { 3 };
	uint32_t of[3] = { 0 }, seen[4][256] = { { 0 } };
	uint8_t locator[8];

	(void)state;
	for (int i = 0; i < 60000; i++) {
		prng_fill(&rng, locator, 8);
		of[locator_worker(locator, keys[1], 3)]++;
		locator_of_worker(locator, keys[1], 2, 4);
		for (int b = 0; b < 4; b++)
			seen[b][locator[LOCATOR_HASHED + b]]++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(of[i], 19500, 20500);
	for (int b = 0; b < 4; b++)
		for (int v = 0; v < 256; v++)
			assert_in_range(seen[b][v], 150, 330); /* 234 expected */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inverse),
		cmocka_unit_test(test_every_worker),
		cmocka_unit_test(test_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
