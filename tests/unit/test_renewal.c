/* The next session before this one's lifetime ends: nothing inside is lost over it, and what is kept for that is
 * bounded. */
#include "session/client_state.h"
#include "session/connect.h"
#include "session/engine.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static uint8_t old_id[16];

static bool renewed(struct world *w)
{
	return world_all_attached(w) && memcmp(world_session(w, 0)->id, old_id, 16) != 0;
}

static bool next_waits(struct world *w)
{
	const struct client *c = world_client_engine(w, 0)->client;

	return c->session && c->next;
}

/* Attached, with traffic both ways; a lifetime of 60 s. */
static struct world *with_lifetime(int64_t delay_us, uint32_t drain_ms)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.max_lifetime_ms = 60000;
	p.drain_ms = drain_ms;
	world_policy(w, &p);
	for (unsigned int i = 0; i < WORLD_PATHS; i++)
		w->client[0].link[i].delay_us = delay_us;
	world_attach(w);
	memcpy(old_id, world_session(w, 0)->id, 16);
	world_traffic(w, &w->client[0].up, 2000, false);
	world_traffic(w, &w->client[0].down, 2000, false);
	return w;
}

static void assert_nothing_lost(struct world *w)
{
	struct world_client *c = &w->client[0];

	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 2000);
	world_assert(w, c->up.got == c->up.sent && c->down.got == c->down.sent);
	world_assert(w, c->up.twice == 0 && c->down.twice == 0);
}

static void nothing_lost_at(int64_t delay_us)
{
	struct world *w = with_lifetime(delay_us, 1000);
	const int64_t gap = 2000 + delay_us / 10;

	world_run(w, 4 * (uint64_t)delay_us / 1000 + 100);
	w->client[0].up.gap_us = w->client[0].down.gap_us = 0;
	world_assert(w, world_until(w, renewed, 60000));
	world_run(w, 3000);
	world_assert(w, w->client[0].up.gap_us <= gap && w->client[0].down.gap_us <= gap);
	assert_nothing_lost(w);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_STATE_CHANGE, REASON_NONE, 0), 3);
	world_free(w);
}

static void test_nothing_lost(void **state)
{
	nothing_lost_at(500);
	nothing_lost_at(25000);
	nothing_lost_at(200000);
}

/* The first `n` packets by which the server tells the client that the next session is attached. */
static bool first_answers(struct world *w, const struct datagram *d)
{
	const struct session *next = world_client_engine(w, 0)->client->next;

	if (d->up || w->swallow_left == 0 || !next || !is_control(d) ||
	    memcmp(d->data + 8, next->slot[0].locator, 8) != 0)
		return false;
	w->swallow_left--;
	return true;
}

/* Those are lost, and only the CLOSE of the old session comes: the client holds on to that one, and takes what
 * arrives by the new one. */
static void test_answers_lost(void **state)
{
	for (uint32_t n = 1; n <= 4; n++) {
		struct world *w = with_lifetime(5000, 1000);

		world_assert(w, world_until(w, next_waits, 60000));
		w->swallow = first_answers;
		w->swallow_left = n;
		world_assert(w, world_until(w, renewed, 1000));
		assert_int_equal(w->swallowed, n);
		assert_nothing_lost(w);
		assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1);
		world_free(w);
	}
}

/* A packet of the old session that the network held back. */
static struct datagram held(struct world *w, bool up)
{
	uint8_t packet[100];
	struct datagram d;

	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
	w->recording = RECORD_SENT;
	w->record.n = 0;
	world_packet(packet, sizeof(packet), up ? "10.8.0.2" : "10.8.0.1", up ? "10.8.0.1" : "10.8.0.2");
	world_inner(w, up ? CLIENT : 0, packet, sizeof(packet));
	w->recording = RECORD_NOTHING;
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = false;
	d = w->record.list[w->record.n - 1];
	assert_true(d.up == up && d.inner);
	return d;
}

static uint32_t strange(struct world *w, bool up)
{
	return w->engine[up ? 0 : CLIENT].strange;
}

/* To the millisecond, once each, and nobody says or notes anything. */
static void drained_until(bool up)
{
	struct world *w = with_lifetime(500, 700);
	struct datagram d[2];
	size_t audits;

	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_assert(w, world_until(w, next_waits, 60000));
	d[0] = held(w, up);
	d[1] = held(w, up);
	world_assert(w, world_until(w, renewed, 1000));
	world_run(w, 690);
	audits = w->audits;
	w->recording = RECORD_SENT;
	w->record.n = 0;
	world_late(w, &d[0]);
	assert_int_equal(strange(w, up), 1);
	world_late(w, &d[0]);
	assert_int_equal(strange(w, up), 1);
	assert_int_equal(w->record.n, 0);
	/* The network is heard before the timers: the bound does not wait for them. */
	w->now = time_add_ms(w->now, 11);
	if (up)
		world_late(w, &d[1]);
	assert_int_equal(strange(w, up), 1);
	world_run(w, 0);
	w->record.n = 0;
	if (up) { /* a client has closed the socket: nothing can come there */
		world_late(w, &d[1]);
		assert_int_equal(w->record.n, 1); /* RESET */
		assert_int_equal(w->record.list[0].data[0], PACKET_RESET);
	} else {
		assert_false(w->client[0].socket[d[1].route.socket].open);
	}
	assert_int_equal(strange(w, up), 1);
	assert_int_equal(w->engine[0].e->nsuperseded + w->engine[CLIENT].e->nsuperseded, 0);
	/* Nor that one came twice: from its own address, and so soon, it is a copy that the network has made. */
	assert_int_equal(w->audits, audits);
	world_free(w);
}

