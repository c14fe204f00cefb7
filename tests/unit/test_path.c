/* What a path learns of itself, and which of two is better. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/path.h"

static const struct policy policy = { .max_consecutive_drops = 3,
				      .loss_window_ms = 2000,
				      .loss_volatile_threshold = 200000,
				      .heartbeat_interval_ms = 500,
				      .latency_volatile_threshold_ms = 100 };

static struct jv_time ms(int64_t n)
{
	return (struct jv_time){ n * 1000 };
}

/* RFC 6298 section 2: SRTT <- R, RTTVAR <- R/2; then beta 1/4 with the old SRTT, alpha 1/8. */
static void test_rtt(void **state)
{
	struct path p = { .health = &(struct health){ 0 } };

	path_rtt_sample(&p, 100000);
	assert_int_equal(p.health->srtt_us, 100000);
	assert_int_equal(p.health->rttvar_us, 50000);
	path_rtt_sample(&p, 180000); /* |delta| 80 ms */
	assert_int_equal(p.health->rttvar_us, 57500);
	assert_int_equal(p.health->srtt_us, 110000);
	path_rtt_sample(&p, 30000); /* downwards as well */
	assert_int_equal(p.health->rttvar_us, 63125);
	assert_int_equal(p.health->srtt_us, 100000);
	for (int i = 0; i < 200; i++)
		path_rtt_sample(&p, 100000);
	assert_int_equal(p.health->srtt_us, 100000);
	assert_in_range(p.health->rttvar_us, 0, 3);
	path_rtt_sample(&p, -5); /* clocks never run back, but a bad echo must not spoil it */
	assert_true(p.health->srtt_us > 0 && p.health->rttvar_us >= 0);
}

static void test_patience(void **state)
{
	struct path p = { .health = &(struct health){ 0 } };

	assert_int_equal(path_patience_us(&p), 300000); /* nothing is known */
	p.health->srtt_us = 1000;
	p.health->rttvar_us = 100;
	assert_int_equal(path_patience_us(&p), 30000);
	p.health->srtt_us = 50000;
	p.health->rttvar_us = 10000;
	assert_int_equal(path_patience_us(&p), 140000);
}

/* The first PING has 20 ms at least, the next two three quarters of a round trip, each further one twice that of
 * before. */
static void test_wait(void **state)
{
	const int64_t want[] = { 20000, 20000,  10000,  10000,  20000, 40000,
				 80000, 160000, 320000, 500000, 500000 };
	struct path p = { .health = &(struct health){ .srtt_us = 1000 } };

	for (uint8_t n = 0; n < 11; n++) {
		p.health->unanswered = n;
		assert_int_equal(path_wait_us(&p, 500000), want[n]);
	}
	p.health->unanswered = UINT8_MAX;
	assert_int_equal(path_wait_us(&p, 500000), 500000);
	p.health->srtt_us = 50000;
	p.health->unanswered = 3;
	assert_int_equal(path_wait_us(&p, 500000), 37500);
	p.health->unanswered = 4;
	assert_int_equal(path_wait_us(&p, 500000), 100000);
	p.health->srtt_us = 700000; /* never quicker than the path itself */
	assert_int_equal(path_wait_us(&p, 500000), 700000);
	p.health->srtt_us = 0;
	assert_int_equal(path_wait_us(&p, 500000), 500000);
	p.health->unanswered = 2;
	assert_int_equal(path_wait_us(&p, 500000), 300000);
}

/* A path that loses anyway needs more unanswered PINGs; the policy's number is the least. */
static void test_drops(void **state)
{
	struct policy many = policy;
	struct path p = { .health = &(struct health){ 0 } };

	many.max_consecutive_drops = 12;
	assert_int_equal(path_drops(&p, &policy), 3);
	p.health->loss_ppm = 10000;
	assert_int_equal(path_drops(&p, &policy), 3);
	p.health->loss_ppm = 50000;
	assert_int_equal(path_drops(&p, &policy), 5);
	p.health->loss_ppm = 150000;
	assert_int_equal(path_drops(&p, &policy), 9);
	assert_int_equal(path_drops(&p, &many), 12);
	p.health->loss_ppm = 600000;
	assert_int_equal(path_drops(&p, &policy), 32);
	p.health->loss_ppm = 1000000;
	assert_int_equal(path_drops(&p, &policy), 32);
}

/* Of `sent` packets the peer got `there`, of the `back` it sent we get `came`; then a PING is answered. */
static bool exchange(struct path *p, struct path_report *peer, uint32_t sent, uint32_t there, uint32_t back,
		     uint32_t came, int64_t now_ms)
{
	p->sent += sent - 1;
	path_pinged(p, 1, ms(now_ms));
	p->sent++;
	peer->received += there;
	peer->sent += back;
	p->received += came;
	return path_ponged(p, peer, &policy, ms(now_ms));
}

