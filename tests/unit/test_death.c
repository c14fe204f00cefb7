/* Paths that die, wholly or one way, links that go and come, addresses that change under a session. */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/path.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static unsigned int client_state(struct world *w)
{
	return world_session(w, 0) ? world_session(w, 0)->state : STATE_TERMINATED;
}

static bool left_path_0(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->active->number != 0;
}

static bool moved(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->binding_version == 1;
}

static bool client_degraded(struct world *w)
{
	return client_state(w) == STATE_DEGRADED;
}

static void cut(struct world *w, unsigned int path, bool up, bool down)
{
	w->client[0].link[path].cut_up = up;
	w->client[0].link[path].cut_down = down;
}

static void cut_all(struct world *w, bool on)
{
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		cut(w, n, on, on);
}

/* Requests and answers at 1 ms round trip: attached elsewhere within the bound, and the traffic too. */
static void blackhole(bool up, bool down, int64_t interval_us, uint64_t bound_ms)
{
	struct world *w = world_new(1, 1);
	struct jv_time when;
	uint8_t id[16];

	world_attach(w);
	memcpy(id, world_session(w, 0)->id, 16);
	world_traffic(w, &w->client[0].up, interval_us, true);
	world_run(w, 3003);
	when = w->now;
	cut(w, 0, up, down);
	world_assert(w, world_until(w, left_path_0, bound_ms));
	assert_memory_equal(world_session(w, 0)->id, id, 16);
	world_run(w, 1000);
	assert_in_range(w->client[0].up.gap_us, 0, bound_ms * 1000);
	assert_true(world_session(w, 0)->binding_version == 1 && world_peer(w, 0)->binding_version == 1);
	assert_true(w->client[0].up.got + bound_ms * 1000 / (uint64_t)interval_us >= w->client[0].up.sent);
	world_assert(w, world_all_attached(w));
	/* The dead path may stay dead: nothing more happens. */
	world_run(w, 20000);
	world_assert(w, world_session(w, 0)->binding_version == 1 && world_all_attached(w));
	(void)when;
	world_free(w);
}

static void test_blackhole(void **state)
{
	blackhole(true, true, 5000, 100);
	blackhole(true, false, 5000, 100);
	blackhole(false, true, 5000, 100);
	blackhole(true, true, 40000, 150);
	blackhole(true, false, 40000, 150);
	blackhole(false, true, 40000, 150);
}

