/* Where a path leads, and what an address must have shown before much is sent there. */
#include "world.h"

/* A session that may move `max` times a minute, of each kind, without a pause. */
static struct world *with_switches(uint32_t max)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.max_switches_per_min = max;
	p.switch_cooldown_ms = 0;
	world_policy(w, &p);
	w->paths = 2;
	world_attach(w);
	return w;
}

static uint32_t switches_left(struct world *w)
{
	return switch_limit_left(&world_peer(w, 0)->limit, 60, w->now);
}

static unsigned int rebindings(struct world *w)
{
	return world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0);
}

/* --- the budget of rebindings --- */

/*
 * A NAT on one path gives out one port after the other. That costs no switch; and when the minute has no rebinding left,
 * the client leaves for the other path.
 */
static void test_address_that_never_settles(void **state)
{
	struct world *w = with_switches(3);

	world_traffic(w, &w->client[0].up, 20000, false);
	for (unsigned int i = 1; i <= 3; i++) {
		world_run(w, 700);
		w->client[0].link[0].nat++;
		world_run(w, 700);
		world_assert(w, rebindings(w) == i && world_peer(w, 0)->active->number == 0);
	}
	assert_int_equal(switches_left(w), 3);
	w->client[0].link[0].nat++;
	world_run(w, 1000);
	assert_int_equal(rebindings(w), 3);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 1);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_STATE_CHANGE, REASON_ADDRESS_CHANGED, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_PEER_REPORTED, 0), 1);
	world_free(w);
}

/* A jump for loss when all switches but the last are used up. */
static bool leaves_for_loss(uint32_t loss_ppm)
{
	struct world *w = with_switches(2);
	bool left;

	world_jump(w, 0, 1, 1);
	world_run(w, 100);
	world_assert(w, world_session(w, 0)->active->number == 1 && switches_left(w) == 1);
	world_traffic(w, &w->client[0].up, 2000, true);
	world_run(w, 1000);
	w->client[0].link[1].loss_ppm = loss_ppm;
	world_run(w, 15000);
	left = world_session(w, 0)->active->number == 0;
	world_assert(w, left == (world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_LOSS_THRESHOLD_EXCEEDED,
					      0) == 1));
	assert_int_equal(switches_left(w), left ? 0 : 1);
	world_free(w);
	return left;
}

static void test_reserve_for_great_loss(void **state)
{
	assert_true(leaves_for_loss(700000));
	assert_false(leaves_for_loss(350000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_that_never_settles),
		cmocka_unit_test(test_reserve_for_great_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
