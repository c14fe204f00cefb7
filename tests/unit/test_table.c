/* The session table against a naive model, with keys that collide on purpose. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "prng.h"
#include "session/table.h"

#define KEYS 600
#define STEPS 200000

static uint64_t keys[KEYS];
static char values[KEYS]; /* their addresses are the values */
static bool present[KEYS];

/* A third each: random, the same low bits, and a run that wraps over the end of the small table. */
static void make_keys(struct prng *rng)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (i % 3 == 0)
			keys[i] = prng_next(rng);
		else if (i % 3 == 1)
			keys[i] = (uint64_t)i << 32 | 5;
		else
			keys[i] = (uint64_t)i << 32 | UINT32_MAX;
	}
	keys[0] = 0;
	keys[3] = UINT64_MAX;
}

static void check_all(const struct table *t, size_t count)
{
	bool seen[KEYS] = { false };
	size_t cursor = 0, n = 0;
	char *value;

	assert_int_equal(table_count(t), count);
	for (size_t i = 0; i < KEYS; i++)
		assert_ptr_equal(table_find(t, keys[i]), present[i] ? &values[i] : NULL);
	while ((value = table_next(t, &cursor))) {
		size_t i = (size_t)(value - values);

		assert_true(i < KEYS && present[i] && !seen[i]);
		seen[i] = true;
		n++;
	}
	assert_int_equal(n, count);
	assert_null(table_next(t, &cursor));
}

static void test_against_model(void **state)
{
	struct prng rng = { 4 };
	struct table *t = table_new(KEYS);
	size_t count = 0;

	(void)state;
	make_keys(&rng);
	memset(present, 0, sizeof(present));
	for (int step = 0; step < STEPS; step++) {
		size_t i = prng_below(&rng, KEYS);
		/* waves of growing and shrinking */
		bool insert = prng_below(&rng, 100) < (step / 5000 % 2 ? 30u : 70u);

		table_prefetch(t, keys[i]);
		if (insert) {
			assert_int_equal(table_insert(t, keys[i], &values[i]), present[i] ? -EEXIST : 0);
			count += !present[i];
			present[i] = true;
		} else {
			assert_ptr_equal(table_remove(t, keys[i]), present[i] ? &values[i] : NULL);
			count -= present[i];
			present[i] = false;
		}
		i = prng_below(&rng, KEYS);
		assert_ptr_equal(table_find(t, keys[i]), present[i] ? &values[i] : NULL);
		if (step % 500 == 0)
			check_all(t, count);
	}
	check_all(t, count);
	table_free(t);
}

static void test_limit(void **state)
{
	struct table *t = table_new(100);
	struct table *none = table_new(0);

	(void)state;
	for (uint64_t k = 0; k < 100; k++)
		assert_int_equal(table_insert(t, k << 20, &values[k]), 0);
	assert_int_equal(table_insert(t, 100 << 20, &values[100]), -ENOSPC);
	assert_int_equal(table_insert(t, 5 << 20, &values[100]), -EEXIST);
	assert_ptr_equal(table_find(t, 5 << 20), &values[5]);
	assert_null(table_find(t, 100 << 20));
	assert_int_equal(table_count(t), 100);
	assert_ptr_equal(table_remove(t, 5 << 20), &values[5]);
	assert_int_equal(table_insert(t, 100 << 20, &values[100]), 0);
	assert_int_equal(table_insert(none, 1, &values[0]), -ENOSPC);
	table_free(t);
	table_free(none);
	table_free(NULL);
}

static void insert_nothing(void *arg)
{
	table_insert(arg, 1, NULL);
}

static void test_no_value_aborts(void **state)
{
	struct table *t = table_new(1);

	(void)state;
	assert_true(aborts(insert_nothing, t));
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_no_value_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
