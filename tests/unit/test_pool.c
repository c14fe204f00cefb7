/* The pool hands out every buffer once, and catches each way of misusing one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/pool.h"
#include "prng.h"

#define BUFFERS 16
#define SIZE 200

static void test_get_and_put(void **state)
{
	struct pool *p = pool_new(BUFFERS, SIZE);
	uint8_t *b[BUFFERS];

	(void)state;
	for (int i = 0; i < BUFFERS; i++) {
		assert_int_equal(pool_out(p), i);
		b[i] = pool_get(p);
		assert_non_null(b[i]);
		assert_int_equal((uintptr_t)b[i] % 64, 0);
		memset(b[i], i, SIZE);
	}
	assert_null(pool_get(p));
	for (int i = 0; i < BUFFERS; i++) {
		for (int j = 0; j < SIZE; j++)
			assert_int_equal(b[i][j], i);
		pool_put(p, b[i]);
	}
	assert_int_equal(pool_out(p), 0);
	pool_free(p);
	pool_free(NULL);
}

static void test_random_order(void **state)
{
	struct pool *p = pool_new(BUFFERS, SIZE);
	struct prng rng = { 3 };
	uint8_t *out[BUFFERS];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		if (prng_below(&rng, 2) && n < BUFFERS) {
			out[n] = pool_get(p);
			memset(out[n++], i, SIZE);
		} else if (n > 0) {
			size_t k = prng_below(&rng, n);

			pool_put(p, out[k]);
			out[k] = out[--n];
		}
		assert_int_equal(pool_out(p), n);
	}
	while (n > 0)
		pool_put(p, out[--n]);
	pool_free(p);
}

static void put_twice(void *arg)
{
	void *b = pool_get(arg);

	pool_put(arg, b);
	pool_put(arg, b);
}

static void put_inside(void *arg)
{
	uint8_t *b = pool_get(arg);

	pool_put(arg, b + 1);
}

static void put_foreign(void *arg)
{
	static _Alignas(64) uint8_t foreign[SIZE];

	pool_put(arg, foreign);
}

static void put_null(void *arg)
{
	pool_put(arg, NULL);
}

static void write_first_after(void *arg)
{
	uint8_t *b = pool_get(arg);

	pool_put(arg, b);
	b[0] ^= 1;
	pool_get(arg);
}

static void write_last_after(void *arg)
{
	uint8_t *b = pool_get(arg);

	pool_put(arg, b);
	b[SIZE - 1] ^= 1;
	pool_get(arg);
}

static void free_while_out(void *arg)
{
	pool_get(arg);
	pool_free(arg);
}

static void right_use(void *arg)
{
	uint8_t *b = pool_get(arg);

	b[0] = b[SIZE - 1] = 1;
	pool_put(arg, b);
	pool_get(arg);
}

static void test_misuse_aborts(void **state)
{
	struct pool *p = pool_new(BUFFERS, SIZE);

	(void)state;
	assert_false(aborts(right_use, p));
	assert_true(aborts(put_twice, p));
	assert_true(aborts(put_inside, p));
	assert_true(aborts(put_foreign, p));
	assert_true(aborts(put_null, p));
	assert_true(aborts(write_first_after, p));
	assert_true(aborts(write_last_after, p));
	assert_true(aborts(free_while_out, p));
	pool_free(p);
}

static void test_impossible_sizes(void **state)
{
	(void)state;
	assert_null(pool_new(SIZE_MAX / 64, SIZE));
	assert_null(pool_new(1, SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_and_put),
		cmocka_unit_test(test_random_order),
		cmocka_unit_test(test_misuse_aborts),
		cmocka_unit_test(test_impossible_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
