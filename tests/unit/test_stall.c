/*
 * A path on which CONTROL passes and DATA does not, in the virtual world: it is left within a bound, whatever there is
 * to pass, and not taken again for its answers alone. Honest networks are not taken for one.
 */
#include "proto/carry.h"
#include "world.h"

#define BOUND_MS 2600 /* (max_consecutive_drops + LATE_INTERVALS) heartbeats, and a round trip or two */

static struct world *with_paths(unsigned int paths)
{
	struct world *w = world_new(1, 1);

	w->paths = paths;
	world_attach(w);
	world_run(w, 6000);
	return w;
}

static unsigned int stalls(struct world *w, bool client)
{
	return world_audits(w, client, AUDIT_SESSION_STATE_CHANGE, REASON_DATA_STALLED, 0);
}

static struct world_link *first(struct world *w)
{
	return &w->client[0].link[0];
}

static void traffic(struct world *w, int64_t up_us, int64_t down_us, bool echo)
{
	world_traffic(w, &w->client[0].up, up_us, echo);
	world_traffic(w, &w->client[0].down, down_us, echo);
}

static bool is_elsewhere(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->active->number != 0;
}

static bool is_attached(struct world *w)
{
	return world_session(w, 0)->state == STATE_ATTACHED && world_peer(w, 0)->state == STATE_ATTACHED;
}

static bool is_unwell(struct world *w)
{
	return world_session(w, 0)->state != STATE_ATTACHED;
}

/* Each direction by itself and both, much and little: the other path is taken in time, and what follows passes. */
static void test_dead_for_data(void **state)
{
	static const struct {
		int64_t up_us, down_us;
		bool echo;
		unsigned int ms;
	} pattern[] = {
		{ 1000, 0, true, BOUND_MS },    { 1000, 0, false, BOUND_MS },
		{ 0, 1000, false, BOUND_MS },   { 1000, 1000, false, BOUND_MS },
		{ 200000, 0, false, BOUND_MS }, { 0, 200000, false, BOUND_MS },
		{ 1000000, 0, false, 5200 },    { 0, 1000000, false, 5200 },
		{ 1000000, 0, true, 5200 },     { 20000000, 0, false, 85000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pattern) / sizeof(pattern[0]); i++)
		for (unsigned int ways = 1; ways <= 3; ways++) {
			struct world *w = with_paths(2);
			const struct world_client *c = &w->client[0];
			uint32_t up, down;

			if ((!(ways & 1) && pattern[i].up_us && !pattern[i].echo && !pattern[i].down_us) ||
			    (!(ways & 2) && !pattern[i].up_us)) {
				world_free(w);
				continue; /* nothing is to pass there */
			}
			traffic(w, pattern[i].up_us, pattern[i].down_us, pattern[i].echo);
			world_run(w, 3000);
			first(w)->data_up = ways & 1;
			first(w)->data_down = ways & 2;
			world_assert(w, world_until(w, is_elsewhere, pattern[i].ms));
			world_assert(w, stalls(w, true) == 1);
			up = c->up.got;
			down = c->down.got;
			world_run(w, 25000);
			world_assert(w, world_session(w, 0)->active->number == 1 &&
						world_session(w, 0)->switches == 1);
			world_assert(w, !pattern[i].up_us || c->up.got > up);
			world_assert(w, !pattern[i].down_us || c->down.got > down);
			world_free(w);
		}
}

/* Late by seconds, while PINGs are quick. */
static void test_late_data(void **state)
{
	static const int64_t late_us[] = { 1200000, 2500000, 10000000 };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct world *w = with_paths(2);

		traffic(w, i % 2 ? 5000 : 0, i % 2 ? 0 : 5000, false);
		world_run(w, 3000);
		first(w)->data_late_us = late_us[i / 2];
		world_assert(w, world_until(w, is_elsewhere, 4000));
		world_assert(w, stalls(w, true) == 1);
		world_free(w);
	}
}

/* Later and later, too slowly for any window to see loss; then it stays like that. */
static void test_later_and_later(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct world *w = with_paths(2);

		traffic(w, i ? 5000 : 0, i ? 0 : 5000, false);
		for (unsigned int ms = 0; ms < 30000 && !is_elsewhere(w); ms += 10) {
			if (first(w)->data_late_us < 1300000)
				first(w)->data_late_us += 1000;
			world_run(w, 10);
		}
		world_assert(w, is_elsewhere(w));
		world_assert(w, stalls(w, true) == 1);
		world_free(w);
	}
}

