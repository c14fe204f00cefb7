/* The timer wheel against a naive model: an array that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "prng.h"
#include "session/wheel.h"

#define TIMERS 64
#define STEPS 40000
#define MS INT64_C(1000)
#define HOUR (3600 * 1000 * MS)
#define DAY (24 * HOUR)

struct model_timer {
	struct timer timer;
	bool running;
	int64_t at;           /* microseconds */
	unsigned int started; /* in which round of wheel_expire(), 0 outside */
};

/* What the callbacks need; cmocka tests run one after the other. */
static struct world {
	struct wheel wheel;
	struct prng rng;
	int64_t now;
	unsigned int round;
	bool expiring;
	unsigned int fired;
	struct model_timer t[TIMERS];
} world;

static int64_t random_span(struct prng *rng)
{
	switch (prng_below(rng, 8)) {
	case 0:
		return -(int64_t)prng_below(rng, 5000 * MS);
	case 1:
		return (int64_t)prng_below(rng, 3 * MS);
	case 2:
		return (int64_t)prng_below(rng, 64 * 64 * MS * 2);
	case 3:
		return (int64_t)prng_below(rng, 2 * HOUR);
	case 4:
		return (int64_t)prng_below(rng, 8 * DAY);
	case 5:
		return (int64_t)prng_below(rng, 2000 * DAY);
	default:
		return (int64_t)prng_below(rng, 200 * MS);
	}
}

static int64_t tick_of(int64_t us)
{
	return us > 0 ? (us + 999) / 1000 : 0;
}

static void note_start(struct model_timer *m, int64_t at)
{
	m->running = true;
	m->at = at;
	m->started = world.expiring ? world.round : 0;
}

static void start(struct model_timer *m, int64_t at)
{
	timer_start(&world.wheel, &m->timer, (struct jv_time){ at });
	note_start(m, at);
}

static void random_operation(void)
{
	struct model_timer *m = &world.t[prng_below(&world.rng, TIMERS)];
	int64_t at = world.now + random_span(&world.rng);
	bool earlier;

	switch (prng_below(&world.rng, 8)) {
	case 0:
		timer_stop(&world.wheel, &m->timer);
		m->running = false;
		break;
	case 1:
		timer_start(&world.wheel, &m->timer, TIME_NEVER);
		m->running = false;
		break;
	case 2:
		timer_start_earlier(&world.wheel, &m->timer, TIME_NEVER);
		break;
	case 3:
		earlier = !m->running || tick_of(at) < tick_of(m->at);
		timer_start_earlier(&world.wheel, &m->timer, (struct jv_time){ at });
		if (earlier)
			note_start(m, at);
		break;
	default:
		start(m, at);
	}
	assert_int_equal(timer_is_running(&m->timer), m->running);
}

static void fire(struct timer *t, struct jv_time now)
{
	struct model_timer *m = container_of(t, struct model_timer, timer);

	assert_true(world.expiring);
	assert_true(m->running);                 /* a stopped timer never fires */
	assert_false(timer_is_running(t));
	assert_int_equal(now.us, world.now);
	assert_true(m->at <= world.now);         /* never early */
	assert_true(m->started != world.round);  /* what a callback starts waits for the next call */
	m->running = false;
	world.fired++;
	for (uint64_t n = prng_below(&world.rng, 3); n > 0; n--)
		random_operation();
}

static void world_init(int64_t now, uint64_t seed)
{
	memset(&world, 0, sizeof(world));
	world.rng.state = seed;
	world.now = now;
	wheel_init(&world.wheel, (struct jv_time){ now });
	for (int i = 0; i < TIMERS; i++)
		timer_init(&world.t[i].timer, fire);
}

static void check_next(void)
{
	struct jv_time next = wheel_next(&world.wheel);
	int64_t first = INT64_MAX;

	for (int i = 0; i < TIMERS; i++) {
		if (world.t[i].running && world.t[i].at < first)
			first = world.t[i].at;
	}
	if (first == INT64_MAX) {
		assert_true(time_is_never(next));
		return;
	}
	assert_false(time_is_never(next));
	/* The tick in which it falls due, or now if that has passed. */
	first = tick_of(first) * 1000;
	assert_true(next.us <= (first > world.now ? first : world.now));
}