/* The server alone sends: the client's heartbeat notices, or the server's own probes and its PEER_DEAD. */
static void downlink_only(bool up, bool down)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_traffic(w, &w->client[0].down, 5000, false);
	world_run(w, 3003);
	cut(w, 0, up, down);
	world_assert(w, world_until(w, left_path_0, 1500));
	world_run(w, 1000);
	assert_true(w->client[0].down.gap_us < 1500000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static void test_downlink_only(void **state)
{
	downlink_only(true, true);
	downlink_only(false, true);
	downlink_only(true, false);
}

static void test_uplink_only(void **state)
{
	for (unsigned int way = 1; way < 4; way++) {
		struct world *w = world_new(1, 1);

		world_attach(w);
		world_traffic(w, &w->client[0].up, 5000, false);
		world_run(w, 3003);
		cut(w, 0, way & 1, way & 2);
		world_assert(w, world_until(w, left_path_0, 2500));
		world_run(w, 1000);
		world_assert(w, world_all_attached(w));
		world_free(w);
	}
}

/* An idle session finds out when its heartbeat comes. */
static void test_idle(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	cut(w, 0, true, true);
	world_assert(w, world_until(w, left_path_0, 16000));
	world_free(w);
}

/* The best path is chosen: the quicker of the two that are left. */
static void test_best(void **state)
{
	struct world *w = world_new(1, 1);

	w->client[0].link[1].delay_us = 5000;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	cut(w, 0, true, true);
	world_assert(w, world_until(w, left_path_0, 200));
	assert_int_equal(world_session(w, 0)->active->number, 2);
	world_free(w);
}

/* The chosen one is dead too, unnoticed: the next. */
static void test_two_dead(void **state)
{
	struct world *w = world_new(1, 1);

	w->client[0].link[1].delay_us = 400;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	cut(w, 0, true, true);
	cut(w, 1, true, true);
	world_assert(w, world_until(w, left_path_0, 1000));
	assert_int_equal(world_session(w, 0)->active->number, 2);
	world_free(w);
}

/* There and back again under traffic, each time on time: budget and cooldown forbid none of these. */
static void test_alternating(void **state)
{
	struct world *w = world_new(1, 1);
	unsigned int active = 0;

	w->paths = 2;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	for (unsigned int i = 0; i < 6; i++) {
		world_run(w, 6000);
		cut(w, active, true, true);
		world_run(w, 200);
		world_assert(w, world_all_attached(w));
		world_assert(w, world_session(w, 0)->active->number == !active);
		world_assert(w, world_session(w, 0)->binding_version == i + 1);
		cut(w, active, false, false);
		active = !active;
	}
	world_free(w);
}

/* The only path is dead for longer than the recovery window: the session waits, and goes on when it heals. */
static void only_path(uint64_t dead_ms, bool traffic, unsigned int paths)
{
	struct world *w = world_new(1, 1);
	uint8_t id[16];

	w->paths = paths;
	world_attach(w);
	memcpy(id, world_session(w, 0)->id, 16);
	if (traffic)
		world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2003);
	cut_all(w, true);
	world_assert(w, world_until(w, client_degraded, 40000));
	world_run(w, dead_ms);
	world_assert(w, client_degraded(w) || client_state(w) == STATE_RECOVERING);
	cut_all(w, false);
	world_assert(w, world_until(w, world_all_attached, 5000));
	assert_memory_equal(world_session(w, 0)->id, id, 16);
	assert_memory_equal(world_peer(w, 0)->id, id, 16);
	world_run(w, 5000);
	world_assert(w, world_all_attached(w));
	if (traffic)
		assert_true(w->now.us - w->client[0].up.last_got.us < 20000);
	world_free(w);
}

static void test_heals(void **state)
{
	only_path(10000, true, 1);
	only_path(10000, false, 1);
	only_path(60000, true, 1);
	only_path(60000, true, 3);
	only_path(10000, false, 3);
}

/* A short hole is over before anybody moves. */
static void test_short_hole(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1002);
	cut(w, 0, true, true);
	world_run(w, 25);
	cut(w, 0, false, false);
	world_run(w, 1000);
	assert_int_equal(world_session(w, 0)->binding_version, 0);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static bool both_gone(struct world *w)
{
	return !world_session(w, 0) && !world_peer(w, 0);
}

/* Beyond its TTL a session without a transport ends, at both ends, and a new one is made when it can be. */
static void test_transport_ttl(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t id[16];

	world_attach(w);
	memcpy(id, world_session(w, 0)->id, 16);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1003);
	cut_all(w, true);
	world_run(w, 115000);
	assert_non_null(world_session(w, 0));
	world_assert(w, world_until(w, both_gone, 40000)); /* the server noticed later */
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_TRANSPORT_TTL_EXCEEDED, 0),
			 1);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_TRANSPORT_TTL_EXCEEDED, 0),
			 1);
	world_run(w, 10000);
	cut_all(w, false);
	world_assert(w, world_until(w, world_all_attached, 10000));
	assert_memory_not_equal(world_session(w, 0)->id, id, 16);
	world_free(w);
}

/* Loss on the active path, none on the others: a move for quality. */
static void test_loss(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 3000);
	w->client[0].link[0].loss_ppm = 350000;
	world_assert(w, world_until(w, left_path_0, 10000));
	world_free(w);
}

static void test_latency(void **state)
{
	struct policy p = policy_defaults;
	struct world *w = world_new(1, 1);

	p.max_candidates = WORLD_PATHS;
	p.latency_volatile_threshold_ms = 100;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 3000);
	w->client[0].link[0].delay_us = 100000;
	world_assert(w, world_until(w, left_path_0, 15000));
	world_run(w, 1000);
	assert_true(world_audits(w, true, AUDIT_SESSION_STATE_CHANGE, REASON_LATENCY_THRESHOLD_EXCEEDED, 0) +
			    world_audits(w, true, AUDIT_SESSION_STATE_CHANGE,
					 REASON_CONSECUTIVE_DROP_EXCEEDED, 0) >
		    0);
	world_free(w);
}