/* All that went into the hole is sent again on the new path. */
static void test_nothing_is_lost(void **state)
{
	struct world *w = with_paths(2);
	struct world_client *c = &w->client[0];
	struct policy p = *world_session(w, 0)->policy;

	(void)state;
	p.heartbeat_interval_ms = 200;
	world_session_policy(world_session(w, 0), &p);
	world_session_policy(world_peer(w, 0), &p);
	traffic(w, 10000, 10000, false);
	world_run(w, 1000);
	first(w)->data_up = first(w)->data_down = true;
	world_run(w, 3000);
	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 1000);
	world_assert(w, stalls(w, true) == 1);
	assert_int_equal(c->up.got, c->up.sent);
	assert_int_equal(c->down.got, c->down.sent);
	world_free(w);
}

/* Where there is nothing to pass, nothing is judged. */
static void test_idle(void **state)
{
	struct world *w = with_paths(2);

	(void)state;
	first(w)->data_up = first(w)->data_down = true;
	world_run(w, 600000);
	assert_int_equal(world_session(w, 0)->state_version, 1);
	traffic(w, 600000000, 0, false); /* one, and it is lost */
	world_run(w, 590000);
	assert_int_equal(world_session(w, 0)->state_version, 1);
	world_free(w);
}

/* No path carries: neither end says ATTACHED, and the session ends in its time, though every PING is answered. */
static void test_all_dead(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	uint8_t id[16];

	(void)state;
	w->paths = 2;
	p.transport_lost_ttl_ms = 30000;
	world_policy(w, &p);
	world_attach(w);
	memcpy(id, world_session(w, 0)->id, sizeof(id));
	traffic(w, 20000, 20000, false);
	world_run(w, 6000);
	for (unsigned int i = 0; i < 2; i++)
		w->client[0].link[i].data_up = w->client[0].link[i].data_down = true;
	world_assert(w, world_until(w, is_unwell, BOUND_MS));
	world_run(w, 20000);
	world_assert(w, !is_attached(w));
	world_assert(w, world_session(w, 0)->switches <=
				5); /* to each once, from a new port, and again after a hold */
	world_run(w, 60000);
	world_assert(w,
		     world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_TRANSPORT_TTL_EXCEEDED, 0) == 1);
	world_free(w);
}

/* One path alone: the session says so at both ends, and once DATA passes again it is well, and nothing has moved. */
static void test_comes_back(void **state)
{
	(void)state;
	for (unsigned int ways = 1; ways <= 3; ways++) {
		struct world *w = with_paths(1);

		traffic(w, 20000, 20000, false);
		world_run(w, 1000);
		first(w)->data_up = ways & 1;
		first(w)->data_down = ways & 2;
		world_run(w, 15000);
		world_assert(w, is_unwell(w) && world_peer(w, 0)->state != STATE_ATTACHED);
		world_run(w, 20000);
		world_assert(w, is_unwell(w) && world_peer(w, 0)->state != STATE_ATTACHED);
		first(w)->data_up = first(w)->data_down = false;
		world_assert(w, world_until(w, world_all_attached, 20000));
		world_run(w, 60000);
		world_assert(w, is_attached(w));
		world_free(w);
	}
}

/* It answers every PING and stands first in the configuration: it is gone back to ever more rarely. */
static void test_not_taken_again(void **state)
{
	struct world *w = with_paths(2);
	uint32_t switches;

	(void)state;
	traffic(w, 5000, 5000, false);
	world_run(w, 1000);
	first(w)->data_up = true;
	world_run(w, 600000);
	switches = (uint32_t)world_session(w, 0)->switches;
	world_assert(w, switches >= 3 && switches <= 11);
	world_assert(w, stalls(w, true) <= 6);
	first(w)->data_up = false;
	world_run(w, 1200000);
	world_assert(w, world_session(w, 0)->active->number == 0);
	world_free(w);
}

/* Loss, reordering, long ways, queues in which both wait: none of that is a stall. */
static void test_honest_networks(void **state)
{
	static const struct world_link links[] = {
		{ .delay_us = 500, .loss_ppm = 150000 },
		{ .delay_us = 50000, .loss_ppm = 100000, .jitter_us = 100000 },
		{ .delay_us = 300000, .jitter_us = 200000 },
		{ .delay_us = 1000000 },
		{ .delay_us = 500, .data_late_us = 300000 },
		{ .delay_us = 20000, .twice_ppm = 300000, .jitter_us = 500000 },
	};
	static const int64_t every_us[] = { 2000, 300000, 1000000, 7000000 };

	(void)state;
	for (size_t i = 0; i < 4 * sizeof(links) / sizeof(links[0]); i++) {
		struct world *w = with_paths(2);

		w->client[0].link[0] = w->client[0].link[1] = links[i / 4];
		traffic(w, every_us[i % 4], i % 8 < 4 ? 0 : every_us[i % 4], i % 8 < 4);
		world_run(w, 60000);
		world_assert(w, stalls(w, true) == 0 && stalls(w, false) == 0);
		world_free(w);
	}
}