static void expire(void)
{
	unsigned int n;

	world.round++;
	world.fired = 0;
	world.expiring = true;
	n = wheel_expire(&world.wheel, (struct jv_time){ world.now });
	world.expiring = false;
	assert_int_equal(n, world.fired);
	for (int i = 0; i < TIMERS; i++) {
		const struct model_timer *m = &world.t[i];

		/* At most a tick late; but what was started in this round waits. */
		if (m->running && m->started != world.round)
			assert_true(tick_of(m->at) > world.now / 1000);
	}
}

static void run(int64_t start_at, uint64_t seed, bool leaps)
{
	unsigned int fired = 0;

	world_init(start_at, seed);
	for (int i = 0; i < STEPS; i++) {
		struct jv_time next;

		for (uint64_t n = prng_below(&world.rng, 4); n > 0; n--)
			random_operation();
		check_next();
		next = wheel_next(&world.wheel);
		switch (prng_below(&world.rng, leaps ? 12 : 10)) {
		case 0:
			break; /* no time passes */
		case 1:
		case 2:
			if (!time_is_never(next) && next.us > world.now &&
			    (leaps || next.us < world.now + HOUR))
				world.now = next.us;
			break;
		case 3:
			world.now += (int64_t)prng_below(&world.rng, 300 * MS);
			break;
		case 10:
			world.now += (int64_t)prng_below(&world.rng, 10 * HOUR);
			break;
		case 11:
			world.now += (int64_t)prng_below(&world.rng, 20 * DAY);
			break;
		default:
			world.now += (int64_t)prng_below(&world.rng, 4 * MS);
		}
		expire();
		fired += world.fired;
	}
	assert_true(fired > STEPS / 4);
}

static void test_against_model(void **state)
{
	(void)state;
	run(0, 1, false);
	run(123456789, 2, true);
	run(5 * HOUR + 7, 3, true);
	/* over the edge where the top level wraps: 2^36 ms */
	run(((INT64_C(1) << 36) - 20000) * MS, 4, false);
	run(((INT64_C(1) << 36) - 90 * 24 * 3600 * INT64_C(1000)) * MS, 5, true);
}

/* Each span fires in its very tick, however it was reached: no tick early, none late. */
static void test_exact_tick(void **state)
{
	static const int64_t spans[] = {
		1, 63, 64, 65, 4095, 4096, 4097, 262143, 262144, 262145, 16777216, 604800000, 1073741824,
		INT64_C(34359738368), INT64_C(68719476735), INT64_C(68719476736), INT64_C(100000000000),
	};
	static const int64_t starts[] = { 0, 1, 63, 4095, 262143, 1000003, (INT64_C(1) << 36) - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (size_t j = 0; j < sizeof(spans) / sizeof(spans[0]); j++) {
			int64_t due = (starts[i] + spans[j]) * MS;

			world_init(starts[i] * MS, 1);
			start(&world.t[0], due - 1);
			for (int hops = 0; world.fired == 0; hops++) {
				world.now = wheel_next(&world.wheel).us;
				assert_true(world.now <= due);
				assert_true(hops < 10);
				expire();
			}
			assert_int_equal(world.now, due);

			world_init(starts[i] * MS, 1);
			start(&world.t[0], due);
			world.now = due - 1; /* in one leap to the last microsecond before */
			expire();
			assert_int_equal(world.fired, 0);
			world.now = due;
			expire();
			assert_int_equal(world.fired, 1);
		}
	}
}

static void count_fire(struct timer *t, struct jv_time now)
{
	(void)t;
	(void)now;
	world.fired++;
}

/* Years at once: a walk tick by tick would not come back before the alarm. */
static void test_leap_of_years(void **state)
{
	(void)state;
	alarm(60);
	for (int i = 0; i < 1000; i++) {
		world_init(0, 1);
		for (int k = 0; k < TIMERS; k++) {
			timer_init(&world.t[k].timer, count_fire);
			timer_start(&world.wheel, &world.t[k].timer, (struct jv_time){ k * 30 * DAY });
		}
		wheel_expire(&world.wheel, (struct jv_time){ TIMERS * 30 * DAY });
		assert_int_equal(world.fired, TIMERS);
		assert_true(time_is_never(wheel_next(&world.wheel)));
	}
	alarm(0);
}

