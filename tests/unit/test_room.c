/* As many sessions as max_sessions allows, and no more: who is refused, who is not, and what a reload does. */
#include "session/client_state.h"
#include "session/connect.h"
#include "session/engine.h"
#include "world.h"

static size_t sessions(const struct world *w)
{
	size_t n = 0;

	for (unsigned int i = 0; i < w->workers; i++)
		n += engine_session_count(w->engine[i].e);
	return n;
}

static unsigned int refusals(struct world *w)
{
	return world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_SESSION_LIMIT_REACHED, 0);
}

static bool is_attached(struct world *w, unsigned int client)
{
	const struct session *s = world_session(w, client);

	return s && s->state == STATE_ATTACHED && world_peer(w, client);
}

static unsigned int attached(struct world *w)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->clients; i++)
		n += is_attached(w, i);
	return n;
}

static bool two_are_attached(struct world *w)
{
	return attached(w) == 2;
}

/* Three peers call, and two of them get a session. */
static struct world *full(unsigned int workers, uint32_t max)
{
	struct world *w = world_new(workers, 3);

	w->config->max_sessions = max;
	world_start(w);
	world_assert(w, world_until(w, two_are_attached, 2000));
	world_run(w, 10000);
	return w;
}

static unsigned int left_out(struct world *w)
{
	for (unsigned int i = 0; i < w->clients; i++)
		if (!is_attached(w, i))
			return i;
	fail_msg("each has a session");
	return 0;
}

/* The others carry on; it is counted, and told once a second at most; and who is refused gets in once there is room. */
static void test_full(void **state)
{
	struct world *w = full(1, 2);
	const unsigned int out = left_out(w), in = (out + 1) % 3;
	const uint64_t refused = world_served(w, COUNT_HELLO_SESSION_LIMIT);

	(void)state;
	assert_int_equal(attached(w), 2);
	assert_int_equal(sessions(w), 2);
	assert_true(refused > 3);
	assert_in_range(refusals(w), 1, 12);
	assert_int_equal(world_served(w, COUNT_HELLO_NO_MEMORY), 0);
	world_traffic(w, &w->client[in].up, 10000, true);
	world_run(w, 2000);
	assert_int_equal(w->client[in].up.echoed + 1 >= w->client[in].up.sent, true);
	/* One goes, and stays away. */
	world_traffic(w, &w->client[in].up, 0, false);
	w->client[in].link[0].cut_up = w->client[in].link[1].cut_up = w->client[in].link[2].cut_up =
		w->client[in].link[3].cut_up = true;
	assert_true(engine_terminate(world_home(w, in), world_peer(w, in)->id, w->now));
	world_assert(w, world_until(w, two_are_attached, 20000));
	assert_true(is_attached(w, out));
	world_free(w);
}

/* A peer that has a session gets its next one, however full it is: it takes the place of the one it has. */
static void test_renewal_when_full(void **state)
{
	struct world *w = full(1, 2);
	const unsigned int in = (left_out(w) + 1) % 3;
	uint8_t id[PROTO_SESSION_ID_LEN];

	(void)state;
	memcpy(id, world_session(w, in)->id, sizeof(id));
	connect_start(world_client_engine(w, in), w->now);
	world_run(w, 2000);
	assert_true(is_attached(w, in));
	assert_memory_not_equal(world_session(w, in)->id, id, sizeof(id));
	assert_int_equal(attached(w), 2);
	assert_int_equal(sessions(w), 2);
	world_free(w);
}

/* Each worker has a part as large as its part of the peers: each of these may have one, wherever it lives. */
static void test_parts(void **state)
{
	struct world *w = world_new(2, 3);

	(void)state;
	w->config->max_sessions = 3;
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, 2000));
	assert_int_equal(world_served(w, COUNT_HELLO_SESSION_LIMIT), 0);
	world_free(w);

	w = world_new(2, 3);
	w->config->max_sessions = 3;
	for (unsigned int i = 0; i < 3; i++)
		w->config->peers[i].home = 1;
	world_start(w);
	world_assert(w, world_until(w, world_all_attached, 2000));
	assert_int_equal(world_served(w, COUNT_HELLO_SESSION_LIMIT), 0);
	world_free(w);

	/* 1 * 2 / 3 at one worker, 1 * 1 / 3 at the other, each rounded up. */
	w = full(2, 1);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	assert_int_equal(engine_session_count(w->engine[1].e), 1);
	world_free(w);
}

static void reload(struct world *w, uint32_t max)
{
	struct config *next = world_config_next(w);

	next->max_sessions = max;
	world_reload(w, next);
}

/* Fewer than there are: none of them ends, none is born until there are fewer; and with more room, all come. */
static void test_reload(void **state)
{
	struct world *w = world_new(1, 3);
	size_t from;

	(void)state;
	world_attach(w);
	from = w->audits;
	reload(w, 1);
	world_run(w, 30000);
	assert_int_equal(attached(w), 3);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_NONE, from), 0);
	/* Not even the next one of a peer that has one. */
	connect_start(world_client_engine(w, 1), w->now);
	world_run(w, 3000);
	assert_true(world_served(w, COUNT_HELLO_SESSION_LIMIT) > 0);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_CREATED, REASON_NONE, from), 0);
	assert_int_equal(attached(w), 3);
	connect_stop(world_client_engine(w, 1));
	for (unsigned int i = 0; i < 2; i++)
		assert_true(engine_terminate(world_home(w, i), world_peer(w, i)->id, w->now));
	world_run(w, 10000);
	assert_int_equal(sessions(w), 1);
	assert_true(is_attached(w, 2));
	reload(w, 3);
	world_assert(w, world_until(w, world_all_attached, 20000));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_renewal_when_full),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