static void test_drain_ends(void **state)
{
	drained_until(true);
	drained_until(false);
}

/* CONTROL of a superseded session does nothing, whatever it says. */
static void test_late_control(void **state)
{
	struct world *w = with_lifetime(500, 1000);
	struct datagram d;
	uint64_t wrong;
	size_t audits;

	world_assert(w, world_until(w, next_waits, 60000));
	w->recording = RECORD_SENT;
	w->swallow = NULL;
	world_swallow_frame(w, true, FRAME_BIT(FRAME_JUMP), 1);
	world_jump(w, 0, 1, 7);
	d = world_recorded(w, true, FRAME_BIT(FRAME_JUMP));
	world_swallow_frame(w, true, 0, 0);
	world_assert(w, world_until(w, renewed, 1000));
	audits = w->audits;
	w->record.n = 0;
	wrong = world_count(w, 0, COUNT_DROP_WRONG_PATH);
	world_late(w, &d);
	assert_int_equal(world_count(w, 0, COUNT_DROP_WRONG_PATH), wrong + 1);
	assert_int_equal(w->record.n, 0);
	assert_int_equal(w->audits, audits);
	assert_int_equal(w->jumped.n, 1); /* the order ended with its session, and said so */
	assert_int_equal(w->jumped.why, REASON_SUPERSEDED);
	world_run(w, 3000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static void test_no_drain(void **state)
{
	struct world *w = with_lifetime(500, 0);

	world_assert(w, world_until(w, renewed, 60000));
	assert_int_equal(w->engine[0].e->nsuperseded + w->engine[CLIENT].e->nsuperseded, 0);
	world_free(w);
}

/* Never beyond the old session's lifetime. */
static void test_drain_within_lifetime(void **state)
{
	struct world *w = with_lifetime(500, 10000);
	const struct session *late;

	world_swallow_type(w, false, PACKET_WELCOME, 3);
	world_assert(w, world_until(w, renewed, 60000));
	late = w->engine[0].e->callers[0]->has.superseded;
	assert_non_null(late);
	assert_true(late->superseded_until.us == late->born.us + 60000000);
	world_free(w);
}

/* Take-overs in quick succession: one is drained, no more. */
static void test_one_is_drained(void **state)
{
	struct world *w = with_lifetime(500, 10000);
	struct engine *c = world_client_engine(w, 0);

	for (unsigned int i = 0; i < 5; i++) {
		memcpy(old_id, world_session(w, 0)->id, 16);
		connect_start(c, w->now);
		world_assert(w, world_until(w, renewed, 1000));
		assert_int_equal(w->engine[0].e->nsuperseded, 1);
		assert_int_equal(c->nsuperseded, 1);
		assert_int_equal(engine_session_count(c), 1);
	}
	assert_nothing_lost(w);
	/* An end that is no take-over is the end of all. */
	assert_true(engine_terminate(w->engine[0].e, world_peer(w, 0)->id, w->now));
	assert_int_equal(w->engine[0].e->nsuperseded, 0);
	world_run(w, 2);
	assert_int_equal(c->nsuperseded, 0);
	world_free(w);
}

/* A copy of the machine has the keys of what is drained, too: nothing comes in under them any more, at either end. */
static void test_cloned(void **state)
{
	for (unsigned int client = 0; client < 2; client++) {
		struct world *w = with_lifetime(500, 10000);
		struct engine *e = client ? world_client_engine(w, 0) : w->engine[0].e;

		world_assert(w, world_until(w, renewed, 60000));
		assert_int_equal(e->nsuperseded, 1);
		engine_cloned(e, w->now);
		assert_int_equal(e->nsuperseded, 0);
		assert_true(list_is_empty(&e->superseded));
		world_free(w);
	}
}

/* Under the old session a removed peer has no say either, and one that moves in the list is still himself. */
static void test_reload(void **state)
{
	struct world *w = with_lifetime(500, 10000);
	struct datagram up[2];
	struct config *next;

	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_assert(w, world_until(w, next_waits, 60000));
	up[0] = held(w, true);
	up[1] = held(w, true);
	world_assert(w, world_until(w, renewed, 1000));
	next = world_config_next(w);
	next->peers = realloc(next->peers, 2 * sizeof(*next->peers));
	next->peers[1] = next->peers[0];
	next->npeers = 2;
	memset(next->peers[0].public_key, 1, 32);
	next->peers[0].addresses = NULL;
	next->peers[0].routes = NULL;
	next->peers[0].dns = NULL;
	next->peers[0].naddresses = next->peers[0].nroutes = next->peers[0].ndns = 0;
	world_reload(w, next);
	assert_ptr_equal(w->engine[0].e->callers[1]->has.superseded,
			 container_of(w->engine[0].e->superseded.next, struct session, node));
	world_late(w, &up[0]);
	assert_int_equal(strange(w, true), 1);

	next = world_config_next(w);
	free(next->peers[1].addresses);
	free(next->peers[1].routes);
	free(next->peers[1].dns);
	next->npeers = 1;
	world_reload(w, next);
	assert_int_equal(w->engine[0].e->nsuperseded, 0);
	world_late(w, &up[1]);
	assert_int_equal(strange(w, true), 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_lost),   cmocka_unit_test(test_answers_lost),
		cmocka_unit_test(test_drain_ends),     cmocka_unit_test(test_late_control),
		cmocka_unit_test(test_no_drain),       cmocka_unit_test(test_drain_within_lifetime),
		cmocka_unit_test(test_one_is_drained), cmocka_unit_test(test_cloned),
		cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
