/* Sessions that all began in one moment do not ask in one moment ever after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "prng.h"
#include "session/spread.h"

#define SESSIONS 10000
#define IDLE_MS 15000
#define IDLE_US (INT64_C(1000) * IDLE_MS)
#define MINUTE_MS 60000

/* The share of a millisecond is two thirds of a heartbeat; in the first round, which takes half as long, twice as much. */
static void test_heartbeats_of_many(void **state)
{
	static uint16_t beats[MINUTE_MS + IDLE_MS];
	struct prng rng = { 1 };
	unsigned int most = 0, n = 0;
	uint8_t id[16];

	for (unsigned int i = 0; i < SESSIONS; i++) {
		const struct jv_time began = { INT64_C(5000000000) };
		struct jv_time at = began;

		prng_fill(&rng, id, sizeof(id));
		while (time_since_ms(at, began) < MINUTE_MS) {
			const struct jv_time next = spread_next(id, IDLE_US, at);

			assert_in_range(time_diff_us(next, at), IDLE_US / 2, IDLE_US);
			at = next;
			beats[time_since_ms(at, began)]++;
		}
	}
	for (unsigned int ms = 0; ms < MINUTE_MS; ms++) {
		most = beats[ms] > most ? beats[ms] : most;
		n += beats[ms];
	}
	assert_in_range(most, 1, 10);
	assert_in_range(n, SESSIONS * 4, SESSIONS * 5);
}

/* The same session waits for the same time, however often it is asked; another one, and the next time, for another. */
static void test_waits(void **state)
{
	uint8_t id[16] = { 1 }, other[16] = { 2 };
	int64_t us = spread_us(id, 1, 1000000);

	assert_int_equal(spread_us(id, 1, 1000000), us);
	assert_int_not_equal(spread_us(other, 1, 1000000), us);
	assert_int_not_equal(spread_us(id, 2, 1000000), us);
	for (uint32_t n = 0; n < 1000; n++)
		assert_in_range(spread_us(id, n, 1000000), 750000, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heartbeats_of_many),
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
