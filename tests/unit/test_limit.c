/* Limits against naive lists: exact over any sliding minute, bounded by source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "prng.h"
#include "session/limit.h"

#define WINDOW_US 60000000ll

/* All switches there ever were. */
struct model {
	int64_t *at;
	size_t n;
};

/* Within the last minute, both ends of it included. */
static size_t model_count(const struct model *m, int64_t now)
{
	size_t n = 0;

	for (size_t i = m->n; i > 0 && now - m->at[i - 1] <= WINDOW_US; i--)
		n++;
	return n;
}

static struct jv_time at(int64_t us)
{
	return (struct jv_time){ us };
}

static void against_model(uint32_t max, uint64_t mean_us, uint64_t seed, size_t steps)
{
	struct model m = { .at = calloc(steps, sizeof(int64_t)) };
	struct switch_limit l = { .at = NULL };
	struct prng rng = { seed };
	int64_t now = 5;

	assert_true(switch_limit_resize(&l, max));
	for (size_t i = 0; i < steps; i++) {
		const size_t used = model_count(&m, now);
		uint32_t wait;

		assert_int_equal(switch_limit_left(&l, max, at(now)), max - used);
		wait = switch_limit_wait_ms(&l, max, at(now));
		if (used < max) {
			assert_int_equal(wait, 0);
			switch_limit_take(&l, at(now));
			m.at[m.n++] = now;
		} else {
			/* never too early, and not much too late */
			assert_true(model_count(&m, now + wait * 1000ll) < max);
			assert_true(wait <= 3 || model_count(&m, now + (wait - 3) * 1000ll) == max);
		}
		/* Sometimes exactly the edge of the window. */
		if (m.n >= max && prng_below(&rng, 4) == 0 && m.at[m.n - max] + WINDOW_US > now)
			now = m.at[m.n - max] + WINDOW_US + (int64_t)prng_below(&rng, 3) - 1;
		else
			now += (int64_t)prng_below(&rng, 2 * mean_us);
	}
	switch_limit_free(&l);
	free(m.at);
}

static void test_exact(void **state)
{
	against_model(8, 1000000, 1, 300000);
	against_model(8, 20000000, 2, 300000);
	against_model(1, 30000000, 3, 300000);
	against_model(60, 200000, 4, 300000);
	against_model(60, 1500000, 5, 300000);
}

/* What comfort may use: one less than there is. */
static void test_lower_budget(void **state)
{
	struct switch_limit l = { .at = NULL };

	assert_true(switch_limit_resize(&l, 8));
	for (int i = 0; i < 7; i++)
		switch_limit_take(&l, at(1000000ll * i));
	assert_int_equal(switch_limit_left(&l, 8, at(7000000)), 1);
	assert_int_equal(switch_limit_left(&l, 7, at(7000000)), 0);
	assert_int_equal(switch_limit_wait_ms(&l, 8, at(7000000)), 0);
	assert_in_range(switch_limit_wait_ms(&l, 7, at(7000000)), 53001, 53003);
	assert_int_equal(switch_limit_left(&l, 7, at(60000000)), 0);
	assert_int_equal(switch_limit_left(&l, 7, at(60000001)), 1);
	assert_true(switch_limit_wait_ms(&l, 0, at(7000000)) >
		    0); /* a budget of one leaves none for comfort */
	switch_limit_free(&l);
}

