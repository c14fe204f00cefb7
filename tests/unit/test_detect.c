/* Is the path bad, or dead, or neither? How soon that is known, and what must not be taken for it. */
#include "session/engine.h"
#include "session/send.h"
#include "session/session.h"
#include "session/wheel.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static struct policy defaults(void)
{
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	return p;
}

static void cut(struct world *w, unsigned int path, bool up, bool down)
{
	w->client[0].link[path].cut_up = up;
	w->client[0].link[path].cut_down = down;
}

static void delay(struct world *w, unsigned int path, int64_t rtt_us)
{
	w->client[0].link[path].delay_us = rtt_us / 2;
}

/* Attached, with traffic both ways, and its counts and round trips known. */
static struct world *warm(const struct policy *p, unsigned int paths, int64_t rtt_us, int64_t up_us,
			  int64_t down_us)
{
	struct world *w = world_new(1, 1);

	w->paths = paths;
	world_policy(w, p);
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		delay(w, n, rtt_us);
	world_attach(w);
	if (up_us)
		world_traffic(w, &w->client[0].up, up_us, false);
	if (down_us)
		world_traffic(w, &w->client[0].down, down_us, false);
	world_run(w, 5000);
	assert_int_equal(world_session(w, 0)->state_version, 1);
	return w;
}

static unsigned int transitions(struct world *w, unsigned int engine, enum reason why, size_t from)
{
	unsigned int n = 0;

	for (size_t i = from; i < w->audits; i++)
		n += w->audit[i].engine == engine && w->audit[i].r.event == AUDIT_SESSION_STATE_CHANGE &&
		     (why == REASON_NONE || w->audit[i].r.reason == why);
	return n;
}

static bool client_leaves(struct world *w)
{
	return world_session(w, 0)->state != STATE_ATTACHED;
}

static bool server_leaves(struct world *w)
{
	return world_peer(w, 0)->state != STATE_ATTACHED;
}

static void assert_stays(struct world *w, uint64_t ms)
{
	world_run(w, ms);
	world_assert(w, world_session(w, 0)->state_version == 1 && world_peer(w, 0)->state_version == 1);
	world_assert(w, world_session(w, 0)->binding_version == 0);
}

/* --- loss --- */

/* Nobody leaves for a loss below the threshold, nor because a few PINGs were among it. */
static void small_loss(uint32_t ppm, int64_t interval_us, uint64_t seed)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 20000, interval_us, interval_us);

	w->rng.state = seed;
	w->client[0].link[0].loss_ppm = ppm;
	assert_stays(w, 180000);
	world_free(w);
}

static void test_small_loss(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		small_loss(50000, 5000, seed);
		small_loss(50000, 50000, seed);
		small_loss(150000, 5000, seed);
		small_loss(150000, 20000, seed);
	}
}

static uint32_t lost_ppm;
static bool lost_up, lost_down;

static bool lose_one_way(struct world *w, const struct datagram *d)
{
	return d->path == 0 && (d->up ? lost_up : lost_down) && prng_below(&w->rng, 1000000) < lost_ppm;
}

/* For more than the threshold, in either direction, the path is left within the bound. */
static void great_loss(uint32_t ppm, int64_t interval_us, uint64_t bound_ms, enum reason why)
{
	for (uint64_t seed = 0; seed < 12; seed++) {
		const struct policy p = defaults();
		struct world *w = warm(&p, 3, 20000, interval_us, interval_us);

		w->rng.state = seed;
		lost_ppm = ppm;
		lost_up = seed % 3 != 1;
		lost_down = seed % 3 != 2;
		w->swallow = lose_one_way;
		world_assert(w, world_until(w, client_leaves, bound_ms));
		if (why != REASON_NONE)
			world_assert(w, world_session(w, 0)->instability == why);
		world_run(w, 1000);
		world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number != 0);
		world_free(w);
	}
}

static void test_great_loss(void **state)
{
	great_loss(300000, 2000, 6000, REASON_LOSS_THRESHOLD_EXCEEDED);
	great_loss(300000, 5000, 6000, REASON_LOSS_THRESHOLD_EXCEEDED);
	great_loss(300000, 20000, 16000, REASON_NONE);
	great_loss(300000, 100000, 65000, REASON_NONE);
	great_loss(600000, 5000, 4000, REASON_NONE);
	great_loss(600000, 20000, 5000, REASON_NONE);
	great_loss(600000, 100000, 30000, REASON_NONE);
}