static unsigned int order[TIMERS];

static void note_order(struct timer *t, struct jv_time now)
{
	struct model_timer *m = container_of(t, struct model_timer, timer);

	(void)now;
	order[world.fired++] = (unsigned int)(m - world.t);
}

/* Sooner ones first, even when one call fires them all. */
static void test_order_of_firing(void **state)
{
	(void)state;
	world_init(0, 1);
	for (int i = 0; i < TIMERS; i++) {
		timer_init(&world.t[i].timer, note_order);
		timer_start(&world.wheel, &world.t[i].timer, (struct jv_time){ (TIMERS - i) * 997 * MS });
	}
	wheel_expire(&world.wheel, (struct jv_time){ HOUR });
	assert_int_equal(world.fired, TIMERS);
	for (unsigned int i = 0; i < TIMERS; i++)
		assert_int_equal(order[i], TIMERS - 1 - i);
}

static void restart_now(struct timer *t, struct jv_time now)
{
	world.fired++;
	timer_start(&world.wheel, t, now);
}

static void stop_all_others(struct timer *t, struct jv_time now)
{
	(void)t;
	(void)now;
	world.fired++;
	for (int i = 0; i < TIMERS; i++)
		timer_stop(&world.wheel, &world.t[i].timer);
}

static void test_callbacks(void **state)
{
	(void)state;
	world_init(0, 1);
	timer_init(&world.t[0].timer, restart_now);
	timer_start(&world.wheel, &world.t[0].timer, TIME_ZERO);
	for (unsigned int i = 1; i <= 5; i++) { /* once a call, though no time passes */
		assert_int_equal(wheel_expire(&world.wheel, TIME_ZERO), 1);
		assert_int_equal(world.fired, i);
	}
	world_init(0, 1);
	for (int i = 0; i < TIMERS; i++) {
		timer_init(&world.t[i].timer, stop_all_others);
		timer_start(&world.wheel, &world.t[i].timer, (struct jv_time){ i / 2 * MS });
	}
	assert_int_equal(wheel_expire(&world.wheel, (struct jv_time){ HOUR }), 1);
	assert_true(time_is_never(wheel_next(&world.wheel)));
	assert_int_equal(wheel_expire(&world.wheel, (struct jv_time){ HOUR }), 0);
}

static void test_never_and_backwards(void **state)
{
	struct timer t;

	(void)state;
	world_init(HOUR, 1);
	timer_init(&t, count_fire);
	assert_false(timer_is_running(&t));
	timer_stop(&world.wheel, &t);
	timer_start(&world.wheel, &t, TIME_NEVER);
	assert_false(timer_is_running(&t));
	timer_start(&world.wheel, &t, (struct jv_time){ INT64_MAX - 1 });
	assert_true(timer_is_running(&t));
	assert_int_equal(wheel_expire(&world.wheel, (struct jv_time){ 100 * HOUR }), 0);
	timer_start_earlier(&world.wheel, &t, (struct jv_time){ 101 * HOUR });
	assert_int_equal(wheel_expire(&world.wheel, TIME_ZERO), 0); /* a clock does not run back */
	assert_int_equal(wheel_expire(&world.wheel, (struct jv_time){ 101 * HOUR - 1 }), 0);
	timer_start_earlier(&world.wheel, &t, (struct jv_time){ 102 * HOUR });
	assert_int_equal(wheel_expire(&world.wheel, (struct jv_time){ 101 * HOUR }), 1);
	timer_start(&world.wheel, &t, (struct jv_time){ 103 * HOUR });
	timer_start(&world.wheel, &t, TIME_NEVER);
	assert_true(time_is_never(wheel_next(&world.wheel)));
	assert_int_equal(wheel_expire(&world.wheel, (struct jv_time){ 200 * HOUR }), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_exact_tick),
		cmocka_unit_test(test_leap_of_years),
		cmocka_unit_test(test_order_of_firing),
		cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_never_and_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
