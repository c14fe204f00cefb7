/* Transports that come and go while a session lives, and more of them than the server grants paths. */
#include "session/engine.h"
#include "session/info.h"
#include "session/path.h"
#include "session/session.h"
#include "world.h"

static struct engine *engine_of(struct world *w)
{
	return world_client_engine(w, 0);
}

static struct candidate candidate_of(uint8_t number)
{
	struct candidate c = { .number = number, .via = number, .remotes = 1 };

	snprintf(c.name, sizeof(c.name), "path%u", number);
	c.remote[0] = (struct endpoint){ world_server_ip(), .port = 4433 };
	return c;
}

static void up(struct world *w, uint8_t number)
{
	const struct candidate c = candidate_of(number);

	engine_candidate_up(engine_of(w), &c, w->now);
}

static void down(struct world *w, uint8_t number)
{
	engine_candidate_down(engine_of(w), number, REASON_TRANSPORT_DEAD, w->now);
}

static void cut(struct world *w, uint8_t number, bool cut)
{
	w->client[0].link[number].cut_up = w->client[0].link[number].cut_down = cut;
}

static bool is_warm(struct world *w, uint8_t number)
{
	struct path *p = world_session(w, 0) ? session_path_numbered(world_session(w, 0), number) : NULL;

	return p && path_is_warm(p, world_session(w, 0)->policy);
}

/* What `show` says of this candidate. */
static struct path_info shown(struct world *w, uint8_t number)
{
	struct session_info info;

	assert_int_equal(world_view(w, WORLD_WORKERS, &info, 1), 1);
	for (size_t i = 0; i < info.npaths; i++)
		if (info.path[i].path == number)
			return info.path[i];
	return (struct path_info){ .path = INFO_NO_PATH };
}

/* `paths` candidates of which the first alone is up, and a session of `granted` paths at most. */
static struct world *world_of(unsigned int paths, uint32_t granted)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = granted;
	p.transport_lost_ttl_ms = 20000;
	world_policy(w, &p);
	w->paths = paths;
	world_start(w);
	for (uint8_t n = 1; n < paths; n++)
		down(w, n);
	return w;
}

static void attach(struct world *w)
{
	world_assert(w, world_until(w, world_all_attached, 2000));
	world_run(w, 2000);
}

static bool on_second(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->active->number == 1;
}

static bool second_is_warm(struct world *w)
{
	return is_warm(w, 1);
}

static bool third_is_warm(struct world *w)
{
	return is_warm(w, 2);
}

/* A modem that comes up when the session is long attached becomes a path of it, and takes over. */
static void test_late_uplink(void **state)
{
	struct world *w = world_new(1, 1);
	const struct candidate second = candidate_of(1);
	const struct session *s;

	w->paths = 1;
	world_start(w);
	w->paths = 2;
	engine_candidate_known(engine_of(w), &second, FAULT_NO_INTERFACE, w->now);
	attach(w);
	s = world_session(w, 0);
	assert_int_equal(shown(w, 1).use, PATH_DOWN);
	assert_int_equal(shown(w, 1).fault, FAULT_NO_INTERFACE);
	assert_string_equal(shown(w, 1).name, "path1");
	world_run(w, 60000);
	up(w, 1);
	world_assert(w, world_until(w, second_is_warm, 1000));
	down(w, 0);
	world_assert(w, world_until(w, on_second, 1000));
	assert_ptr_equal(world_session(w, 0), s);
	world_run(w, 2000); /* until it is drained */
	assert_int_equal(shown(w, 0).use, PATH_DOWN);
	assert_int_equal(shown(w, 0).fault, FAULT_NO_CARRIER);
	world_free(w);
}