/* A standby path that loses is not where a dead path is left for, though it be the quicker one. */
static void test_standby_loss(void **state)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 20000, 5000, 5000);

	delay(w, 1, 2000);
	w->client[0].link[1].loss_ppm = 400000;
	world_run(w, 60000);
	world_assert(w, world_session(w, 0)->active->number == 0);
	cut(w, 0, true, true);
	world_run(w, 1000);
	world_assert(w, world_session(w, 0)->active->number == 2);
	world_free(w);
}

/* --- death --- */

enum { UP = 1, DOWN = 2 };

/* What carries traffic, what is cut, and how long each end may take: ms, 0: it is told by the other. */
static void death(unsigned int traffic, unsigned int dead, uint64_t client_ms, uint64_t server_ms)
{
	const struct policy p = defaults();

	for (unsigned int phase = 0; phase < 5; phase++) {
		struct world *w = warm(&p, 3, 1000, traffic & UP ? 5000 : 0, traffic & DOWN ? 5000 : 0);
		struct jv_time before;
		int64_t us;

		world_run(w, phase * 97);
		cut(w, 0, dead & UP, dead & DOWN);
		/* Each end by itself: nothing that it says comes out by another path. */
		cut(w, 1, true, true);
		cut(w, 2, true, true);
		before = w->now;
		world_assert(w, world_until(w, client_leaves, client_ms));
		us = client_ms * 1000 - time_diff_us(w->now, before);
		world_assert(w, us >= 0);
		us = (int64_t)server_ms * 1000 - time_diff_us(w->now, before);
		world_assert(w, server_leaves(w) ||
					(us > 0 && world_until(w, server_leaves, (uint64_t)us / 1000)));
		world_free(w);
	}
}

static bool on_path_1(struct world *w)
{
	return world_all_attached(w) && world_session(w, 0)->active->number == 1;
}

/* What a path lost while it was dead is no loss of it: dead again, it is left as quickly. */
static void test_death_after_death(void **state)
{
	struct policy p = defaults();
	struct world *w;

	p.switch_cooldown_ms = 0;
	p.max_switches_per_min = 60;
	w = warm(&p, 2, 1000, 1000, 1000);
	for (unsigned int i = 0; i < 9; i++) {
		const unsigned int dead = (const unsigned int[]){ UP | DOWN, UP, DOWN }[i % 3];

		cut(w, 0, dead & UP, dead & DOWN);
		world_assert(w, world_until(w, on_path_1, 130));
		cut(w, 0, false, false);
		world_run(w, 6000);
		world_jump(w, 0, 0, 1);
		world_run(w, 100);
		world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == 0);
	}
	world_free(w);
}

static void test_death(void **state)
{
	/* 30 ms of silence, then PINGs at 0, 30 and 40: dead at 80; deaf or not is told by the next report. */
	death(UP | DOWN, UP | DOWN, 90, 90);
	death(UP | DOWN, UP, 2100, 100);
	death(UP | DOWN, DOWN, 100, 2100);
	/* The end that only listens: the client's heartbeat, and the server's at twice heartbeat_idle_ms. */
	death(DOWN, UP | DOWN, 600, 90);
	death(UP, UP | DOWN, 90, 31000);
	death(UP, UP, 90, 31000);
	death(UP, DOWN, 90, 31000);
	death(DOWN, UP, 2100, 100);
	death(DOWN, DOWN, 600, 31000);
	death(0, UP | DOWN, 15200, 30200);
}

/* --- latency --- */

static struct policy with_latency(uint32_t ms)
{
	struct policy p = defaults();

	p.latency_volatile_threshold_ms = ms;
	return p;
}

/* Shorter than three samples: no matter how much traffic there is. */
static void test_latency_spike(void **state)
{
	const struct policy p = with_latency(100);

	for (unsigned int way = 1; way < 4; way++) {
		struct world *w = warm(&p, 3, 60000, way & 1 ? 5000 : 0, way & 2 ? 5000 : 0);

		for (unsigned int i = 0; i < 3; i++) {
			delay(w, 0, 150000);
			world_run(w, 600);
			delay(w, 0, 60000);
			assert_stays(w, 20000);
		}
		world_free(w);
	}
}

