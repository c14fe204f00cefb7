/* A server that cannot read all that comes, and clients of a server that does not answer: who asks how often. */
#include "session/engine.h"
#include "session/session.h"
#include "session/silence.h"
#include "world.h"

static void cut_up(struct world *w)
{
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = true;
}

/* The server sends, and what the client answers is lost on the way: by the silence it would take the path for dead. */
static struct session *unanswered(struct world *w)
{
	struct session *s;

	world_attach(w);
	world_traffic(w, &w->client[0].down, 5000, false);
	world_run(w, 1000);
	s = world_peer(w, 0);
	assert_int_equal(s->state, STATE_ATTACHED);
	cut_up(w);
	return s;
}

/* It loses what comes, and knows it. */
static void press(struct world *w, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i += 100) {
		engine_pressed(world_home(w, 0), w->now);
		world_run(w, 100);
	}
}

static void test_free_server_asks(void **state)
{
	struct world *w = world_new(1, 1);
	struct session *s = unanswered(w);

	world_run(w, 2000);
	assert_int_not_equal(s->state, STATE_ATTACHED);
	world_free(w);
}

static void test_pressed_server_asks_nobody(void **state)
{
	struct world *w = world_new(1, 1);
	struct session *s = unanswered(w);
	const uint32_t asked = s->next_ping_id;

	press(w, 10000);
	assert_int_equal(s->next_ping_id, asked);
	assert_int_equal(s->state, STATE_ATTACHED);
	world_run(w, 2000); /* it is not pressed any more */
	assert_int_not_equal(s->state, STATE_ATTACHED);
	world_free(w);
}

/* Who has not been heard for three heartbeats of an idle session is asked all the same. */
static void test_pressed_for_long(void **state)
{
	struct world *w = world_new(1, 1);
	struct session *s = unanswered(w);
	const uint64_t most = 3ull * s->policy->heartbeat_idle_ms;

	press(w, most - 1000);
	assert_int_equal(s->state, STATE_ATTACHED);
	press(w, 3000);
	assert_int_not_equal(s->state, STATE_ATTACHED);
	world_free(w);
}

static void test_silence_slows(void **state)
{
	struct world *w = world_new(1, 1);
	const int64_t us = 50000;
	struct session *s;
	struct jv_time cut;

	world_attach(w);
	world_run(w, 1000);
	s = world_session(w, 0);
	assert_int_equal(silence_pace_us(s, us, 0, w->now), us); /* of a session that is ATTACHED: as it was */
	world_traffic(w, &w->client[0].up, 5000, false);
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = w->client[0].link[n].cut_down = true;
	cut = w->now;
	world_run(w, 2900);
	assert_int_equal(silence_pace_us(s, us, 0, w->now), us); /* most holes have ended by then */
	world_run(w, 3000);
	for (uint32_t nth = 0; nth < 100; nth++) {
		const int64_t quarter = time_diff_us(w->now, cut) / 4;

		assert_in_range(silence_pace_us(s, us, nth, w->now), quarter * 70 / 100, quarter);
	}
	assert_int_equal(silence_pace_us(s, 10000000, 0, w->now), 10000000); /* never sooner than it would be */
	world_run(w, 20000);
	for (uint32_t nth = 0; nth < 100; nth++)
		assert_in_range(silence_pace_us(s, us, nth, w->now), s->policy->heartbeat_volatile_ms * 750ll,
				s->policy->heartbeat_volatile_ms * 1000ll);
	world_free(w);
}

/* PINGs and JUMPs of the 4 s after 6 s of silence, with both paths dead. */
static void test_silent_client_asks_seldom(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy policy = policy_defaults;
	struct session *s;
	uint32_t pings, jumps;

	policy.max_candidates = WORLD_PATHS;
	policy.recovery_window_ms = 30000;
	world_policy(w, &policy);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, false);
	world_run(w, 1000);
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = w->client[0].link[n].cut_down = true;
	world_run(w, 6000);
	s = world_session(w, 0);
	pings = s->next_ping_id;
	jumps = s->next_jump_id;
	world_run(w, 4000);
	assert_in_range(s->next_ping_id - pings, 4, 12);
	assert_in_range(s->next_jump_id - jumps, 1, 2);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_server_asks),
		cmocka_unit_test(test_pressed_server_asks_nobody),
		cmocka_unit_test(test_pressed_for_long),
		cmocka_unit_test(test_silence_slows),
		cmocka_unit_test(test_silent_client_asks_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
