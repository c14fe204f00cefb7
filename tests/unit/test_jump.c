/* Jumps that are asked for: what they change, what they cost, and what forbids them. */
#include "session/engine.h"
#include "session/info.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static bool jumped(struct world *w)
{
	return w->jumped.n > 0 && world_all_attached(w);
}

static void jump(struct world *w, uint8_t path, enum reason want)
{
	world_jump(w, 0, path, 77);
	world_assert(w, world_until(w, jumped, 1000));
	world_assert(w, w->jumped.n == 1 && w->jumped.token == 77);
	world_assert(w, w->jumped.why == want);
	if (want == REASON_NONE)
		world_assert(w, world_session(w, 0)->active->number == path);
}

static void both_ways(struct world *w)
{
	world_traffic(w, &w->client[0].up, 1000, true);
	world_traffic(w, &w->client[0].down, 1000, false);
}

static void assert_nothing_lost(struct world *w)
{
	struct world_client *c = &w->client[0];

	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 100);
	assert_int_equal(c->up.got, c->up.sent);
	assert_int_equal(c->up.echoed, c->up.sent);
	assert_int_equal(c->down.got, c->down.sent);
	assert_true(c->up.twice == 0 && c->down.twice == 0);
}

static const struct {
	enum audit_event event;
	enum reason reason;
} client_story[] = {
	{ AUDIT_SESSION_STATE_CHANGE, REASON_POLICY_FORCED },
	{ AUDIT_SESSION_STATE_CHANGE, REASON_POLICY_FORCED_RECOVERY },
	{ AUDIT_REATTACH_ATTEMPT, REASON_POLICY_FORCED },
	{ AUDIT_TRANSPORT_SWITCH, REASON_POLICY_FORCED },
	{ AUDIT_SESSION_STATE_CHANGE, REASON_REATTACH_SUCCESS },
	{ AUDIT_REATTACH_RESULT, REASON_REATTACH_SUCCESS },
}, server_story[] = {
	{ AUDIT_REATTACH_ATTEMPT, REASON_POLICY_FORCED },
	{ AUDIT_SESSION_STATE_CHANGE, REASON_POLICY_FORCED },
	{ AUDIT_SESSION_STATE_CHANGE, REASON_POLICY_FORCED_RECOVERY },
	{ AUDIT_TRANSPORT_SWITCH, REASON_POLICY_FORCED },
	{ AUDIT_SESSION_STATE_CHANGE, REASON_REATTACH_SUCCESS },
	{ AUDIT_REATTACH_RESULT, REASON_REATTACH_SUCCESS },
};

static void test_order(void **state)
{
	struct world *w = world_new(1, 1);
	size_t from, seen[2] = { 0 };
	uint8_t id[16];

	world_attach(w);
	memcpy(id, world_session(w, 0)->id, 16);
	both_ways(w);
	world_run(w, 100);
	from = w->audits;
	jump(w, 1, REASON_NONE);
	world_run(w, 1500);
	for (size_t i = from; i < w->audits; i++) {
		const bool client = w->audit[i].engine == CLIENT;
		const struct audit_record *r = &w->audit[i].r;

		world_assert(w, seen[client] < 6);
		world_assert(w, r->event == (client ? client_story : server_story)[seen[client]].event);
		world_assert(w, r->reason == (client ? client_story : server_story)[seen[client]].reason);
		seen[client]++;
	}
	assert_true(seen[0] == 6 && seen[1] == 6);
	assert_memory_equal(world_session(w, 0)->id, id, 16);
	assert_true(world_session(w, 0)->binding_version == 1 && world_peer(w, 0)->binding_version == 1);
	assert_true(world_session(w, 0)->state_version == 4 && world_peer(w, 0)->state_version == 4);
	assert_nothing_lost(w);
	assert_true(w->client[0].up.gap_us <= 2000 && w->client[0].down.gap_us <= 3000);
	world_free(w);
}

/* To the path it is on: from a new local port. */
static void test_same_path(void **state)
{
	struct world *w = world_new(1, 1);
	struct endpoint before;
	uint8_t locator[8];

	world_attach(w);
	both_ways(w);
	before = session_remote(world_peer(w, 0)->active);
	memcpy(locator, session_locator(world_session(w, 0)->active), 8);
	jump(w, 0, REASON_NONE);
	assert_int_equal(world_session(w, 0)->binding_version, 1);
	assert_true(ip_equal(&world_peer(w, 0)->active->lead.remote, &before.ip));
	assert_int_not_equal(world_peer(w, 0)->active->lead.port, before.port);
	assert_memory_not_equal(session_locator(world_session(w, 0)->active), locator, 8);
	world_run(w, 2000);
	assert_nothing_lost(w);
	/* The old port is given up after the drain. */
	assert_int_equal(w->client[0].socket[before.port - 1000].open, false);
	world_free(w);
}