/* DATA that stands in a queue together with CONTROL: the round trip grows, and nothing lags behind it. */
static void test_bufferbloat(void **state)
{
	struct world *w = with_paths(2);

	(void)state;
	traffic(w, 5000, 5000, false);
	for (unsigned int ms = 0; ms < 3000; ms += 5) {
		first(w)->delay_us += 3000; /* to 1.8 s each way */
		world_run(w, 5);
	}
	world_run(w, 10000);
	world_assert(w, stalls(w, true) == 0 && stalls(w, false) == 0);
	world_free(w);
}

/* What is as long as anything large is lost, DATA and probes alike; little DATA passes, so something always comes. */
static void test_dead_for_large_data(void **state)
{
	struct world *w = with_paths(2);
	uint8_t packet[1400];

	(void)state;
	world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
	traffic(w, 20000, 20000, false);
	world_run(w, 1000);
	first(w)->hole_up = first(w)->hole_down = 200;
	for (unsigned int ms = 0; ms < 8000 && !is_elsewhere(w); ms += 500) {
		world_inner(w, WORLD_WORKERS, packet,
			    sizeof(packet)); /* as TCP would repeat it: no window sees that */
		world_run(w, 500);
	}
	world_assert(w, is_elsewhere(w));
	assert_int_equal(stalls(w, true), 1);
	world_free(w);
}

static size_t passes; /* probes so long, and no DATA from 200 bytes on */

static bool let_smaller_probes_pass(struct world *w, const struct datagram *d)
{
	const bool probe = d->frames & (FRAME_BIT(FRAME_PROBE) | FRAME_BIT(FRAME_PROBE_ACK));

	return w->swallow_left > 0 && d->path == 0 && d->len >= 200 && (!probe || d->len > passes);
}

/* Ever smaller probes pass: that is taken for a matter of size once, not for ever. */

static void test_size_is_no_excuse(void **state)
{
	struct world *w = with_paths(2);
	uint8_t packet[1400];
	unsigned int ms = 0;

	(void)state;
	world_packet(packet, sizeof(packet), "10.8.0.2", "10.8.0.1");
	traffic(w, 20000, 20000, false);
	world_run(w, 1000);
	w->swallow = let_smaller_probes_pass;
	w->swallow_left = 1;
	passes = 1400;
	for (; ms < 15000 && !is_elsewhere(w); ms += 5) {
		packet[6] = 0;
		if (ms % 500 == 0)
			passes -= 24;
		world_inner(w, WORLD_WORKERS, packet, ms % 2 ? 400 : sizeof(packet));
		world_run(w, 5);
	}
	world_assert(w, is_elsewhere(w));
	assert_in_range(ms, 100, 9000);
	world_free(w);
}

static bool mark_all(struct world *w, const struct datagram *d)
{
	if (w->swallow_left > 0 && d->path == 0)
		((struct datagram *)(uintptr_t)d)->ecn = ECN_CE;
	return false;
}

/* Congestion is marked on what cannot answer to it: none of it has arrived, all of it arrives on the other path. */
static void test_mismarked(void **state)
{
	struct world *w = with_paths(2);
	struct policy p = *world_session(w, 0)->policy;
	struct world_client *c = &w->client[0];

	(void)state;
	p.heartbeat_interval_ms = 200;
	world_session_policy(world_session(w, 0), &p);
	world_session_policy(world_peer(w, 0), &p);
	traffic(w, 10000, 10000, false);
	world_run(w, 1000);
	w->swallow = mark_all;
	w->swallow_left = 1;
	world_assert(w, world_until(w, is_elsewhere, BOUND_MS));
	world_assert(w, world_count(w, 0, COUNT_DROP_ECN) > 10);
	world_assert(w,
		     world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ECN_MISMARKED, 0) > 0);
	world_assert(w,
		     world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ECN_MISMARKED, 0) < 5);
	world_run(w, 1000);
	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 1000);
	assert_int_equal(c->up.got, c->up.sent);
	assert_int_equal(c->down.got, c->down.sent);
	assert_int_equal(c->up.twice + c->down.twice, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dead_for_data),
		cmocka_unit_test(test_late_data),
		cmocka_unit_test(test_later_and_later),
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_all_dead),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_not_taken_again),
		cmocka_unit_test(test_honest_networks),
		cmocka_unit_test(test_bufferbloat),
		cmocka_unit_test(test_dead_for_large_data),
		cmocka_unit_test(test_size_is_no_excuse),
		cmocka_unit_test(test_mismarked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