static void test_latency_lasting(void **state)
{
	const struct policy p = with_latency(100);

	for (unsigned int way = 1; way < 4; way++) {
		struct world *w = warm(&p, 3, 60000, way & 1 ? 5000 : 0, way & 2 ? 5000 : 0);

		delay(w, 0, 150000);
		world_assert(w, world_until(w, client_leaves, 2700)); /* four heartbeats, and the way there */
		assert_int_equal(world_session(w, 0)->instability, REASON_LATENCY_THRESHOLD_EXCEEDED);
		world_run(w, 2000);
		world_assert(w, world_session(w, 0)->active->number != 0 && world_all_attached(w));
		world_free(w);
	}
}

/* What was enough for one verdict is not evidence for the next. */
static void test_latency_once(void **state)
{
	const struct policy p = with_latency(100);
	struct world *w = warm(&p, 1, 60000, 5000, 5000);

	delay(w, 0, 150000);
	world_assert(w, world_until(w, client_leaves, 2700));
	delay(w, 0, 60000);
	world_run(w, 60000);
	world_assert(w, transitions(w, CLIENT, REASON_LATENCY_THRESHOLD_EXCEEDED, 0) == 1);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static bool client_recovers(struct world *w)
{
	return transitions(w, CLIENT, REASON_HEALTH_RECOVERED, 0) > 0;
}

/* No better path: it stays in doubt while the latency is near the threshold, and recovers well below it. */
static void test_latency_hysteresis(void **state)
{
	struct policy p = with_latency(100);
	struct world *w;

	p.volatile_to_degraded_ms = 60000;
	p.heartbeat_volatile_ms = 500;
	w = warm(&p, 1, 60000, 5000, 5000);
	delay(w, 0, 150000);
	world_assert(w, world_until(w, client_leaves, 2700));
	delay(w, 0, 90000);
	world_run(w, 30000);
	world_assert(w, world_session(w, 0)->state == STATE_VOLATILE);
	delay(w, 0, 60000);
	world_assert(w, world_until(w, client_recovers, 2700));
	world_assert(w, world_session(w, 0)->state == STATE_ATTACHED);
	world_free(w);
}

/* --- holes --- */

/* Time from the last packet that came through to the end of ATTACHED, at both ends the same rule. */
static unsigned int death_ms(uint32_t drops, int64_t rtt_us)
{
	struct policy p = defaults();
	struct world *w;
	struct jv_time before;
	unsigned int ms;

	p.max_consecutive_drops = drops;
	w = warm(&p, 1, rtt_us, 1000, 1000);
	world_run(w, 20250); /* rttvar has come to rest, and no heartbeat is near */
	cut(w, 0, true, true);
	before = time_add_us(w->now, rtt_us / 2); /* what is under way still comes */
	world_assert(w, world_until(w, client_leaves, 60000));
	ms = (unsigned int)time_since_ms(w->now, before);
	world_free(w);
	return ms;
}

/* The table in jumpvpnd.yaml(5), and that the page has it. */
static void test_death_table(void **state)
{
	static const uint32_t drops[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20 };
	static char page[1 << 17];
	unsigned int missing = 0;
	FILE *f = fopen("man/jumpvpnd.yaml.5", "r");

	assert_non_null(f);
	assert_in_range(fread(page, 1, sizeof(page) - 1, f), 1, sizeof(page) - 2);
	fclose(f);
	for (size_t i = 0; i < sizeof(drops) / sizeof(*drops); i++) {
		char line[80];
		unsigned int ms[3];

		for (unsigned int k = 0; k < 3; k++) /* to the next ten */
			ms[k] = (death_ms(drops[i], (int64_t[]){ 1000, 20000, 50000 }[k]) + 5) / 10 * 10;
		snprintf(line, sizeof(line), "\n.It %u Ta %u Ta %u Ta %u\n", drops[i], ms[0], ms[1], ms[2]);
		missing += !strstr(page, line);
		if (!strstr(page, line))
			print_error("jumpvpnd.yaml(5) does not have:%s", line);
	}
	assert_int_equal(missing, 0);
}

/* The policy says that a hole of up to 800 ms is no death: nothing happens, with backup paths or without. */
static void ride_out(unsigned int paths, int64_t rtt_us, uint64_t hole_ms, int64_t up_us, int64_t down_us)
{
	struct policy p = defaults();
	struct world *w;

	p.max_consecutive_drops = 12;
	w = warm(&p, paths, rtt_us, up_us, down_us);
	for (unsigned int i = 0; i < 10; i++) {
		cut(w, 0, true, true);
		world_run(w, hole_ms);
		cut(w, 0, false, false);
		assert_stays(w, 3000 + 131 * i);
	}
	if (up_us)
		assert_true(time_diff_us(w->now, w->client[0].up.last_got) < 2 * up_us + rtt_us);
	world_free(w);
}

static void test_ride_out(void **state)
{
	ride_out(3, 20000, 800, 5000, 5000);
	ride_out(3, 50000, 800, 5000, 5000);
	ride_out(3, 20000, 300, 0, 5000);
	ride_out(1, 50000, 800, 5000, 0);
	ride_out(1, 1000, 800, 100000, 100000);
}

/* Default policy, no other path: in doubt for a while, then well again on the same port. */
static void hole(int64_t rtt_us, uint64_t hole_ms, int64_t up_us, int64_t down_us)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 1, rtt_us, up_us, down_us);
	struct jv_time end;

	for (unsigned int i = 1; i <= 5; i++) {
		world_run(w, 5000 + 131 * i);
		cut(w, 0, true, true);
		world_run(w, hole_ms);
		cut(w, 0, false, false);
		end = w->now;
		world_assert(w, world_until(w, world_all_attached, hole_ms + 200));
		assert_true(time_diff_us(w->now, end) <= (int64_t)(hole_ms + 200) * 1000);
		assert_int_equal(transitions(w, CLIENT, REASON_NONE, 0),
				 1 + 2 * transitions(w, CLIENT, REASON_HEALTH_RECOVERED, 0));
	}
	for (uint8_t i = 0, n = 0; i < world_session(w, 0)->slots; i++) {
		n += world_session(w, 0)->slot[i].path->number == 0;
		assert_in_range(n, 0, 1); /* the port that was to replace it is closed */
	}
	world_run(w, 10000);
	world_assert(w, world_all_attached(w) && world_session(w, 0)->binding_version == 0);
	assert_true(transitions(w, CLIENT, REASON_HEALTH_RECOVERED, 0) > 0);
	world_free(w);
}

