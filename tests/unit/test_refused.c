/* Where runs were refused: remembered by socket and receiver, for a while, in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/refused.h"

static const struct jv_time start = { 1000000 };

static struct endpoint endpoint(uint16_t port)
{
	return (struct endpoint){ .ip = ip_from_v4((const uint8_t[]){ 192, 0, 2, 1 }), .port = port };
}

static void test_remembered_for_a_while(void **state)
{
	struct refused r = { .used = 0 };
	const struct endpoint a = endpoint(1), b = endpoint(2);

	(void)state;
	assert_false(refused_has(&r, 5, &a, start));
	assert_true(refused_add(&r, 5, &a, start));
	assert_true(refused_has(&r, 5, &a, start));
	for (int fd = 6; fd < 6 + 16 * REFUSED_BUCKETS; fd++) /* some of them are in the same bucket */
		assert_false(refused_has(&r, fd, &a, start)); /* by another link it may well go */
	assert_false(refused_has(&r, 5, &b, start));
	assert_true(refused_has(&r, 5, &a, time_add_ms(start, REFUSED_MS - 1)));
	assert_false(refused_has(&r, 5, &a, time_add_ms(start, REFUSED_MS)));
	assert_false(refused_add(&r, 5, &a, time_add_ms(start, REFUSED_MS))); /* said once */
	assert_true(refused_has(&r, 5, &a, time_add_ms(start, REFUSED_MS + 1)));
}

static void test_bounded(void **state)
{
	struct refused r = { .used = 0 };
	unsigned int known = 0;

	(void)state;
	for (uint16_t port = 1; port < 10000; port++) {
		const struct endpoint e = endpoint(port);

		refused_add(&r, 5, &e, start);
		assert_true(refused_has(&r, 5, &e, start));
	}
	for (uint16_t port = 1; port < 10000; port++) {
		const struct endpoint e = endpoint(port);

		known += refused_has(&r, 5, &e, start);
	}
	assert_in_range(known, REFUSED_BUCKETS / 2, REFUSED_BUCKETS);
	assert_in_range(r.used, known, REFUSED_BUCKETS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembered_for_a_while),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
