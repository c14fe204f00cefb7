/* A kernel that spoils runs of datagrams: they die on the way, single ones do not. */
#include "world.h"

static uint32_t every; /* one of so many that may be in a run is lost */
static bool blind;     /* single ones, too */

static bool runs_die(struct world *w, const struct datagram *d)
{
	static uint32_t n;

	(void)w;
	return d->up && d->inner && (blind || !d->singly) && n++ % every == 0;
}

/* One path, so that nothing but this can help. */
static struct world *one_path(uint32_t lost)
{
	struct world *w = world_new(1, 1);

	w->paths = 1;
	every = lost;
	blind = false;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 2000, false);
	world_run(w, 3000);
	return w;
}

static struct runs *runs_of(struct world *w)
{
	return &world_session(w, 0)->active->health->runs;
}

static void test_half_of_the_runs(void **state)
{
	struct world *w = one_path(2);
	uint32_t sent, got;

	(void)state;
	assert_false(runs_of(w)->singly);
	w->swallow = runs_die;
	world_run(w, 15000);
	assert_true(runs_of(w)->singly && runs_of(w)->found);
	assert_int_equal(world_count(w, WORLD_WORKERS, COUNT_RUNS_STOPPED), 1);
	sent = w->client[0].up.sent;
	got = w->client[0].up.got;
	world_run(w, 60000);
	assert_true(w->client[0].up.sent - sent - (w->client[0].up.got - got) < 10);
	assert_true(runs_of(w)->singly);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* Loss that is no matter of runs: tried, and given up for a while. */
static void test_all_are_lost_alike(void **state)
{
	struct world *w = one_path(2);

	(void)state;
	blind = true;
	w->swallow = runs_die;
	world_run(w, 60000);
	assert_false(runs_of(w)->singly || runs_of(w)->found);
	assert_int_equal(world_count(w, WORLD_WORKERS, COUNT_RUNS_STOPPED), 0);
	assert_false(time_before(runs_of(w)->not_before, w->now));
	world_free(w);
}

static void test_no_loss(void **state)
{
	struct world *w = one_path(2);

	(void)state;
	world_run(w, 30000);
	assert_false(runs_of(w)->singly);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_of_the_runs),
		cmocka_unit_test(test_all_are_lost_alike),
		cmocka_unit_test(test_no_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