static void test_hole(void **state)
{
	hole(20000, 300, 5000, 5000);
	hole(20000, 800, 5000, 5000);
	hole(50000, 800, 5000, 5000);
	hole(50000, 400, 5000, 0);
	hole(1000, 800, 5000, 5000);
}

/* --- what is no death --- */

/* A queue fills within a second: the round trip goes from 5 to 500 ms, and stays there, and goes back. */
static void bloat(int64_t up_us, int64_t down_us)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 5000, up_us, down_us);

	for (unsigned int i = 0; i < 3; i++) {
		for (int64_t ms = 5; ms <= 500; ms += 5) {
			delay(w, 0, ms * 1000);
			assert_stays(w, 10);
		}
		assert_stays(w, 5000);
		for (int64_t ms = 500; ms >= 5; ms -= 5) {
			delay(w, 0, ms * 1000);
			assert_stays(w, 10);
		}
		assert_stays(w, 5000);
	}
	world_free(w);
}

static void test_bufferbloat(void **state)
{
	bloat(5000, 5000);
	bloat(20000, 1000);
	bloat(0, 5000);
}

/* From 5 to 400 ms at once, with as much patience as there may be: the late answers are known for what they are. */
static void test_late_answers(void **state)
{
	struct policy p = defaults();
	struct world *w;

	p.max_consecutive_drops = 20;
	w = warm(&p, 3, 5000, 5000, 0);
	delay(w, 0, 400000);
	assert_stays(w, 450); /* the answer to the first PING, seven behind */
	assert_true(world_session(w, 0)->active->health->srtt_us > 50000);
	assert_stays(w, 20000);
	assert_in_range(world_session(w, 0)->active->health->srtt_us, 390000, 410000);
	world_free(w);
}