/* The same over a long way, with more to send than the 3x rule grants a fresh address. */
static void test_same_path_far(void **state)
{
	struct world *w = world_new(1, 1);

	w->paths = 1;
	w->client[0].link[0].delay_us = 40000;
	world_attach(w);
	world_run(w, 1000);
	both_ways(w);
	world_run(w, 1000);
	jump(w, 0, REASON_NONE);
	world_run(w, 2000);
	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_run(w, 200);
	assert_nothing_lost(w);
	assert_int_equal(world_served(w, COUNT_DROP_AMPLIFICATION), 0);
	world_free(w);
}

static void test_back_and_forth(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	both_ways(w);
	for (unsigned int i = 0; i < 6; i++) {
		world_run(w, 1500);
		jump(w, i % 2 ? 0 : 2, REASON_NONE);
	}
	world_run(w, 2000);
	assert_int_equal(world_session(w, 0)->binding_version, 6);
	assert_int_equal(world_session(w, 0)->active->number, 0);
	assert_nothing_lost(w);
	world_free(w);
}

static void test_slow_paths(void **state)
{
	struct world *w = world_new(1, 1);

	w->client[0].link[0].delay_us = 150000;
	w->client[0].link[1].delay_us = 20000;
	world_attach(w);
	both_ways(w);
	world_run(w, 3000);
	jump(w, 1, REASON_NONE);
	world_run(w, 3000);
	jump(w, 0, REASON_NONE);
	world_run(w, 3000);
	w->client[0].up.interval_us = w->client[0].down.interval_us = 0;
	world_run(w, 500);
	assert_nothing_lost(w);
	world_free(w);
}

static void test_cooldown(void **state)
{
	struct world *w = world_new(1, 1);
	uint32_t wait;

	world_attach(w);
	jump(w, 1, REASON_NONE);
	world_run(w, 100);
	jump(w, 0, REASON_COOLDOWN_ACTIVE);
	wait = w->jumped.retry_after_ms;
	assert_in_range(wait, 1300, 1500);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_COOLDOWN_ACTIVE, 0), 1);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	world_run(w, wait);
	jump(w, 0, REASON_NONE);
	world_free(w);
}

/* Eight in a minute, and the ninth when the first is more than a minute ago. */
static void test_rate(void **state)
{
	struct world *w = world_new(1, 1);
	struct jv_time first;
	uint32_t wait;

	world_attach(w);
	for (unsigned int i = 0; i < 8; i++) {
		jump(w, i % 2 ? 0 : 1, REASON_NONE);
		if (i == 0)
			first = world_session(w, 0)->limit.last;
		world_run(w, 1600);
	}
	jump(w, 1, REASON_SWITCH_RATE_LIMITED);
	wait = w->jumped.retry_after_ms;
	assert_true(wait + time_since_ms(w->now, first) >= 60000 &&
		    wait + time_since_ms(w->now, first) <= 60005);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_SWITCH_RATE_LIMITED, 0),
			 1);
	world_run(w, wait - 5);
	jump(w, 1, REASON_SWITCH_RATE_LIMITED);
	world_run(w, 5);
	jump(w, 1, REASON_NONE);
	assert_int_equal(world_session(w, 0)->binding_version, 9);
	world_free(w);
}