static void test_loss(void **state)
{
	struct path_report peer = { .sent = UINT32_MAX - 50, .received = UINT32_MAX - 20 }; /* counts wrap */
	struct path p = { .sent = UINT32_MAX - 30, .health = &(struct health){ 0 } };

	assert_false(exchange(&p, &peer, 10, 10, 10, 10, 0));
	assert_false(exchange(&p, &peer, 50, 45, 50, 50, 1000)); /* the window is not over */
	assert_true(exchange(&p, &peer, 50, 45, 50, 50, 2000));
	assert_int_equal(p.health->loss_ppm, 100000);
	assert_true(exchange(&p, &peer, 100, 100, 100, 81, 4000));
	assert_int_equal(p.health->loss_ppm, 190000);
	assert_true(exchange(&p, &peer, 100, 50, 100, 75, 6000)); /* the worse direction */
	assert_int_equal(p.health->loss_ppm, 500000);
	assert_true(exchange(&p, &peer, 100, 120, 100, 130, 8000)); /* stragglers are no gain */
	assert_int_equal(p.health->loss_ppm, 0);
}

/* Few packets: the window goes on until there are ten, and forgets what it has when that takes too long. */
static void test_loss_sparse(void **state)
{
	struct path_report peer = { 0 };
	struct path p = { .health = &(struct health){ .loss_ppm = 7 } };

	assert_false(exchange(&p, &peer, 1, 1, 1, 1, 0));
	assert_false(exchange(&p, &peer, 4, 3, 4, 4, 5000));
	assert_false(exchange(&p, &peer, 5, 4, 5, 5, 10000));
	assert_int_equal(p.health->loss_ppm, 7);
	assert_true(exchange(&p, &peer, 3, 3, 3, 3, 15000)); /* two of twelve */
	assert_int_equal(p.health->loss_ppm, 166666);
	assert_false(exchange(&p, &peer, 4, 0, 4, 0, 78999));
	assert_true(exchange(&p, &peer, 4, 0, 4, 0, 79000)); /* 32 windows */
	assert_int_equal(p.health->loss_ppm, 166666);
	assert_true(!p.health->loss_bad);
	assert_true(exchange(&p, &peer, 12, 12, 12, 12, 82000));
	assert_int_equal(p.health->loss_ppm, 0);
}

/* More than the threshold is bad when it cannot be chance; until that is known the window goes on. */
static void test_loss_proof(void **state)
{
	struct path_report peer = { 0 };
	struct path p = { .health = &(struct health){ 0 } };

	assert_false(exchange(&p, &peer, 1, 1, 1, 1, 0));
	assert_false(exchange(&p, &peer, 100, 70, 100, 100, 2000)); /* 30 % of 100: 2.5 standard deviations */
	assert_int_equal(p.health->loss_ppm, 300000);
	assert_false(exchange(&p, &peer, 100, 70, 100, 100, 4000));
	assert_false(p.health->loss_bad);
	assert_true(exchange(&p, &peer, 100, 70, 100, 100, 6000)); /* 4.3 of them */
	assert_true(p.health->loss_bad);
	assert_true(exchange(&p, &peer, 100, 100, 100, 84, 8000)); /* below the threshold, but hardly */
	assert_true(p.health->loss_bad);
	assert_true(exchange(&p, &peer, 100, 85, 100, 100, 10000));
	assert_false(p.health->loss_bad);
	assert_true(exchange(&p, &peer, 10, 2, 10, 10, 12000)); /* 8 of 10 will do */
	assert_true(p.health->loss_bad);
	path_void(&p, ms(13000));
	assert_false(exchange(&p, &peer, 1, 1, 1, 1, 14000));
	assert_false(exchange(&p, &peer, 10, 3, 10, 10, 16000)); /* 7 of 10 will not */
	assert_false(exchange(&p, &peer, 10, 10, 10, 10, 77999));
	assert_false(p.health->loss_bad);
}

/* However low the threshold: a few lost are no proof. */
static void test_loss_few(void **state)
{
	struct policy strict = policy;
	struct path_report peer = { 0 };
	struct path p = { .health = &(struct health){ 0 } };

	strict.loss_volatile_threshold = 10000;
	for (unsigned int lost = 7; lost <= 8; lost++) {
		path_pinged(&p, 1, ms(0));
		p.sent = 1;
		p.health->window_open = false;
		peer.received = 1;
		path_ponged(&p, &peer, &strict, ms(0));
		p.sent = 40;
		path_pinged(&p, 2, ms(2000));
		peer.received = 41 - lost;
		path_ponged(&p, &peer, &strict, ms(2000));
		assert_int_equal(p.health->loss_bad, lost == 8);
		p.sent = 0;
	}
}

