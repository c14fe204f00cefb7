/* Whose datagrams a full socket drops: of those who offer most, never of one that says little. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "worker/share.h"

static struct endpoint client(unsigned int i)
{
	struct endpoint e = { .port = 0 };
	char text[ENDPOINT_STRLEN];

	snprintf(text, sizeof(text), "10.1.%u.%u:%u", i / 250, i % 250 + 1, 20000 + i);
	assert_true(endpoint_parse(text, &e));
	return e;
}

static void test_alone(void **state)
{
	const struct endpoint a = client(1), silent = client(2);
	struct share s = { .total = 0 };

	assert_false(share_exceeded(&s, &a)); /* nothing was offered by anybody */
	for (unsigned int i = 0; i < 100000; i++) {
		share_offer(&s, &a, 1400);
		assert_true(share_exceeded(&s, &a));
		assert_false(share_exceeded(&s, &silent));
	}
	assert_true(s.total <= SHARE_WINDOW);
}

static void test_equals(void **state)
{
	struct share s = { .total = 0 };
	struct endpoint c[5];

	for (unsigned int i = 0; i < 5; i++)
		c[i] = client(i);
	for (unsigned int i = 0; i < 50000; i++)
		share_offer(&s, &c[i % 5], 1400);
	for (unsigned int i = 0; i < 5; i++)
		assert_true(share_exceeded(&s, &c[i]));
}

/* Beside one that sends a hundred times as much; and when that one stops, its past is soon forgotten. */
static void test_mouse_and_elephant(void **state)
{
	const struct endpoint elephant = client(1), mouse = client(2);
	struct share s = { .total = 0 };

	for (unsigned int i = 0; i < 1000; i++) {
		for (unsigned int k = 0; k < 100; k++)
			share_offer(&s, &elephant, 1400);
		share_offer(&s, &mouse, 1400);
		assert_false(share_exceeded(&s, &mouse));
		assert_true(share_exceeded(&s, &elephant));
	}
	for (unsigned int i = 0; i < 4 * SHARE_WINDOW / 1400; i++)
		share_offer(&s, &mouse, 1400);
	assert_true(share_exceeded(&s, &mouse));
	assert_false(share_exceeded(&s, &elephant));
}

/* A server full of clients: nearly all of the small ones are told from the large one, whatever the hash. */
static void test_many_mice(void **state)
{
	const struct endpoint elephant = client(0);
	struct share s = { .total = 0 };
	unsigned int exceeded = 0;

	for (unsigned int round = 0; round < 20; round++)
		for (unsigned int i = 1; i <= 100; i++) {
			share_offer(&s, &elephant, 60000);
			share_offer(&s, &(struct endpoint){ .port = 1 },
				    0); /* says nothing: counts as nobody */
			const struct endpoint c = client(i);

			share_offer(&s, &c, 100);
		}
	for (unsigned int i = 1; i <= 100; i++) {
		const struct endpoint c = client(i);

		exceeded += share_exceeded(&s, &c);
	}
	assert_true(share_exceeded(&s, &elephant));
	assert_true(exceeded <= 3); /* one in 256 shares its bucket */
	assert_true(s.active <= 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_equals),
		cmocka_unit_test(test_mouse_and_elephant),
		cmocka_unit_test(test_many_mice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