static bool no_pong(struct world *w, const struct datagram *d)
{
	(void)w;
	return !d->up && d->path == 0 && d->frames & FRAME_BIT(FRAME_PONG);
}

/* Data comes, answers do not: dead after 20 PINGs and not before. */
static void test_no_answers(void **state)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 1000, 5000, 5000);

	w->swallow = no_pong;
	world_run(w, 500); /* a heartbeat */
	assert_stays(w, 1700);
	w->swallow = NULL;
	assert_stays(w, 5000);
	w->swallow = no_pong;
	world_assert(w, world_until(w, client_leaves, 2600));
	world_free(w);
}

/* Jitter of several round trips, so packets overtake each other; and some come twice. */
static void test_jitter(void **state)
{
	static const int64_t interval[][2] = { { 5000, 5000 }, { 50000, 50000 }, { 5000, 0 }, { 0, 5000 } };
	const struct policy p = defaults();

	for (unsigned int i = 0; i < 4; i++) {
		for (unsigned int k = 0; k < 3; k++) {
			struct world *w = warm(&p, 3, 10000, interval[i][0], interval[i][1]);

			w->client[0].link[0].twice_ppm = k == 0 ? 0 : 300000;
			/* 20 ms each way at once, more by and by: a leap of nine round trips is silence. */
			for (uint32_t us = 0; k < 2 && us <= (k + 1) * 20000; us += k == 0 ? 20000 : 2000) {
				w->client[0].link[0].jitter_us = us;
				assert_stays(w, 500);
			}
			assert_stays(w, 120000);
			world_free(w);
		}
	}
}

/* Answers that wait: requests that are answered 200 ms later, each silence longer than the patience. */
static void test_delayed_answers(void **state)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 1000, 0, 0);

	world_traffic(w, &w->client[0].up, 400000, false);
	world_run(w, 200);
	world_traffic(w, &w->client[0].down, 400000, false);
	assert_stays(w, 120000);
	assert_true(world_count(w, CLIENT, COUNT_TX_CONTROL) < 1500); /* and costs a probe each */
	world_free(w);
}

/* --- flaps --- */

static unsigned int most_in_a_minute(struct world *w, unsigned int engine, struct jv_time since)
{
	unsigned int most = 0;

	for (size_t i = 0; i < w->audits; i++) {
		unsigned int n = 0;

		if (time_before(w->audit[i].r.at, since))
			continue;
		for (size_t k = i; k < w->audits; k++)
			n += w->audit[k].engine == engine &&
			     w->audit[k].r.event == AUDIT_SESSION_STATE_CHANGE &&
			     time_diff_us(w->audit[k].r.at, w->audit[i].r.at) < 60000000;
		most = n > most ? n : most;
	}
	return most;
}