/* A hole is no loss: what came before it and after it is not counted together. */
static void test_loss_hole(void **state)
{
	struct path_report peer = { 0 };
	struct path p = { .last_rx = ms(900), .health = &(struct health){ 0 } };

	assert_false(exchange(&p, &peer, 1, 1, 1, 1, 0));
	for (unsigned int i = 0; i < 5; i++)
		path_pinged(&p, 2 + i, ms(1000 + 20 * i));
	assert_true(p.health->quiet);
	assert_false(exchange(&p, &peer, 100, 10, 100, 10, 2500));
	assert_true(!p.health->quiet && p.health->loss_ppm == 0);
	assert_true(exchange(&p, &peer, 100, 95, 100, 95, 4500));
	assert_int_equal(p.health->loss_ppm, 50000);
	for (unsigned int i = 0; i < 6; i++) {
		path_pinged(&p, 20 + i, ms(5000 + 20 * i));
		p.last_rx = ms(5001 + 20 * i); /* others come: that is loss */
	}
	assert_false(p.health->quiet);
}

static void latencies(struct path *p, unsigned int n, int64_t rtt_ms, int64_t *now_ms, int64_t step_ms)
{
	for (unsigned int i = 0; i < n; i++) {
		*now_ms += step_ms;
		path_latency_sample(p, rtt_ms * 1000, &policy, ms(*now_ms));
	}
}

/* Nearest rank: the 90th percentile of 32 samples is the 29th. */
static void test_latency(void **state)
{
	struct policy off = policy;
	struct path p = { .health = &(struct health){ 0 } };
	int64_t now = 1000;

	latencies(&p, 3, 101, &now, 500);
	assert_false(path_latency_exceeded(&p));
	latencies(&p, 29, 100, &now, 500);
	latencies(&p, 1, 101, &now, 500); /* the first of the three is forgotten */
	assert_false(path_latency_exceeded(&p));
	latencies(&p, 3, 101, &now, 500);
	assert_true(path_latency_exceeded(&p) && p.health->latency_bad);
	latencies(&p, 40, 76, &now, 500);
	assert_true(!path_latency_exceeded(&p) && p.health->latency_bad); /* not well below */
	latencies(&p, 3, 75, &now, 500);
	assert_true(p.health->latency_bad);
	latencies(&p, 1, 75, &now, 500);
	assert_false(p.health->latency_bad);
	latencies(&p, 100, 900, &now, 10); /* a second is not long, however often it is looked at */
	assert_true(path_latency_exceeded(&p));
	path_void(&p, ms(now));
	latencies(&p, 70, 900, &now, 10);
	assert_false(path_latency_exceeded(&p));
	latencies(&p, 10, 900, &now, 500);
	off.latency_volatile_threshold_ms = 0;
	path_latency_sample(&p, 900000, &off, ms(now + 500));
	assert_true(!path_latency_exceeded(&p) && !p.health->latency_bad);
}

static void test_pings(void **state)
{
	struct path p = { .health = &(struct health){ .stable_since = ms(1) } };

	path_pinged(&p, 7, ms(10));
	assert_true(p.health->ping_out && p.health->unanswered == 1 && p.health->silent_since.us == 10000 &&
		    p.health->stable_since.us == 1000);
	path_pinged(&p, 8, ms(20));
	assert_true(p.health->unanswered == 2 && p.health->silent_since.us == 10000 &&
		    p.health->stable_since.us == 20000);
	for (int i = 0; i < 1000; i++)
		path_pinged(&p, 9, ms(30));
	assert_int_equal(p.health->unanswered, UINT8_MAX);
	assert_int_equal(p.health->pings_lost, UINT32_MAX);
	path_answered(&p, ms(40));
	assert_int_equal(p.health->pings_lost, UINT32_MAX - 1);
	assert_true(!p.health->ping_out && p.health->unanswered == 0 && p.health->last_pong.us == 40000);
	assert_false(path_is_proven(&p)); /* that is for PATH_RESPONSE to say */
}

static void test_amplification(void **state)
{
	struct trial trial = { .rx = 10 };
	struct path p = { .upkeep = &(struct upkeep){ .credit_rx = 0 } };
	uint32_t out = 0;

	assert_false(path_may_send(&p, 1));
	p.upkeep->credit_rx = 1000;
	for (int i = 0; i < 10000; i++)
		out += path_may_send(&p, 7) ? 7 : 0;
	assert_true(out <= 3000 && out > 2990);
	assert_false(path_may_send(&p, UINT32_MAX));
	assert_false(path_may_try(&p, 1));
	p.upkeep->trial = &trial;
	assert_true(path_may_try(&p, 30));
	p.state = PATH_PROVEN;
	assert_true(path_may_send(&p, 1000000));
	assert_false(path_may_try(&p, 1));
	p.state = PATH_KNOWN;
	assert_false(path_may_send(&p, 1000));
	path_reset(&p, ms(1));
	assert_int_equal(p.upkeep->credit_rx, 0);
}