/* The link says so itself: no probing is needed. */
static void test_candidate_down(void **state)
{
	struct world *w = world_new(1, 1);
	struct candidate cand;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2000);
	cand = world_client_engine(w, 0)->client->candidate[0].c;
	cut(w, 0, true, true);
	engine_candidate_down(world_client_engine(w, 0), 0, REASON_TRANSPORT_DEAD, w->now);
	world_assert(w, world_until(w, moved, 5));
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_TRANSPORT_DEAD, 0), 1);
	world_run(w, 2000);
	assert_null(session_path_numbered(world_session(w, 0), 0));
	/* A standby one goes: nobody minds. */
	engine_candidate_down(world_client_engine(w, 0), 2, REASON_TRANSPORT_DEAD, w->now);
	world_run(w, 100);
	world_assert(w, world_session(w, 0)->binding_version == 1 && world_all_attached(w));
	/* ... and it comes back, warm. */
	cut(w, 0, false, false);
	engine_candidate_up(world_client_engine(w, 0), &cand, w->now);
	world_run(w, 100);
	assert_true(path_is_warm(session_path_numbered(world_session(w, 0), 0), world_session(w, 0)->policy));
	world_run(w, 40000);
	world_assert(w, world_session(w, 0)->active->number == 0 && world_all_attached(w)); /* fail-back */
	world_free(w);
}

static void test_all_down(void **state)
{
	struct world *w = world_new(1, 1);
	struct candidate cand;
	uint8_t id[16];

	world_attach(w);
	memcpy(id, world_session(w, 0)->id, 16);
	cand = world_client_engine(w, 0)->client->candidate[2].c;
	for (uint8_t n = 0; n < 3; n++) {
		cut(w, n, true, true);
		engine_candidate_down(world_client_engine(w, 0), n, REASON_TRANSPORT_DEAD, w->now);
	}
	world_run(w, 20000);
	world_assert(w, client_state(w) == STATE_DEGRADED);
	cut(w, 2, false, false);
	engine_candidate_up(world_client_engine(w, 0), &cand, w->now);
	world_assert(w, world_until(w, left_path_0, 1500));
	assert_memory_equal(world_session(w, 0)->id, id, 16);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	world_free(w);
}

/* Its local address changed: the session moves to a fresh socket, there or elsewhere. */
static void test_candidate_moved(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2000);
	engine_candidate_moved(world_client_engine(w, 0), 0, w->now);
	world_assert(w, world_until(w, moved, 100));
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_ADDRESS_CHANGED, 0), 1);
	world_run(w, 2000);
	engine_candidate_moved(world_client_engine(w, 0), world_session(w, 0)->active->number == 1 ? 2 : 1,
			       w->now);
	world_run(w, 2000);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->binding_version == 1);
	assert_int_equal(w->locators_reused, 0);
	world_free(w);
}

/* --- a NAT on the way forgets its mappings --- */

static bool rebound(struct world *w)
{
	return world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0) > 0;
}

static void test_rebinding(void **state)
{
	struct world *w = world_new(1, 1);
	uint64_t swallowed;

	w->paths = 1;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2002);
	/* While the new address has not answered, replies go to the old one. */
	world_swallow_frame(w, true, FRAME_BIT(FRAME_PATH_RESPONSE), 1000);
	w->client[0].link[0].nat++;
	swallowed = w->stranger_bytes;
	world_run(w, 20);
	assert_true(w->stranger_bytes > swallowed); /* nobody has the old address any more */
	assert_false(rebound(w));
	world_swallow_frame(w, true, 0, 0);
	world_run(w, 3000);
	world_assert(w, world_all_attached(w));
	world_assert(w, w->now.us - w->client[0].up.last_got.us < 20000);
	assert_true(w->client[0].up.got + 5 > w->client[0].up.sent); /* its DATA was taken all the time */
	world_run(w, 10);
	assert_int_equal((world_peer(w, 0)->active->lead.port - 1000) / 10000, 1);
	world_free(w);
}