/* Nothing better is at hand, and loss or latency sways around its threshold: how often is that told? */
static void flap(bool loss, uint64_t half_ms, unsigned int paths)
{
	const struct policy p = with_latency(loss ? 0 : 100);
	struct world *w = warm(&p, paths, 60000, 5000, 5000);
	const struct jv_time from = w->now, later = time_add_ms(w->now, 120000);

	for (unsigned int i = 0; i < 600000 / half_ms; i++) {
		for (unsigned int n = 0; n < WORLD_PATHS; n++) {
			w->client[0].link[n].loss_ppm = loss && i % 2 == 0 ? 400000 : 0;
			delay(w, n, !loss && i % 2 == 0 ? 150000 : 60000);
		}
		world_run(w, half_ms);
	}
	assert_true(transitions(w, CLIENT, REASON_NONE, 0) > 4);
	assert_in_range(most_in_a_minute(w, CLIENT, from), 4, 16);
	assert_in_range(most_in_a_minute(w, CLIENT, later), 0, 4);
	assert_in_range(most_in_a_minute(w, 0, from), 0, 16); /* it asks only what it has to know */
	assert_in_range(most_in_a_minute(w, 0, later), 0, 4);
	assert_int_equal(world_session(w, 0)->binding_version, 0);
	for (unsigned int n = 0; n < WORLD_PATHS; n++) {
		w->client[0].link[n].loss_ppm = 0;
		delay(w, n, 60000);
	}
	world_run(w, 20000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static void test_flaps(void **state)
{
	flap(true, 2500, 1);
	flap(true, 8000, 1);
	flap(true, 600000, 1); /* bad all the time */
	flap(false, 3000, 1);
	flap(false, 600000, 1);
}

/* The others are worse still: however often they answer, whatever the state, nobody goes there. */
static void test_none_better(void **state)
{
	const struct policy p = with_latency(100);
	struct world *w = warm(&p, 3, 60000, 5000, 5000);

	delay(w, 1, 200000);
	delay(w, 2, 200000);
	world_run(w, 120000);
	delay(w, 0, 150000);
	world_run(w, 120000);
	world_assert(w, transitions(w, CLIENT, REASON_VOLATILE_PERSISTED, 0) > 0);
	world_assert(w, world_session(w, 0)->binding_version == 0);
	world_free(w);
}

/* --- sleep --- */

/* The clock leaps, and only then does anybody look: the input that notices may be any. */
enum notice { NOTICE_TIMER, NOTICE_INNER };

static void leap(struct world *w, uint64_t ms, unsigned int engine, enum notice notice)
{
	w->now = time_add_ms(w->now, ms);
	w->client[0].up.next = w->client[0].down.next = w->now;
	if (notice == NOTICE_TIMER) {
		engine_tick(w->engine[engine].e, w->now);
	} else {
		uint8_t packet[100];

		world_packet(packet, sizeof(packet), engine == CLIENT ? "10.8.0.2" : "10.8.0.1",
			     engine == CLIENT ? "10.8.0.1" : "10.8.0.2");
		world_inner(w, engine, packet, sizeof(packet));
	}
}

/* Asleep in the middle of a suspicion: no verdict comes of it, all paths are asked, the round trip is what it was. */
static void test_sleep(void **state)
{
	static const uint64_t ms[] = { 2500, 60000, 3600000 };
	struct policy p = defaults();

	p.rekey_after_ms = 3600000;
	for (unsigned int i = 0; i < 12; i++) {
		struct world *w = warm(&p, 3, 20000, 5000, 5000);
		const unsigned int engine = i & 1 ? CLIENT : 0;
		const uint64_t before = world_count(w, CLIENT, COUNT_TX_CONTROL);
		const uint64_t before_server = world_count(w, 0, COUNT_TX_CONTROL);
		uint64_t asked, asked_server;

		cut(w, 0, true, true);
		world_run(w, 55); /* one PING is out, nothing has come back */
		world_assert(w, world_session(w, 0)->active->health->unanswered > 0);
		cut(w, 0, false, false);
		asked = world_count(w, CLIENT, COUNT_TX_CONTROL);
		asked_server = world_count(w, 0, COUNT_TX_CONTROL);
		cut(w, 0, true, false);
		leap(w, ms[i / 4], engine, i & 2 ? NOTICE_TIMER : NOTICE_INNER);
		world_assert(w,
			     world_session(w, 0)->state_version == 1 && world_peer(w, 0)->state_version == 1);
		world_run(w, 5);
		cut(w, 0, false, false);
		assert_in_range(world_count(w, CLIENT, COUNT_TX_CONTROL) - asked, 3, 8);
		assert_in_range(world_count(w, 0, COUNT_TX_CONTROL) - asked_server, 1, 8);
		assert_stays(w, 3000);
		for (uint8_t n = 0; n < 3; n++) {
			const struct path *path = session_path_numbered(world_session(w, 0), n);

			assert_in_range(path->health->srtt_us, 19000, 22000);
			assert_true(time_diff_us(w->now, path->health->last_pong) < 3000000);
			assert_true(time_diff_us(w->now, path->health->stable_since) <= 3010000);
		}
		assert_in_range(world_peer(w, 0)->active->health->srtt_us, 19000, 22000);
		assert_in_range(world_count(w, CLIENT, COUNT_TX_CONTROL) - before, 3, 60);
		assert_in_range(world_count(w, 0, COUNT_TX_CONTROL) - before_server, 3, 60);
		world_free(w);
	}
}

/* A PONG to what was asked before the sleep tells no round trip, whether it or the timer comes first. */
static void late_pong(bool timer_first)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 20000, 5000, 5000);
	struct datagram pong;

	w->recording = RECORD_SENT;
	send_ping(world_session(w, 0)->active, 0, w->now);
	world_run(w, 11);
	cut(w, 0, false, true);
	world_run(w, 2);
	pong = world_recorded(w, false, FRAME_BIT(FRAME_PONG));
	w->flight.n = 0;
	cut(w, 0, false, false);
	w->now = time_add_ms(w->now, 90000);
	w->client[0].up.next = w->client[0].down.next = w->now;
	if (timer_first)
		world_run(w, 2); /* and has asked anew */
	world_late(w, &pong);
	assert_int_equal(transitions(w, CLIENT, REASON_NONE, 0), 1);
	world_run(w, 1000);
	assert_in_range(world_session(w, 0)->active->health->srtt_us, 19000, 22000);
	world_free(w);
}

