/* In which order a client tries the addresses of its server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "config/config.h"
#include "worker/hosts.h"

#define V4S 8
#define CLIENTS 20

static struct config_remote endpoint[V4S + 1];
static const struct config_transport transport;

static struct config config_of(enum config_order order)
{
	struct config c = { .endpoints = endpoint, .nendpoints = V4S + 1, .order = order };

	for (size_t i = 0; i < V4S; i++) {
		snprintf(endpoint[i].host, sizeof(endpoint[i].host), "192.0.2.%zu", i + 1);
		endpoint[i].port = 4433;
	}
	snprintf(endpoint[V4S].host, sizeof(endpoint[V4S].host), "2001:db8::1");
	endpoint[V4S].port = 4433;
	return c;
}

/* What a client of its own would try, asked twice. */
static size_t tries(const struct config *config, struct endpoint out[CANDIDATE_REMOTES_MAX])
{
	const struct hosts_io io = { .mark = 0 };
	struct endpoint again[CANDIDATE_REMOTES_MAX] = { 0 };
	uv_loop_t loop;
	struct hosts *n;
	size_t count;

	assert_int_equal(uv_loop_init(&loop), 0);
	n = hosts_new(&loop, &io);
	assert_non_null(n);
	hosts_configure(n, config);
	memset(out, 0, CANDIDATE_REMOTES_MAX * sizeof(out[0]));
	count = hosts_remotes(n, &transport, false, out);
	assert_int_equal(hosts_remotes(n, &transport, false, again), count);
	for (size_t i = 0; i < count; i++)
		assert_true(endpoint_equal(&out[i], &again[i]));
	hosts_stop(n);
	uv_run(&loop, UV_RUN_DEFAULT);
	hosts_free(n);
	assert_int_equal(uv_loop_close(&loop), 0);
	return count;
}

/* The last bytes of the IPv4 addresses; IPv6 has the second place, as the families take turns. */
static size_t v4_of(const struct endpoint *list, size_t n, uint8_t out[CANDIDATE_REMOTES_MAX])
{
	size_t found = 0;

	assert_false(ip_is_v4(&list[1].ip));
	for (size_t i = 0; i < n; i++)
		if (ip_is_v4(&list[i].ip))
			out[found++] = list[i].ip.b[15];
	return found;
}

static void test_listed(void **state)
{
	const struct config c = config_of(ORDER_LISTED);
	struct endpoint list[CANDIDATE_REMOTES_MAX];
	uint8_t v4[CANDIDATE_REMOTES_MAX];
	const size_t n = v4_of(list, tries(&c, list), v4);

	assert_true(n > 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(v4[i], i + 1);
}

/* Each client has an order of its own, each address once; all are some client's first. */
static void test_shuffle(void **state)
{
	const struct config c = config_of(ORDER_SHUFFLE);
	uint32_t firsts = 0;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct endpoint list[CANDIDATE_REMOTES_MAX];
		uint8_t v4[CANDIDATE_REMOTES_MAX];
		const size_t n = v4_of(list, tries(&c, list), v4);
		uint32_t seen = 0;

		for (size_t k = 0; k < n; k++) {
			assert_in_range(v4[k], 1, V4S);
			assert_false(seen >> v4[k] & 1);
			seen |= 1u << v4[k];
		}
		firsts |= 1u << v4[0];
	}
	assert_true(__builtin_popcount(firsts) > 1); /* by chance not so in one of 10^17 runs */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_shuffle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
