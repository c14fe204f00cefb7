/* Longest-prefix match, against a list that is searched from end to end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/lpm.h"
#include "prng.h"

#define ENTRIES 3000

static uint32_t find(const struct lpm *l, const char *s)
{
	struct ip ip;

	assert_true(ip_parse(s, &ip));
	return lpm_find(l, &ip);
}

static int add(struct lpm *l, const char *s, uint32_t value)
{
	struct prefix p;

	assert_true(prefix_parse(s, &p));
	return lpm_add(l, &p, value, NULL);
}

static void test_longest_wins(void **state)
{
	struct lpm *l = lpm_new(0);

	(void)state;
	assert_int_equal(find(l, "10.8.0.2"), LPM_NONE);
	assert_int_equal(add(l, "10.8.0.0/16", 1), 0);
	assert_int_equal(add(l, "10.8.0.2", 2), 0);
	assert_int_equal(add(l, "10.8.0.0/24", 3), 0);
	assert_int_equal(find(l, "10.8.0.2"), 2);
	assert_int_equal(find(l, "10.8.0.3"), 3);
	assert_int_equal(find(l, "10.8.1.3"), 1);
	assert_int_equal(find(l, "10.9.1.3"), LPM_NONE);
	lpm_free(l);
}

static void test_families_apart(void **state)
{
	struct lpm *l = lpm_new(0);

	(void)state;
	assert_int_equal(add(l, "::/0", 6), 0);
	assert_int_equal(find(l, "10.8.0.2"), LPM_NONE);
	assert_int_equal(find(l, "2001:db8::1"), 6);
	assert_int_equal(add(l, "0.0.0.0/0", 4), 0);
	assert_int_equal(find(l, "10.8.0.2"), 4);
	assert_int_equal(find(l, "::1"), 6);
	lpm_free(l);
}

static void test_exists(void **state)
{
	struct lpm *l = lpm_new(0);
	struct prefix p;
	uint32_t other = 0;

	(void)state;
	assert_int_equal(add(l, "10.8.0.1/24", 7), 0);
	assert_true(prefix_parse("10.8.0.99/24", &p)); /* the same network: host bits do not count */
	assert_int_equal(lpm_add(l, &p, 8, &other), -EEXIST);
	assert_int_equal(other, 7);
	assert_int_equal(lpm_add(l, &p, 8, NULL), -EEXIST);
	assert_int_equal(find(l, "10.8.0.99"), 7);
	assert_int_equal(add(l, "10.8.0.0/25", 8), 0); /* another length is another prefix */
	lpm_free(l);
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	struct ip na = ip_masked(&a->ip, a->len);
	struct ip nb = ip_masked(&b->ip, b->len);

	return a->len == b->len && ip_equal(&na, &nb);
}

/* Few distinct bits, so that prefixes nest and repeat. */
static struct ip random_ip(struct prng *rng)
{
	struct ip ip = { { 0 } };

	if (prng_below(rng, 2))
		ip = ip_from_v4((const uint8_t[]){ 10, 0, 0, 0 });
	else
		ip.b[0] = 0xfd;
	for (int i = 12; i < 16; i++)
		ip.b[i] = (uint8_t)prng_below(rng, 8) * 0x21;
	return ip;
}

static uint32_t naive_find(const struct prefix *list, size_t n, const struct ip *ip)
{
	uint32_t best = LPM_NONE;

	for (size_t i = 0; i < n; i++) {
		if (prefix_contains(&list[i], ip) && (best == LPM_NONE || list[i].len > list[best].len))
			best = (uint32_t)i;
	}
	return best;
}

static void test_against_list(void **state)
{
	static struct prefix list[ENTRIES];
	struct prng rng = { 1 };
	struct lpm *l = lpm_new(10);
	size_t n = 0;

	(void)state;
	for (int i = 0; i < ENTRIES; i++) {
		struct ip ip = random_ip(&rng);
		uint64_t len = prng_below(&rng, 4) ? 128 : 96 + prng_below(&rng, 33);
		struct prefix p = { .ip = ip, .len = (uint8_t)len };
		bool known = false;
		uint32_t other = LPM_NONE;

		for (size_t j = 0; j < n && !known; j++)
			known = same_prefix(&list[j], &p);
		assert_int_equal(lpm_add(l, &p, (uint32_t)n, &other), known ? -EEXIST : 0);
		if (known)
			assert_true(same_prefix(&list[other], &p));
		else
			list[n++] = p;
		ip = random_ip(&rng);
		assert_int_equal(lpm_find(l, &ip), naive_find(list, n, &ip));
	}
	assert_true(n > 500);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(lpm_find(l, &list[i].ip), naive_find(list, n, &list[i].ip));
	lpm_free(l);
}

static void test_every_length(void **state)
{
	struct lpm *l = lpm_new(0);
	struct ip ip;

	(void)state;
	memset(&ip, 0x55, sizeof(ip));
	for (unsigned int len = 0; len <= 128; len++)
		assert_int_equal(lpm_add(l, &(struct prefix){ .ip = ip, .len = (uint8_t)len }, len, NULL), 0);
	assert_int_equal(lpm_find(l, &ip), 128);
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct ip other = ip;

		other.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_int_equal(lpm_find(l, &other), bit);
	}
	lpm_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_wins),
		cmocka_unit_test(test_families_apart),
		cmocka_unit_test(test_exists),
		cmocka_unit_test(test_against_list),
		cmocka_unit_test(test_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
