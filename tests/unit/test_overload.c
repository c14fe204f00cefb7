/*
 * A server that is offered more than it can do, for a while: what it finishes in a second does not become less, whatever its
 * clients' manners, and when it is over all are back soon.
 */
#include "crowd.h"

#define S INT64_C(1000000)

#define CLIENTS 100
#define DH_US 10500       /* 53 ms for each handshake, and a little */
#define BEST_HOLD (5 * S) /* they leave after so long: some 20 come in a second, which is all it can do; */
#define HOLD (7 * S / 4)  /* and three times as many as it can do */

#define MANY 200

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
	assert_in_range(best, 110, 1000 * 1000 / (5 * DH_US) * 10);
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

/* All paths carry nothing for a while, and then again: each client asks, and the answers to all would take longer than they
 * wait. */
static void dark(unsigned int rude, int slower, int64_t most)
{
	struct crowd *c = crowd_new(MANY);

	for (unsigned int i = 0; i < MANY; i++)
		crowd_come(c, i, (int64_t)prng_below(&c->rng, 10 * S));
	crowd_run(c, 20 * S);
	assert_int_equal(crowd_attached(c), MANY);
	crowd_slower(c, slower); /* handshakes are not what keeps this server busy */
	for (unsigned int i = 0; i < rude; i++)
		crowd_rude(c, i);
	for (unsigned int i = 0; i < MANY; i++)
		crowd_cut(c, i, true);
	crowd_run(c, 3 * S);
	for (unsigned int i = 0; i < MANY; i++)
		crowd_cut(c, i, false);
	assert_true(crowd_until_attached(c, MANY, most) < most);
	/* And it lasts. */
	crowd_run(c, 10 * S);
	assert_in_range(crowd_attached(c), MANY - MANY / 50, MANY);
	crowd_free(c);
}

static void test_dark(void **state)
{
	dark(0, 11, 10 * S);
}

static void test_dark_for_rude_clients(void **state)
{
	dark(MANY / 3, 11, 10 * S);
}

/* The server says goodbye to all in one moment, and is back after 3 s. */
static void test_restart(void **state)
{
	struct crowd *c = crowd_new(MANY);

	for (unsigned int i = 0; i < MANY; i++)
		crowd_come(c, i, (int64_t)prng_below(&c->rng, 10 * S));
	crowd_run(c, 20 * S);
	assert_int_equal(crowd_attached(c), MANY);
	engine_shutdown(c->server, c->now);
	crowd_kill(c);
	crowd_run(c, 3 * S);
	crowd_serve(c);
	/* 3.5 s of key agreements. */
	assert_true(crowd_until_attached(c, MANY, 10 * S) <= 6 * S);
	crowd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overload), cmocka_unit_test(test_overload_by_rude_clients),
		cmocka_unit_test(test_dark),     cmocka_unit_test(test_dark_for_rude_clients),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