static struct path good(uint8_t number)
{
	static struct health well[PROTO_PATHS_MAX];

	well[number] = (struct health){ .srtt_us = 10000, .loss_ppm = 1000, .stable_since = ms(1000) };
	return (struct path){ .number = number, .state = PATH_PROVEN, .health = &well[number] };
}

static void assert_better(const struct path *a, const struct path *b)
{
	assert_true(path_is_better(a, b, &policy));
	assert_false(path_is_better(b, a, &policy));
}

/* Each criterion alone decides against all that come behind it. */
static void test_ranking(void **state)
{
	struct path a = good(5), b = good(1);

	b.health->unanswered = 3; /* not warm */
	b.health->loss_ppm = 0;
	b.health->srtt_us = 1;
	b.health->stable_since = ms(0);
	assert_better(&a, &b);

	a = good(5), b = good(1);
	a.health->loss_ppm = 49999;
	b.health->loss_ppm = 50000;
	b.health->srtt_us = 1;
	b.health->stable_since = ms(0);
	assert_better(&a, &b);

	a = good(5), b = good(1);
	b.health->pings_lost = 0x5; /* two of 32 */
	b.health->srtt_us = 1;
	assert_better(&a, &b);
	b.health->pings_lost = 0x4; /* one is chance */
	assert_better(&b, &a);

	a = good(5), b = good(1);
	a.health->srtt_us = 9999;
	b.health->stable_since = ms(0);
	assert_better(&a, &b);

	a = good(5), b = good(1);
	a.health->stable_since = ms(999);
	assert_better(&a, &b);

	a = good(1), b = good(5);
	assert_better(&a, &b);
	assert_false(path_is_better(&a, &a, &policy));
}

static void test_warm(void **state)
{
	struct path p = good(0);

	assert_true(path_is_warm(&p, &policy));
	p.health->unanswered = 2;
	assert_true(path_is_warm(&p, &policy));
	p.health->unanswered = 3;
	assert_false(path_is_warm(&p, &policy));
	p = good(0);
	p.state = PATH_KNOWN;
	assert_false(path_is_warm(&p, &policy));
	p = good(0);
	p.health->srtt_us = 0;
	assert_false(path_is_warm(&p, &policy));
	p = good(0);
	p.state = PATH_UNUSED;
	assert_false(path_is_warm(&p, &policy));
}

static void test_reset(void **state)
{
	struct path p = good(3);

	p.slot = 4;
	p.sent = 5;
	path_reset(&p, ms(77));
	assert_int_equal(p.slot, 4);
	assert_true(p.number == PATH_NONE && !path_is_known(&p) && !path_is_proven(&p) && p.sent == 0);
	assert_true(p.health->srtt_us == 0 && p.health->stable_since.us == 77000);
	assert_true(time_is_never(p.last_rx));
}

/* A server's path that was never asked: nothing is known, nothing is noted, and it is not warm. */
static void test_never_asked(void **state)
{
	const struct path_report report = { .received = 7 };
	struct path p = { .state = PATH_PROVEN, .sent = 100 };

	path_reported(&p, &report, ms(10));
	path_size_changed(&p);
	path_void(&p, ms(20));
	assert_int_equal(path_patience_us(&p), 300000);
	assert_int_equal(path_loss_ppm(&p), 0);
	assert_int_equal(path_drops(&p, &policy), 3);
	assert_false(path_is_warm(&p, &policy));
	assert_false(path_asks(&p, 0));
	assert_false(path_latency_exceeded(&p));
	p.state = PATH_KNOWN;
	assert_false(path_may_send(&p, 1)); /* no credit */
	path_reset(&p, ms(30));
	assert_true(!p.health && !p.upkeep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rtt),        cmocka_unit_test(test_patience),
		cmocka_unit_test(test_wait),       cmocka_unit_test(test_drops),
		cmocka_unit_test(test_loss_few),   cmocka_unit_test(test_loss_sparse),
		cmocka_unit_test(test_loss_proof), cmocka_unit_test(test_loss_hole),
		cmocka_unit_test(test_latency),    cmocka_unit_test(test_loss),
		cmocka_unit_test(test_pings),      cmocka_unit_test(test_amplification),
		cmocka_unit_test(test_ranking),    cmocka_unit_test(test_warm),
		cmocka_unit_test(test_reset),      cmocka_unit_test(test_never_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