/* With a heartbeat before anything is missed: the session follows without a jump. */
static void test_rebinding_smooth(void **state)
{
	struct world *w = world_new(1, 1);
	uint32_t before;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 20000, false);
	world_run(w, 2002);
	w->client[0].link[0].nat++;
	before = world_session(w, 0)->binding_version;
	world_assert(w, world_until(w, rebound, 1000));
	world_run(w, 1000);
	assert_int_equal(world_session(w, 0)->binding_version, before);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_ADDRESS_CHANGED, 0), 1);
	world_assert(w, world_all_attached(w));
	world_traffic(w, &w->client[0].down, 5000, false);
	world_run(w, 1000);
	assert_true(w->client[0].down.got + 2 >= w->client[0].down.sent);
	world_free(w);
}

/* Somebody on the way sends the client's datagrams on from his own address: he gets no replies of weight, and
 * they go on to the client. */
static void test_hijack(void **state)
{
	struct world *w = world_new(1, 1);
	const struct route thief = world_stranger(7);
	uint64_t bytes = 0;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 10000, true);
	world_traffic(w, &w->client[0].down, 1000, false);
	world_run(w, 1000);
	w->recording = RECORD_SENT;
	for (unsigned int i = 0; i < 300; i++) {
		cut(w, 0, true, false); /* he has them first */
		w->record.n = 0;
		if (i % 50 == 0)
			send_ping(world_session(w, 0)->active, 0, w->now);
		world_run(w, 10);
		cut(w, 0, false, false);
		for (size_t k = 0; k < w->record.n; k++) {
			if (!w->record.list[k].up || w->record.list[k].path != 0)
				continue;
			world_inject_up(w, &thief, w->record.list[k].data, w->record.list[k].len);
			bytes += w->record.list[k].len;
		}
	}
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 0);
	assert_true(w->stranger_bytes <= 3 * bytes);
	assert_true(w->stranger_bytes < 10000); /* challenges, and never the traffic */
	assert_false(route_equal(world_route(world_peer(w, 0)->active), &thief));
	world_run(w, 1000);
	/* Nothing comes from where the path leads any more: that is no path for us. */
	world_assert(w, world_all_attached(w) && world_peer(w, 0)->active->number != 0);
	world_free(w);
}

/*
 * A NAT that gives out another port every few seconds, on the only path: it is followed as often as a minute may have
 * rebindings; world_free() checks that none has more. None of them is a switch.
 */
static void test_rebinding_limit(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.max_switches_per_min = 3;
	world_policy(w, &p);
	w->paths = 1;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 20000, false);
	for (unsigned int i = 0; i < 6; i++) { /* the world has ports for no more */
		world_run(w, 3000);
		w->client[0].link[0].nat++;
	}
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 3);
	assert_true(world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_SWITCH_RATE_LIMITED, 0) > 0);
	world_run(w, 42000);
	world_assert(w, world_until(w, world_all_attached, 30000));
	world_free(w);
}

/* A client that asks again and again without getting anywhere is no busier than its pace. */
static void test_no_storm(void **state)
{
	struct world *w = world_new(1, 1);
	uint64_t sent;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 100000, true);
	world_run(w, 1000);
	cut_all(w, true);
	world_run(w, 20000);
	sent = world_count(w, CLIENT, COUNT_TX_CONTROL);
	world_run(w, 60000);
	assert_true(world_count(w, CLIENT, COUNT_TX_CONTROL) - sent < 400);
	assert_true(w->audits < 400);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blackhole),
		cmocka_unit_test(test_downlink_only),
		cmocka_unit_test(test_uplink_only),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_best),
		cmocka_unit_test(test_two_dead),
		cmocka_unit_test(test_alternating),
		cmocka_unit_test(test_heals),
		cmocka_unit_test(test_short_hole),
		cmocka_unit_test(test_transport_ttl),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_candidate_down),
		cmocka_unit_test(test_all_down),
		cmocka_unit_test(test_candidate_moved),
		cmocka_unit_test(test_rebinding),
		cmocka_unit_test(test_rebinding_smooth),
		cmocka_unit_test(test_hijack),
		cmocka_unit_test(test_rebinding_limit),
		cmocka_unit_test(test_no_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
