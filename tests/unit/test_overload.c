/*
 * A server that is offered more than it can do, for a while: what it finishes in a second does not become less, whatever its
 * clients' manners, and when it is over all are back soon.
 */
#include "crowd.h"

#define S INT64_C(1000000)

#define CLIENTS 150
#define DH_US 7000        /* 35 ms for each handshake, and a little */
#define BEST_HOLD (5 * S) /* they leave after so long: some 25 come in a second, which is all it can do; */
#define HOLD (2 * S)      /* and three times as many as it can do */

static uint64_t finished_in(struct crowd *c, int64_t us)
{
	const uint64_t before = c->attached;

	crowd_run(c, us);
	return c->attached - before;
}

static void overload(unsigned int rude)
{
	struct crowd *c = crowd_new(CLIENTS);
	uint64_t best, finished;

	c->cost.dh = DH_US;
	c->hold_us = BEST_HOLD;
	for (unsigned int i = 0; i < CLIENTS; i++)
		crowd_come(c, i, (int64_t)prng_below(&c->rng, BEST_HOLD));
	crowd_run(c, 2 * BEST_HOLD);
	best = finished_in(c, 20 * S) / 2;
	assert_in_range(best, 150, 1000 * 1000 / (5 * DH_US) * 10);
	for (unsigned int i = 0; i < rude; i++)
		crowd_rude(c, i);
	c->hold_us = HOLD;
	for (unsigned int i = 0; i < 6; i++) {
		finished = finished_in(c, 10 * S);
		if (finished * 10 < best * 8)
			fail_msg("in the %uth 10 s %llu finished, of %llu", i, (unsigned long long)finished,
				 (unsigned long long)best);
	}
	c->hold_us = 0;
	assert_true(crowd_until_attached(c, CLIENTS, 10 * S) < 10 * S);
	crowd_free(c);
}

static void test_overload(void **state)
{
	overload(0);
}

static void test_overload_by_rude_clients(void **state)
{
	overload(CLIENTS / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_overload_by_rude_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
