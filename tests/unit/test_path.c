/* What a path learns of itself, and which of two is better. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/path.h"

static const struct policy policy = { .max_consecutive_drops = 3 };

static struct jv_time ms(int64_t n)
{
	return (struct jv_time){ n * 1000 };
}

/* RFC 6298 section 2: SRTT <- R, RTTVAR <- R/2; then beta 1/4 with the old SRTT, alpha 1/8. */
static void test_rtt(void **state)
{
	struct path p = { .number = 0 };

	path_rtt_sample(&p, 100000);
	assert_int_equal(p.srtt_us, 100000);
	assert_int_equal(p.rttvar_us, 50000);
	path_rtt_sample(&p, 180000); /* |delta| 80 ms */
	assert_int_equal(p.rttvar_us, 57500);
	assert_int_equal(p.srtt_us, 110000);
	path_rtt_sample(&p, 30000); /* downwards as well */
	assert_int_equal(p.rttvar_us, 63125);
	assert_int_equal(p.srtt_us, 100000);
	for (int i = 0; i < 200; i++)
		path_rtt_sample(&p, 100000);
	assert_int_equal(p.srtt_us, 100000);
	assert_in_range(p.rttvar_us, 0, 3);
	path_rtt_sample(&p, -5); /* clocks never run back, but a bad echo must not spoil it */
	assert_true(p.srtt_us > 0 && p.rttvar_us >= 0);
}

static void test_patience(void **state)
{
	struct path p = { .number = 0 };

	assert_int_equal(path_patience_us(&p), 300000); /* nothing is known */
	p.srtt_us = 1000;
	p.rttvar_us = 100;
	assert_int_equal(path_patience_us(&p), 30000);
	assert_int_equal(path_reprobe_us(&p), 10000);
	p.srtt_us = 50000;
	p.rttvar_us = 10000;
	assert_int_equal(path_patience_us(&p), 140000);
	assert_int_equal(path_reprobe_us(&p), 50000);
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
	return path_ponged(p, peer, 2000, ms(now_ms));
}

static void test_loss(void **state)
{
	struct path_report peer = { .sent = UINT32_MAX - 50, .received = UINT32_MAX - 20 }; /* counts wrap */
	struct path p = { .number = 0, .sent = UINT32_MAX - 30 };

	assert_false(exchange(&p, &peer, 10, 10, 10, 10, 0));
	assert_false(exchange(&p, &peer, 50, 45, 50, 50, 1000)); /* the window is not over */
	assert_true(exchange(&p, &peer, 50, 45, 50, 50, 2000));
	assert_int_equal(p.loss_ppm, 100000);
	assert_true(exchange(&p, &peer, 100, 100, 100, 75, 4000));
	assert_int_equal(p.loss_ppm, 250000);
	assert_true(exchange(&p, &peer, 100, 50, 100, 75, 6000)); /* the worse direction */
	assert_int_equal(p.loss_ppm, 500000);
	assert_true(exchange(&p, &peer, 5, 1, 5, 1, 8000)); /* too few to say anything */
	assert_int_equal(p.loss_ppm, 0);
	assert_true(exchange(&p, &peer, 100, 120, 100, 130, 10000)); /* stragglers are no gain */
	assert_int_equal(p.loss_ppm, 0);
}

static void test_pings(void **state)
{
	struct path p = { .number = 0, .stable_since = ms(1) };

	path_pinged(&p, 7, ms(10));
	assert_true(p.ping_out && p.unanswered == 1 && p.silent_since.us == 10000 &&
		    p.stable_since.us == 1000);
	path_pinged(&p, 8, ms(20));
	assert_true(p.unanswered == 2 && p.silent_since.us == 10000 && p.stable_since.us == 20000);
	for (int i = 0; i < 1000; i++)
		path_pinged(&p, 9, ms(30));
	assert_int_equal(p.unanswered, UINT8_MAX);
	path_answered(&p, ms(40));
	assert_true(!p.ping_out && p.unanswered == 0 && p.last_pong.us == 40000);
	assert_false(p.proven); /* that is for PATH_RESPONSE to say */
}

static void test_amplification(void **state)
{
	struct path p = { .number = 0 };
	uint32_t out = 0;

	assert_false(path_may_send(&p, 1));
	p.credit_rx = 1000;
	for (int i = 0; i < 10000; i++)
		out += path_may_send(&p, 7) ? 7 : 0;
	assert_true(out <= 3000 && out > 2990);
	assert_false(path_may_send(&p, UINT32_MAX));
	p.proven = true;
	assert_true(path_may_send(&p, 1000000));
	p.proven = false;
	assert_false(path_may_send(&p, 1000));
	path_reset(&p, ms(1));
	assert_int_equal(p.credit_rx, 0);
}

static struct path good(uint8_t number)
{
	return (struct path){ .number = number,
			      .known = true,
			      .proven = true,
			      .srtt_us = 10000,
			      .loss_ppm = 1000,
			      .stable_since = ms(1000) };
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

	b.unanswered = 3; /* not warm */
	b.loss_ppm = 0;
	b.srtt_us = 1;
	b.stable_since = ms(0);
	assert_better(&a, &b);

	a = good(5), b = good(1);
	a.loss_ppm = 999;
	b.srtt_us = 1;
	b.stable_since = ms(0);
	assert_better(&a, &b);

	a = good(5), b = good(1);
	a.srtt_us = 9999;
	b.stable_since = ms(0);
	assert_better(&a, &b);

	a = good(5), b = good(1);
	a.stable_since = ms(999);
	assert_better(&a, &b);

	a = good(1), b = good(5);
	assert_better(&a, &b);
	assert_false(path_is_better(&a, &a, &policy));
}

static void test_warm(void **state)
{
	struct path p = good(0);

	assert_true(path_is_warm(&p, &policy));
	p.unanswered = 2;
	assert_true(path_is_warm(&p, &policy));
	p.unanswered = 3;
	assert_false(path_is_warm(&p, &policy));
	p = good(0);
	p.proven = false;
	assert_false(path_is_warm(&p, &policy));
	p = good(0);
	p.srtt_us = 0;
	assert_false(path_is_warm(&p, &policy));
	p = good(0);
	p.known = false;
	assert_false(path_is_warm(&p, &policy));
}

static void test_reset(void **state)
{
	struct path p = good(3);

	memset(p.locator, 7, sizeof(p.locator));
	memset(p.token, 8, sizeof(p.token));
	p.slot = 4;
	p.issued = true;
	p.sent = 5;
	path_reset(&p, ms(77));
	assert_true(p.issued && p.slot == 4 && p.locator[0] == 7 && p.token[15] == 8);
	assert_true(p.number == PATH_NONE && !p.known && !p.proven && p.sent == 0 && p.srtt_us == 0);
	assert_true(time_is_never(p.last_rx) && p.stable_since.us == 77000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rtt),           cmocka_unit_test(test_patience),
		cmocka_unit_test(test_loss),          cmocka_unit_test(test_pings),
		cmocka_unit_test(test_amplification), cmocka_unit_test(test_ranking),
		cmocka_unit_test(test_warm),          cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