static void test_sleep_late_pong(void **state)
{
	late_pong(false);
	late_pong(true);
}

/* That the peer heard nothing of us while we slept is no news. */
static void test_sleep_peer_dead(void **state)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 20000, 0, 0);
	struct datagram ping;

	for (unsigned int asleep = 0; asleep < 2; asleep++) {
		w->recording = RECORD_SENT;
		cut(w, 1, false, true);
		send_ping(session_path_numbered(world_peer(w, 0), 1), PING_PEER_DEAD, w->now);
		ping = world_recorded(w, false, FRAME_BIT(FRAME_PING));
		assert_int_equal(ping.path, 1);
		cut(w, 1, false, false);
		if (asleep == 0) {
			w->now = time_add_ms(w->now, 3000);
			world_client_engine(w, 0)->last_input =
				TIME_ZERO; /* whatever was due, it is late now */
			session_due(world_session(w, 0), DUE_STANDBY, time_add_us(w->now, -2000000));
		}
		world_late(w, &ping);
		assert_int_equal(transitions(w, CLIENT, REASON_PEER_REPORTED, 0), asleep);
		world_run(w, 3000);
	}
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static const struct audit_record *change(struct world *w, unsigned int engine, enum state to)
{
	for (size_t i = w->audits; i-- > 0;)
		if (w->audit[i].engine == engine && w->audit[i].r.event == AUDIT_SESSION_STATE_CHANGE &&
		    w->audit[i].r.to == to)
			return &w->audit[i].r;
	fail_msg("%s was never reached", state_name(to));
	return NULL;
}

/* What fell due in the sleep happened when it fell due, one after the other; what did not is still to come. */
static void deadlines(unsigned int engine, uint64_t sleep_ms, enum notice notice, enum reason end)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 1, 20000, 5000, 5000);
	const struct session *s;
	struct jv_time left;

	cut(w, 0, true, true);
	world_assert(w, world_until(w, engine == CLIENT ? client_leaves : server_leaves, 1000));
	s = engine == CLIENT ? world_session(w, 0) : world_peer(w, 0);
	assert_int_equal(s->state, STATE_VOLATILE);
	left = s->left_attached;
	leap(w, sleep_ms, engine, notice);
	world_assert(w, change(w, engine, STATE_DEGRADED)->at.us == left.us + 4000000);
	if (end == REASON_NONE) {
		world_assert(w, s->state == STATE_DEGRADED);
	} else {
		world_assert(w, change(w, engine, STATE_TERMINATED)->reason == end);
		world_assert(w, change(w, engine, STATE_TERMINATED)->at.us == left.us + 120000000);
	}
	world_free(w);
}

static void test_sleep_deadlines(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		const unsigned int engine = i & 1 ? CLIENT : 0;
		const enum notice notice = i & 2 ? NOTICE_TIMER : NOTICE_INNER;

		deadlines(engine, 10000, notice, REASON_NONE);
		deadlines(engine, 119000, notice, REASON_NONE);
		deadlines(engine, 121000, notice, REASON_TRANSPORT_TTL_EXCEEDED);
		deadlines(engine, 100000000, notice, REASON_TRANSPORT_TTL_EXCEEDED);
	}
}