/* The server holds to the bounds by itself: a client that does not is denied, and nothing moves. */
static void test_server_judges(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before, after;
	struct policy policy;

	world_attach(w);
	jump(w, 1, REASON_NONE);
	world_run(w, 100);
	world_view(w, 0, &before, 1);
	policy = *world_session(w, 0)->policy;
	policy.switch_cooldown_ms = 0;
	world_session_policy(world_session(w, 0), &policy);
	world_jump(w, 0, 2, 5);
	world_run(w, 20);
	world_view(w, 0, &after, 1);
	assert_true(w->jumped.n == 1 && w->jumped.why == REASON_COOLDOWN_ACTIVE &&
		    w->jumped.retry_after_ms > 1000);
	assert_true(after.state_version == before.state_version &&
		    after.binding_version == before.binding_version);
	assert_int_equal(after.active, 1);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_COOLDOWN_ACTIVE, 0), 1);
	assert_int_equal(
		world_audits(w, true, AUDIT_SESSION_STATE_CHANGE, REASON_REATTACH_VALIDATION_FAILED, 0), 1);
	world_assert(w, world_until(w, world_all_attached, 5000)); /* on the path it never left */
	assert_int_equal(world_session(w, 0)->active->number, 1);
	assert_int_equal(world_session(w, 0)->binding_version, 1);
	world_free(w);
}

/* Comfort may use one less: the last one is for need. */
static void test_comfort_budget(void **state)
{
	struct policy p = policy_defaults;
	struct world *w = world_new(1, 1);
	unsigned int comfort = 0;

	p.max_candidates = WORLD_PATHS;
	p.switch_cooldown_ms = 0;
	p.failback_after_ms = 1000;
	p.standby_probe_ms = 250;
	world_policy(w, &p);
	world_attach(w);
	for (unsigned int i = 0; i < 4; i++) {
		jump(w, 2, REASON_NONE);
		world_run(w, 3000);
	}
	/* Each order was followed by a fail-back, but for the last: that would have been the eighth. */
	comfort = world_audits(w, false, AUDIT_SESSION_STATE_CHANGE, REASON_HEALTH_RECOVERED, 0);
	assert_int_equal(comfort, 3);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	world_run(w, 10000);
	assert_int_equal(world_session(w, 0)->active->number, 2);
	jump(w, 1, REASON_NONE); /* and an operator may */
	world_free(w);
}

static void test_failback(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	jump(w, 1, REASON_NONE);
	world_run(w, 29000);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	world_run(w, 8000);
	assert_int_equal(world_session(w, 0)->active->number, 0);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_NONE, 0), 2);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static void lost(bool up, unsigned int frames, uint32_t n)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	both_ways(w);
	world_run(w, 50);
	world_swallow_frame(w, up, frames, n);
	jump(w, 1, REASON_NONE);
	assert_int_equal(w->swallowed, n);
	assert_true(world_session(w, 0)->binding_version == 1 && world_peer(w, 0)->binding_version == 1);
	/* Applied once, however often it was told. */
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_SWITCH, REASON_NONE, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_NONE, 0), 1);
	world_run(w, 2000);
	world_assert(w, world_all_attached(w));
	assert_nothing_lost(w);
	world_free(w);
}

static void test_lost(void **state)
{
	lost(true, FRAME_BIT(FRAME_JUMP), 1);
	lost(true, FRAME_BIT(FRAME_JUMP), 2);
	lost(false, FRAME_BIT(FRAME_JUMP_ACK), 1);
	lost(false, FRAME_BIT(FRAME_JUMP_ACK), 2);
}

/* Every JUMP is lost: the window ends, and the session is where it was. */
static void test_jump_never_arrives(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_run(w, 50);
	world_swallow_frame(w, true, FRAME_BIT(FRAME_JUMP), 1000000);
	world_jump(w, 0, 1, 9);
	world_run(w, 8100);
	assert_true(w->jumped.n == 1 && w->jumped.why == REASON_RECOVERY_WINDOW_EXPIRED);
	world_swallow_frame(w, true, 0, 0);
	world_assert(w, world_until(w, world_all_attached, 3000));
	world_free(w);
}

static void test_invalid(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t nobody[16] = { 1 };
	size_t from;

	world_attach(w);
	from = w->audits;
	jump(w, 3, REASON_INVALID_TRANSPORT_CANDIDATE);
	world_run(w, 1100);
	jump(w, 255, REASON_INVALID_TRANSPORT_CANDIDATE);
	w->jumped.n = 0;
	engine_jump(world_client_engine(w, 0), nobody, 1, 6, w->now);
	assert_true(w->jumped.n == 1 && w->jumped.token == 6 && w->jumped.why == REASON_UNKNOWN_SESSION);
	world_jump(w, 0, 1, 7);
	assert_int_equal(w->jumped.n, 0);
	engine_jump(world_client_engine(w, 0), world_session(w, 0)->id, 2, 8, w->now);
	assert_true(w->jumped.n == 1 && w->jumped.token == 8 &&
		    w->jumped.why == REASON_INVALID_STATE_FOR_REATTACH);
	world_assert(w, world_until(w, jumped, 100));
	assert_int_equal(world_audits(w, true, AUDIT_TRANSPORT_SWITCH, REASON_NONE, from), 1);
	world_free(w);
}