/* While nobody has answered yet, candidates that are down are shown with the reason, too. */
static void test_shown_while_connecting(void **state)
{
	struct world *w = world_new(1, 1);
	const struct candidate second = candidate_of(1), other = candidate_of(2);

	w->paths = 1;
	world_start(w);
	cut(w, 0, true);
	w->paths = 3;
	engine_candidate_known(engine_of(w), &second, FAULT_NO_INTERFACE, w->now);
	engine_candidate_known(engine_of(w), &other, FAULT_NO_FAMILY, w->now);
	world_run(w, 1000);
	assert_int_equal(shown(w, 0).use, PATH_UNPROVEN);
	assert_int_equal(shown(w, 1).fault, FAULT_NO_INTERFACE);
	assert_int_equal(shown(w, 2).path, INFO_NO_PATH); /* nobody asked for a second address family */
	engine_candidate_forgotten(engine_of(w), 1, w->now);
	assert_int_equal(shown(w, 1).path, INFO_NO_PATH);
	world_free(w);
}

/* Three transports, two paths: the first two have them, the third is told why it has none, and has its turn when one of them
 * is gone. Who comes back takes its place again. */
static void test_more_than_granted(void **state)
{
	struct world *w = world_of(3, 2);

	for (uint8_t n = 1; n < 3; n++)
		up(w, n);
	attach(w);
	assert_true(is_warm(w, 1) && !is_warm(w, 2));
	assert_int_equal(shown(w, 2).fault, FAULT_NOT_GRANTED);
	down(w, 1);
	world_assert(w, world_until(w, third_is_warm, 1000));
	assert_int_equal(shown(w, 1).fault, FAULT_NO_CARRIER);
	world_run(w, 5000);
	up(w, 1);
	world_assert(w, world_until(w, second_is_warm, 1000));
	assert_null(session_path_numbered(world_session(w, 0), 2));
	assert_int_equal(shown(w, 2).fault, FAULT_NOT_GRANTED);
	world_free(w);
}

/* The same when it dies without a word: a standby path that does not answer makes room, and does not push the one that does
 * aside again and again. */
static void test_dead_standby_makes_room(void **state)
{
	struct world *w = world_of(3, 2);
	unsigned int without = 0;

	for (uint8_t n = 1; n < 3; n++)
		up(w, n);
	attach(w);
	cut(w, 1, true);
	world_assert(w, world_until(w, third_is_warm, 60000));
	for (unsigned int i = 0; i < 600; i++) {
		world_run(w, 1000);
		without += !is_warm(w, 2);
	}
	/* It is tried 30 s later, then a minute, two, four: each time for as long as three probes take. */
	assert_in_range(without, 1, 150);
	cut(w, 1, false);
	down(w, 1);
	up(w, 1);
	world_assert(w, world_until(w, second_is_warm, 3000));
	assert_null(session_path_numbered(world_session(w, 0), 2));
	world_free(w);
}

/* A server that grants one path alone: the dead one holds no place that another could have. */
static void test_single_grant(void **state)
{
	struct world *w = world_of(2, 1);
	const struct session *s;

	up(w, 1);
	attach(w);
	s = world_session(w, 0);
	assert_null(session_path_numbered(world_session(w, 0), 1));
	down(w, 0);
	world_assert(w, world_until(w, on_second, 1000));
	assert_ptr_equal(world_session(w, 0), s);
	world_free(w);
}

static void test_single_grant_in_silence(void **state)
{
	struct world *w = world_of(2, 1);
	const struct session *s;

	up(w, 1);
	attach(w);
	s = world_session(w, 0);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	cut(w, 0, true);
	world_assert(w, world_until(w, on_second, 5000));
	assert_ptr_equal(world_session(w, 0), s);
	world_free(w);
}

/* An order may ask for a transport that has no path for want of room. */
static void test_order_makes_room(void **state)
{
	struct world *w = world_of(3, 2);

	for (uint8_t n = 1; n < 3; n++)
		up(w, n);
	attach(w);
	world_jump(w, 0, 2, 77);
	world_run(w, 1000);
	assert_int_equal(w->jumped.n, 1);
	assert_int_equal(w->jumped.why, REASON_NONE);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_uplink),
		cmocka_unit_test(test_shown_while_connecting),
		cmocka_unit_test(test_more_than_granted),
		cmocka_unit_test(test_dead_standby_makes_room),
		cmocka_unit_test(test_single_grant),
		cmocka_unit_test(test_single_grant_in_silence),
		cmocka_unit_test(test_order_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
