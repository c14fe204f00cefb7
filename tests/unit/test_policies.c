/* Policies that are equal are one, for as long as somebody is under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session/policies.h"

#define MOST 100

static struct policy number(uint32_t n)
{
	return (struct policy){ .max_lifetime_ms = 1, .proof_max_age_ms = n };
}

static void test_equal_ones_are_shared(void **state)
{
	const struct policy *held[MOST];
	struct policies p;

	assert_true(policies_init(&p, MOST));
	for (uint32_t i = 0; i < MOST; i++) {
		const struct policy policy = number(i);

		held[i] = policies_take(&p, &policy);
		assert_non_null(held[i]);
		assert_memory_equal(held[i], &policy, sizeof(policy));
	}
	for (uint32_t i = 0; i < MOST; i++) {
		const struct policy policy = number(i);

		assert_ptr_equal(policies_take(&p, &policy), held[i]);
		policies_drop(&p, held[i]);
	}
	assert_int_equal(p.held.used, MOST);
	for (uint32_t i = 0; i < MOST; i++)
		policies_drop(&p, held[i]);
	assert_int_equal(p.held.used, 0);
	policies_free(&p);
}

static void test_no_room(void **state)
{
	const struct policy one = number(1), two = number(2);
	const struct policy *first;
	struct policies p;

	assert_true(policies_init(&p, 1));
	first = policies_take(&p, &one);
	assert_null(policies_take(&p, &two));
	assert_ptr_equal(policies_take(&p, &one), first);
	policies_drop(&p, first);
	policies_drop(&p, NULL);
	assert_null(policies_take(&p, &two));
	policies_drop(&p, first);
	assert_non_null(policies_take(&p, &two));
	policies_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_ones_are_shared),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
