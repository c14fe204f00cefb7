/* Near ends of routes: one each, shared and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session/near.h"

static struct route route(uint32_t socket, uint16_t local, uint32_t scope)
{
	struct route r = { .socket = socket, .remote = { .scope = scope, .port = (uint16_t)(local + 1) } };

	r.local.b[14] = (uint8_t)(local >> 8);
	r.local.b[15] = (uint8_t)local;
	return r;
}

static uint16_t take(struct nears *all, uint32_t socket, uint16_t local, uint32_t scope)
{
	const struct route r = route(socket, local, scope);
	const uint16_t number = nears_take(all, &r);

	if (number)
		assert_true(near_is(&all->at[number], &r));
	return number;
}

/* What differs in any part is another; what the far end is does not matter. */
static void test_shared(void **state)
{
	const struct hash_key key = { { 1 } };
	struct nears all;
	uint16_t n;

	nears_init(&all, &key);
	n = take(&all, 1, 2, 3);
	assert_int_not_equal(n, 0);
	assert_int_equal(take(&all, 1, 2, 3), n);
	assert_int_equal(all.at[n].users, 2);
	assert_int_not_equal(take(&all, 2, 2, 3), n);
	assert_int_not_equal(take(&all, 1, 3, 3), n);
	assert_int_not_equal(take(&all, 1, 2, 4), n);
	nears_free(&all);
}

/* Numbers come back with the last user, and all of them can be in use: then there is none more. */
static void test_all_numbers(void **state)
{
	const struct hash_key key = { { 1 } };
	struct nears all;
	uint16_t n;

	nears_init(&all, &key);
	nears_drop(&all, 0);
	for (uint32_t i = 0; i < NEARS_MAX; i++)
		assert_int_not_equal(take(&all, i >> 16, (uint16_t)i, 0), 0);
	assert_int_equal(take(&all, 9, 9, 9), 0);
	n = take(&all, 0, 77, 0);
	nears_drop(&all, n);
	assert_int_equal(take(&all, 9, 9, 9), 0);
	nears_drop(&all, n);
	assert_int_equal(take(&all, 9, 9, 9), n);
	for (uint32_t i = 0; i < NEARS_MAX; i++)
		nears_drop(&all, (uint16_t)(i + 1));
	for (unsigned int i = 0; i < NEARS_BUCKETS; i++)
		assert_int_equal(all.bucket[i], 0);
	nears_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_all_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