/* A client that has another binding in mind is told so, takes it over and asks again. */
static void test_stale_binding(void **state)
{
	struct world *w = world_new(1, 1);
	size_t from;

	world_attach(w);
	jump(w, 1, REASON_NONE);
	world_run(w, 2000);
	from = w->audits;
	world_swallow_frame(w, false, FRAME_BIT(FRAME_JUMP_ACK), 1000000); /* applied, and never told */
	world_jump(w, 0, 2, 3);
	world_run(w, 8200);
	assert_true(w->jumped.n == 1);
	world_swallow_frame(w, false, 0, 0);
	world_assert(w, world_until(w, world_all_attached, 20000));
	assert_int_equal(world_session(w, 0)->binding_version, world_peer(w, 0)->binding_version);
	(void)from;
	world_free(w);
}

/* JUMPs made by hand: an old binding, an old age, a path that is none. */
static void by_hand(struct world *w, const struct a_frame *f, uint8_t on)
{
	struct session *s = world_session(w, 0);

	send_frame(session_path_numbered(s, on), LIES(f), w->now);
	world_run(w, 5);
}

static void test_judgement(void **state)
{
	struct world *w = world_new(1, 1);
	struct a_frame f = { .type = FRAME_JUMP };
	struct session_info before, after;
	struct session *s;

	world_attach(w);
	jump(w, 1, REASON_NONE);
	world_run(w, 2000);
	s = world_session(w, 0);
	world_view(w, 0, &before, 1);
	f.jump.path = 2;
	f.jump.reason = REASON_POLICY_FORCED;
	f.jump.epoch = (uint8_t)s->rx_epoch;
	f.jump.highest = put_be48(s->rx_highest);

	f.jump.id = put_be32(1001);
	f.jump.binding_version = put_be32(s->binding_version - 1);
	f.jump.age_us = put_be64(session_age_us(s, w->now));
	by_hand(w, &f, 2);
	world_assert(w, world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_STALE_BINDING_VERSION,
				     0) == 1);
	world_run(w, 1100);

	f.jump.id = put_be32(1002);
	f.jump.binding_version = put_be32(s->binding_version);
	f.jump.age_us = put_be64(session_age_us(s, w->now) - 5100000);
	by_hand(w, &f, 2);
	world_assert(w, world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_STALE_REQUEST, 0) == 1);

	/* An age that can be none. */
	world_run(w, 1100);
	f.jump.id = put_be32(1003);
	f.jump.age_us = put_be64(UINT64_C(1) << 63);
	by_hand(w, &f, 2);
	world_assert(w, world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_STALE_REQUEST, 0) == 2);

	/* On a path of another number than it names: not acted on. */
	f.jump.id = put_be32(1004);
	f.jump.age_us = put_be64(session_age_us(s, w->now));
	by_hand(w, &f, 0);
	world_view(w, 0, &after, 1);
	assert_true(before.state_version == after.state_version &&
		    before.binding_version == after.binding_version);
	assert_true(before.active == after.active && after.state == STATE_ATTACHED);
	assert_true(before.switches_left <= after.switches_left);

	/* And the same with nothing wrong is applied. */
	f.jump.id = put_be32(1004);
	f.jump.age_us = put_be64(session_age_us(s, w->now));
	by_hand(w, &f, 2);
	world_view(w, 0, &after, 1);
	assert_true(after.active == 2 && after.binding_version == before.binding_version + 1);
	world_assert(w, world_until(w, world_all_attached, 10000));
	world_free(w);
}

/* A recorded JUMP, later: the window of packets knows it. */
static void test_replayed_jump(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before, after;

	world_attach(w);
	w->recording = RECORD_SENT;
	jump(w, 1, REASON_NONE);
	world_run(w, 2000);
	jump(w, 0, REASON_NONE);
	world_run(w, 2000);
	w->recording = RECORD_NOTHING;
	world_view(w, 0, &before, 1);
	for (size_t i = 0; i < w->record.n; i++)
		if (w->record.list[i].frames & FRAME_BIT(FRAME_JUMP))
			world_inject_up(w, &w->record.list[i].route, w->record.list[i].data,
					w->record.list[i].len);
	world_view(w, 0, &after, 1);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(world_count(w, 0, COUNT_DROP_REPLAY) + world_count(w, 0, COUNT_DROP_DUPLICATE) +
			    world_count(w, 0, COUNT_DROP_UNKNOWN_LOCATOR) >=
		    2);
	world_free(w);
}

