/* The link model: each impairment alone, its bounds, and that one seed means one history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link/link.h"

enum { PACKETS = 20000 };

static struct link make(struct link_profile p)
{
	struct link l;

	link_init(&l, &p, 7);
	return l;
}

/* Sends PACKETS of `len` bytes, one each `gap_us`; counts arrivals, and how many came before one that was sent earlier. */
static void send_all(struct link *l, size_t len, int64_t gap_us, unsigned int *arrived, unsigned int *overtook,
		     int64_t *longest_us)
{
	struct jv_time now = { 1000000 }, at[LINK_COPIES_MAX], last = TIME_ZERO;

	*arrived = *overtook = 0;
	*longest_us = 0;
	for (int i = 0; i < PACKETS; i++) {
		const unsigned int n = link_send(l, len, now, at);

		for (unsigned int k = 0; k < n; k++) {
			assert_false(time_before(at[k], now));
			*longest_us = at[k].us - now.us > *longest_us ? at[k].us - now.us : *longest_us;
			*overtook += time_before(at[k], last);
			last = time_max(last, at[k]);
		}
		*arrived += n;
		now = time_add_us(now, gap_us);
	}
}

static void test_plain(void **state)
{
	struct link l = make((struct link_profile){ .delay_us = 5000, .jitter_us = 3000 });
	unsigned int arrived, overtook;
	int64_t longest;

	send_all(&l, 100, 100, &arrived, &overtook, &longest);
	assert_int_equal(arrived, PACKETS);
	assert_int_equal(overtook, 0);
	assert_in_range(longest, 7500, 8000);
}

static void test_loss(void **state)
{
	struct link l = make((struct link_profile){ .loss_ppm = 300000 });
	unsigned int arrived, overtook;
	int64_t longest;

	send_all(&l, 100, 100, &arrived, &overtook, &longest);
	assert_in_range(arrived, PACKETS * 68 / 100, PACKETS * 72 / 100);
	l.profile.blackhole = true;
	send_all(&l, 100, 100, &arrived, &overtook, &longest);
	assert_int_equal(arrived, 0);
}

static void test_bursts(void **state)
{
	struct link l = make((struct link_profile){ .burst_ppm = PACKETS / 20, .burst_ms = 10 });
	struct jv_time now = { 1000000 }, at[LINK_COPIES_MAX], lost_since = TIME_NEVER;
	unsigned int bursts = 0;

	for (int i = 0; i < PACKETS; i++, now = time_add_us(now, 1000)) {
		if (link_send(&l, 100, now, at) == 0) {
			lost_since = time_min(lost_since, now);
			continue;
		}
		if (time_is_never(lost_since))
			continue;
		assert_in_range(time_diff_us(now, lost_since), 5000, 10000);
		lost_since = TIME_NEVER;
		bursts++;
	}
	assert_in_range(bursts, 5, 40);
}

static void test_duplicates_and_reordering(void **state)
{
	struct link l = make((struct link_profile){ .dup_ppm = 100000 });
	unsigned int arrived, overtook;
	int64_t longest;

	send_all(&l, 100, 100, &arrived, &overtook, &longest);
	assert_in_range(arrived, PACKETS * 109 / 100, PACKETS * 111 / 100);
	l = make((struct link_profile){ .reorder_ppm = 100000, .reorder_us = 5000 });
	send_all(&l, 100, 100, &arrived, &overtook, &longest);
	assert_int_equal(arrived, PACKETS);
	assert_true(overtook > PACKETS / 20);
	assert_in_range(longest, 4000, 5000);
}

/* Twice the rate: half of it arrives, at the rate, and the queue bounds the delay. */
static void test_rate(void **state)
{
	struct link l = make((struct link_profile){ .rate_bps = 8000000, .queue_bytes = 20000 });
	unsigned int arrived, overtook;
	int64_t longest;

	send_all(&l, 1000, 500, &arrived, &overtook, &longest);
	assert_in_range(arrived, PACKETS / 2, PACKETS / 2 + 21);
	assert_in_range(longest, 19000, 20000);
}

static void test_mtu(void **state)
{
	struct link l = make((struct link_profile){ .mtu = 1400 });
	struct jv_time at[LINK_COPIES_MAX];

	assert_int_equal(link_send(&l, 1400, TIME_ZERO, at), 1);
	assert_int_equal(link_send(&l, 1401, TIME_ZERO, at), 0);
}

static void test_one_seed_one_history(void **state)
{
	const struct link_profile p = { .delay_us = 900, .jitter_us = 800, .loss_ppm = 100000, .dup_ppm = 50000,
					.reorder_ppm = 50000, .reorder_us = 3000, .burst_ppm = 1000, .burst_ms = 5 };
	struct link a, b;

	link_init(&a, &p, 42);
	link_init(&b, &p, 42);
	for (int i = 0; i < PACKETS; i++) {
		struct jv_time now = { i * 100 }, at_a[LINK_COPIES_MAX] = { { 0 } }, at_b[LINK_COPIES_MAX] = { { 0 } };

		assert_int_equal(link_send(&a, 100, now, at_a), link_send(&b, 100, now, at_b));
		assert_int_equal(at_a[0].us, at_b[0].us);
		assert_int_equal(at_a[1].us, at_b[1].us);
	}
}

static struct link_fate fate_of(struct link *l, size_t len, uint32_t kinds)
{
	struct link_fate fate;

	if (!link_meets(l, &(struct link_packet){ .len = len, .kinds = kinds }, &fate))
		fate.copies = 0;
	return fate;
}

/* Rules pick by length and by kind, all that fit are applied, and what none picks passes as it is. */
static void test_actor(void **state)
{
	const uint32_t data = 1u << LINK_KIND_DATA, ping = 1u << LINK_KIND_PING | 1u << LINK_KIND_CONTROL;
	struct link l = make((struct link_profile){
		.rules = 3,
		.rule = { { .least = 200, .most = 1500, .drop_ppm = 1000000 },
			  { .kinds = data, .most = UINT16_MAX, .delay_us = 7000, .ce = true },
			  { .kinds = 1u << LINK_KIND_PING, .most = 60, .double_ppm = 1000000 } },
	});
	struct link_fate fate = fate_of(&l, 199, data);

	(void)state;
	assert_int_equal(fate_of(&l, 200, data).copies, 0);
	assert_int_equal(fate_of(&l, 1500, ping).copies, 0);
	assert_int_equal(fate.copies, 1);
	assert_int_equal(fate.delay_us, 7000);
	assert_true(fate.ce);
	fate = fate_of(&l, 60, ping);
	assert_int_equal(fate.copies, 2);
	assert_false(fate.ce);
	assert_int_equal(fate_of(&l, 61, ping).copies, 1);
	assert_int_equal(fate_of(&l, 61, 0).delay_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_duplicates_and_reordering),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_one_seed_one_history),
		cmocka_unit_test(test_actor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
