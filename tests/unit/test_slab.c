/* Objects of one size: all different, zeroed, as many as the limit says, and memory that is used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slab.h"
#include "prng.h"

#define OBJECTS 500

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Out and back by chance: what is out holds its own number all over, whatever happens to the others. */
static void run(size_t size)
{
	uint8_t *out[OBJECTS] = { NULL };
	struct prng rng = { 5 };
	struct slab s;
	size_t used = 0;

	slab_init(&s, size, OBJECTS);
	for (int step = 0; step < 20000; step++) {
		const size_t i = prng_below(&rng, OBJECTS);
		const uint8_t mark = (uint8_t)(i + 1);

		if (out[i]) {
			for (size_t b = 0; b < size; b++)
				assert_int_equal(out[i][b], mark);
			slab_put(&s, out[i]);
			out[i] = NULL;
			used--;
		} else {
			out[i] = slab_get(&s);
			assert_non_null(out[i]);
			assert_true((uintptr_t)out[i] % sizeof(void *) == 0);
			assert_true(is_zero(out[i], size));
			memset(out[i], mark, size);
			used++;
		}
		assert_int_equal(s.used, used);
	}
	assert_true(slab_bytes(&s) >= used * size);
	slab_free(&s);
}

static void test_by_chance(void **state)
{
	static const size_t sizes[] = { 1, 8, 12, 136, 4096, 70000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		run(sizes[i]);
}

static void test_limit(void **state)
{
	void *first;
	struct slab s;
	size_t bytes;

	slab_init(&s, 100, 3);
	first = slab_get(&s);
	assert_true(first && slab_get(&s) && slab_get(&s));
	assert_null(slab_get(&s));
	slab_put(&s, first);
	bytes = slab_bytes(&s);
	assert_ptr_equal(slab_get(&s), first);
	assert_null(slab_get(&s));
	assert_int_equal(slab_bytes(&s), bytes);
	slab_free(&s);
	slab_init(&s, 100, 0);
	assert_null(slab_get(&s));
	assert_int_equal(slab_bytes(&s), 0);
	slab_free(&s);
}

/* A key does not outlive its owner: what is put back is wiped, but for the link to the next. */
static void test_wiped(void **state)
{
#ifndef __SANITIZE_ADDRESS__ /* which would find us reading it */
	uint8_t *object;
	struct slab s;

	slab_init(&s, 64, 1);
	object = slab_get(&s);
	assert_non_null(object);
	memset(object, 0xaa, 64);
	slab_put(&s, object);
	assert_true(is_zero(object, 64));
	slab_free(&s);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_chance),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