/* The operator of the server orders; the client decides and goes. */
static void test_server_orders(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	both_ways(w);
	w->jumped.n = 0;
	engine_jump(w->engine[0].e, world_peer(w, 0)->id, 1, 55, w->now);
	world_assert(w, world_until(w, jumped, 1000));
	assert_true(w->jumped.n == 1 && w->jumped.token == 55 && w->jumped.why == REASON_NONE);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	world_run(w, 2000);
	assert_nothing_lost(w);

	/* Lost ones are repeated. */
	world_swallow_frame(w, false, FRAME_BIT(FRAME_JUMP), 3);
	w->jumped.n = 0;
	engine_jump(w->engine[0].e, world_peer(w, 0)->id, 0, 56, w->now);
	world_assert(w, world_until(w, jumped, 2000));
	assert_true(w->jumped.token == 56 && w->jumped.why == REASON_NONE && w->swallowed == 3);

	w->jumped.n = 0;
	engine_jump(w->engine[0].e, world_peer(w, 0)->id, 7, 57, w->now);
	assert_true(w->jumped.n == 1 && w->jumped.why == REASON_INVALID_TRANSPORT_CANDIDATE);

	/* A client that cannot does not, and the operator is told in the end. */
	world_run(w, 100);
	w->jumped.n = 0;
	world_swallow_frame(w, false, FRAME_BIT(FRAME_JUMP), 1000);
	engine_jump(w->engine[0].e, world_peer(w, 0)->id, 2, 58, w->now);
	world_run(w, 5000);
	assert_true(w->jumped.n == 1 && w->jumped.token == 58 &&
		    w->jumped.why == REASON_RECOVERY_WINDOW_EXPIRED);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

/* Fresh locators keep coming: no two ports ever share one. */
static void test_locators(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.max_switches_per_min = 60;
	p.switch_cooldown_ms = 0;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	for (unsigned int i = 0; i < 40; i++) {
		jump(w, (uint8_t)(i * 7 % 3), REASON_NONE);
		world_run(w, 1700);
		assert_int_equal(w->locators_reused, 0);
	}
	for (unsigned int i = 0; i < 10; i++) { /* the same path again and again */
		jump(w, 1, REASON_NONE);
		world_run(w, 1700);
		assert_int_equal(w->locators_reused, 0);
	}
	assert_true(w->seens >= 15);
	world_free(w);
}

static void test_lossy_links(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct world *w = world_new(1, 1);

		w->rng.state += seed * 77;
		for (int n = 0; n < 3; n++)
			w->client[0].link[n].loss_ppm = 100000;
		world_start(w);
		world_assert(w, world_until(w, world_all_attached, 20000));
		world_traffic(w, &w->client[0].up, 5000, true);
		for (unsigned int i = 0; i < 10; i++) {
			world_assert(w, world_until(w, world_all_attached, 15000));
			world_jump(w, 0, (uint8_t)(i % 3), 1);
			world_run(w, 4000);
		}
		world_assert(w, world_until(w, world_all_attached, 15000));
		assert_true(w->client[0].up.got > w->client[0].up.sent * 8 / 10);
		assert_int_equal(w->locators_reused, 0);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),          cmocka_unit_test(test_same_path),
		cmocka_unit_test(test_same_path_far),  cmocka_unit_test(test_back_and_forth),
		cmocka_unit_test(test_slow_paths),     cmocka_unit_test(test_cooldown),
		cmocka_unit_test(test_rate),           cmocka_unit_test(test_server_judges),
		cmocka_unit_test(test_comfort_budget), cmocka_unit_test(test_failback),
		cmocka_unit_test(test_lost),           cmocka_unit_test(test_jump_never_arrives),
		cmocka_unit_test(test_invalid),        cmocka_unit_test(test_stale_binding),
		cmocka_unit_test(test_judgement),      cmocka_unit_test(test_replayed_jump),
		cmocka_unit_test(test_server_orders),  cmocka_unit_test(test_locators),
		cmocka_unit_test(test_lossy_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
