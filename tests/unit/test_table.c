/* The session table against a naive model, with keys that collide on purpose. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/wire.h"
#include "prng.h"
#include "session/table.h"

#define KEYS 600
#define STEPS 200000

static uint64_t keys[KEYS];

struct object { /* two keys stand in each */
	char head[3];
	struct {
		be64 key;
		char tail[5];
	} of[2];
};

static struct object objects[KEYS / 2];
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
	for (size_t i = 0; i < KEYS; i++)
		objects[i / 2].of[i % 2].key = put_be64(keys[i]);
}

static void assert_found(const struct table *t, size_t i)
{
	unsigned int n = TABLE_KEYS;

	assert_ptr_equal(table_find(t, keys[i], &n), present[i] ? &objects[i / 2] : NULL);
	if (present[i])
		assert_int_equal(n, i % 2);
}

/* By the bits of the key in the entry, of which one in 4096 is another's. */
static bool is_guessed(const struct table *t, size_t i)
{
	unsigned int n;
	const void *object = table_guess(t, keys[i], &n);

	return present[i] ? object == &objects[i / 2] && n == i % 2 : !object;
}

static void check_all(const struct table *t, size_t count)
{
	assert_int_equal(table_count(t), count);
	for (size_t i = 0; i < KEYS; i++)
		assert_found(t, i);
}

static void test_against_model(void **state)
{
	struct prng rng = { 4 };
	struct table *t = table_new(KEYS, offsetof(struct object, of), sizeof(objects[0].of[0]));
	size_t count = 0;
	int wrong = 0;

	(void)state;
	make_keys(&rng);
	memset(present, 0, sizeof(present));
	for (int step = 0; step < STEPS; step++) {
		size_t i = prng_below(&rng, KEYS);
		/* waves of growing and shrinking */
		bool insert = prng_below(&rng, 100) < (step / 5000 % 2 ? 30u : 70u);

		table_prefetch(t, keys[i]);
		if (insert) {
			assert_int_equal(table_insert(t, keys[i], &objects[i / 2], i % 2),
					 present[i] ? -EEXIST : 0);
			count += !present[i];
			present[i] = true;
		} else {
			assert_ptr_equal(table_remove(t, keys[i]), present[i] ? &objects[i / 2] : NULL);
			count -= present[i];
			present[i] = false;
		}
		i = prng_below(&rng, KEYS);
		assert_found(t, i);
		wrong += i % 3 == 0 && !is_guessed(t, i); /* the others have the same bits there */
		if (step % 500 == 0)
			check_all(t, count);
	}
	check_all(t, count);
	assert_in_range(wrong, 0, STEPS / 500);
	table_free(t);
}

static void test_limit(void **state)
{
	be64 bears[101];
	struct table *t = table_new(100, 0, 0);
	struct table *none = table_new(0, 0, 0);

	(void)state;
	for (uint64_t k = 0; k <= 100; k++)
		bears[k] = put_be64(k << 20);
	for (uint64_t k = 0; k < 100; k++)
		assert_int_equal(table_insert(t, k << 20, &bears[k], 0), 0);
	assert_int_equal(table_insert(t, 100 << 20, &bears[100], 0), -ENOSPC);
	assert_int_equal(table_insert(t, 5 << 20, &bears[100], 0), -EEXIST);
	assert_ptr_equal(table_find(t, 5 << 20, NULL), &bears[5]);
	assert_null(table_find(t, 100 << 20, NULL));
	assert_int_equal(table_count(t), 100);
	assert_ptr_equal(table_remove(t, 5 << 20), &bears[5]);
	assert_int_equal(table_insert(t, 100 << 20, &bears[100], 0), 0);
	assert_int_equal(table_insert(none, 1, &bears[0], 0), -ENOSPC);
	table_free(t);
	table_free(none);
	table_free(NULL);
}

static void insert_nothing(void *arg)
{
	table_insert(arg, 1, NULL, 0);
}

static void insert_one_too_many(void *arg)
{
	static be64 key;

	table_insert(arg, 0, &key, TABLE_KEYS);
}

/* An address of more bits would be taken for another one. */
static void insert_from_afar(void *arg)
{
	table_insert(arg, 1, (void *)(UINTPTR_MAX / 2), 0); /* NOLINT(performance-no-int-to-ptr) */
}

static void test_what_fits_no_entry_aborts(void **state)
{
	struct table *t = table_new(1, 0, 0);

	(void)state;
	assert_true(aborts(insert_nothing, t));
	assert_true(aborts(insert_one_too_many, t));
	assert_true(aborts(insert_from_afar, t));
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_what_fits_no_entry_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