/* Asleep beyond the lifetime: the session ended then, whatever comes first after it. */
static void test_sleep_lifetime(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct policy p = defaults();
		const unsigned int engine = i & 1 ? CLIENT : 0;
		struct world *w = warm(&p, 3, 20000, 0, 0);
		const struct jv_time end = time_add_ms(
			(engine == CLIENT ? world_session(w, 0) : world_peer(w, 0))->born, p.max_lifetime_ms);

		leap(w, 90000000, engine, i & 2 ? NOTICE_TIMER : NOTICE_INNER);
		world_assert(w,
			     change(w, engine, STATE_TERMINATED)->reason == REASON_SESSION_LIFETIME_EXCEEDED);
		world_assert(w, change(w, engine, STATE_TERMINATED)->at.us == end.us);
		world_assert(w, world_until(w, world_all_attached, 10000));
		world_free(w);
	}
}

static bool client_recovering(struct world *w)
{
	return world_session(w, 0)->state == STATE_RECOVERING;
}

/* In the middle of a jump: its window has ended, and the session waits. */
static void test_sleep_recovering(void **state)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 2, 20000, 5000, 5000);
	struct jv_time since;

	cut(w, 0, true, true);
	cut(w, 1, true, true);
	world_assert(w, world_until(w, client_recovering, 1000));
	since = world_session(w, 0)->since;
	leap(w, 60000, CLIENT, NOTICE_TIMER);
	world_assert(w, world_session(w, 0)->state == STATE_DEGRADED);
	world_assert(w, change(w, CLIENT, STATE_DEGRADED)->reason == REASON_RECOVERY_WINDOW_EXPIRED);
	world_assert(w, change(w, CLIENT, STATE_DEGRADED)->at.us == since.us + 8000000);
	cut(w, 0, false, false);
	world_assert(w, world_until(w, world_all_attached, 5000));
	world_free(w);
}

/* --- where a standby path leads --- */

/* An old packet of a path, late from where the client was before, does not bring the address back. */
static void test_old_address(void **state)
{
	const struct policy p = defaults();
	struct world *w = warm(&p, 3, 20000, 0, 0);
	struct path *there = session_path_numbered(world_peer(w, 0), 1);
	struct route now_there;
	struct datagram old;

	w->recording = RECORD_SENT;
	cut(w, 1, true, false);
	send_ping(session_path_numbered(world_session(w, 0), 1), 0, w->now);
	old = world_recorded(w, true, FRAME_BIT(FRAME_PING));
	assert_int_equal(old.path, 1);
	cut(w, 1, false, false);
	w->client[0].link[1].nat++;
	world_run(w, 20000);
	now_there = session_route(there);
	assert_false(route_equal(&now_there, &old.route));
	assert_true(path_is_proven(there));
	world_late(w, &old);
	assert_true(route_equal(world_route(there), &now_there) && path_is_proven(there));
	world_run(w, 100);
	/* And of the active one it starts no trial. */
	cut(w, 0, true, false);
	send_ping(world_session(w, 0)->active, 0, w->now);
	old = world_recorded(w, true, FRAME_BIT(FRAME_PING));
	assert_int_equal(old.path, 0);
	cut(w, 0, false, false);
	world_run(w, 20000);
	old.route.remote.port++;
	world_late(w, &old);
	assert_false(path_trial(world_peer(w, 0)->active));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_loss),        cmocka_unit_test(test_great_loss),
		cmocka_unit_test(test_standby_loss),      cmocka_unit_test(test_death),
		cmocka_unit_test(test_death_after_death), cmocka_unit_test(test_latency_spike),
		cmocka_unit_test(test_latency_lasting),   cmocka_unit_test(test_latency_hysteresis),
		cmocka_unit_test(test_latency_once),      cmocka_unit_test(test_death_table),
		cmocka_unit_test(test_ride_out),          cmocka_unit_test(test_hole),
		cmocka_unit_test(test_bufferbloat),       cmocka_unit_test(test_late_answers),
		cmocka_unit_test(test_no_answers),        cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_delayed_answers),   cmocka_unit_test(test_flaps),
		cmocka_unit_test(test_none_better),       cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_sleep_late_pong),   cmocka_unit_test(test_sleep_peer_dead),
		cmocka_unit_test(test_sleep_deadlines),   cmocka_unit_test(test_sleep_lifetime),
		cmocka_unit_test(test_sleep_recovering),  cmocka_unit_test(test_old_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