static void test_resize(void **state)
{
	struct switch_limit l = { .at = NULL };
	int64_t now = 0;

	assert_true(switch_limit_resize(&l, 3));
	for (int i = 0; i < 5; i++) /* so that the ring has turned */
		switch_limit_take(&l, at(now += 30000000));
	assert_int_equal(switch_limit_left(&l, 3, at(now)), 0);
	assert_true(switch_limit_resize(&l, 10));
	assert_int_equal(switch_limit_left(&l, 10, at(now)), 7);
	assert_int_equal(l.last.us, now);
	for (int i = 0; i < 7; i++)
		switch_limit_take(&l, at(now += 1000));
	assert_int_equal(switch_limit_left(&l, 10, at(now)), 1); /* the oldest is a minute ago */

	/* Lowered: what happened still counts, until enough of it is old. */
	assert_true(switch_limit_resize(&l, 2));
	assert_int_equal(switch_limit_left(&l, 2, at(now)), 0);
	assert_in_range(switch_limit_wait_ms(&l, 2, at(now)), 59999, 60003);
	assert_int_equal(switch_limit_left(&l, 2, at(now + WINDOW_US - 1000)), 0);
	assert_int_equal(switch_limit_left(&l, 2, at(now + WINDOW_US + 1)), 2);
	switch_limit_free(&l);
}

static void test_cooldown(void **state)
{
	struct switch_limit l = { .at = NULL };

	assert_true(switch_limit_resize(&l, 8));
	assert_int_equal(switch_limit_cooldown_ms(&l, 1500, at(0)), 0);
	switch_limit_take(&l, at(1000000));
	assert_in_range(switch_limit_cooldown_ms(&l, 1500, at(1000000)), 1500, 1501);
	assert_int_not_equal(switch_limit_cooldown_ms(&l, 1500, at(2499999)), 0);
	assert_int_equal(switch_limit_cooldown_ms(&l, 1500, at(2500000)), 0);
	assert_int_equal(switch_limit_cooldown_ms(&l, 0, at(1000000)), 0);
	assert_true(switch_limit_resize(&l, 60)); /* and the last one is not forgotten */
	assert_int_not_equal(switch_limit_cooldown_ms(&l, 1500, at(2499999)), 0);
	switch_limit_free(&l);
}

static struct source_limit sources;
static const struct hash_key key = { { 1, 2, 3 } };

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static unsigned int takes(const struct ip *ip, unsigned int tries, int64_t now)
{
	unsigned int n = 0;

	while (tries-- > 0)
		n += source_limit_take(&sources, ip, at(now));
	return n;
}

static void test_sources(void **state)
{
	const struct ip a = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
	const struct ip six = ip_of("2001:db8::1"), same = ip_of("2001:db8::ffff:1"),
			other = ip_of("2001:db8:0:1::1");

	source_limit_init(&sources, &key, 10, 20);
	assert_int_equal(takes(&a, 100, 1000000), 20);
	assert_int_equal(takes(&a, 100, 1050000), 0);
	assert_int_equal(takes(&a, 100, 1100000), 1);
	assert_int_equal(takes(&b, 100, 1100000), 20); /* one source does not use up another's */
	assert_int_equal(takes(&a, 100, 2100000), 10);
	assert_int_equal(takes(&a, 100, 600000000), 20);

	assert_int_equal(takes(&six, 100, 1000000), 20);
	assert_int_equal(takes(&same, 100, 1000000), 0); /* a /64 is one source */
	assert_int_equal(takes(&other, 100, 1000000), 20);
}

/* The rate holds over a long time, and after longer than its 32-bit milliseconds can tell. */
static void test_source_rate(void **state)
{
	const struct ip a = ip_of("192.0.2.1");
	struct prng rng = { 9 };
	int64_t now = 0, end = 3600ll * 1000000;
	unsigned int n = 0;

	source_limit_init(&sources, &key, 10, 20);
	while (now < end) {
		n += source_limit_take(&sources, &a, at(now));
		now += (int64_t)prng_below(&rng, 50000);
	}
	assert_in_range(n, 35900, 36020);
	assert_int_equal(takes(&a, 100, 50ll * 86400 * 1000000), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),   cmocka_unit_test(test_lower_budget),
		cmocka_unit_test(test_resize),  cmocka_unit_test(test_cooldown),
		cmocka_unit_test(test_sources), cmocka_unit_test(test_source_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
