/* Steering: a datagram reaches the worker its locator names, from whatever port it comes. */
#include "netns.h"

#include <sys/socket.h>

#include "jumpvpn/proto.h"
#include "net/steer.h"
#include "net/udp.h"

#define WORKERS 4
#define SENDS 64

struct group {
	struct endpoint at;
	int fds[WORKERS];
	size_t got[WORKERS];
};

static void open_group(struct group *g, const char *address)
{
	memset(g, 0, sizeof(*g));
	g->at = endpoint_of(address);
	for (size_t i = 0; i < WORKERS; i++) {
		g->fds[i] = udp_open_listener(&g->at);
		assert_true(g->fds[i] >= 0);
		assert_int_equal(udp_local(g->fds[i], &g->at), 0);
	}
}

static void close_group(struct group *g)
{
	for (size_t i = 0; i < WORKERS; i++)
		close(g->fds[i]);
}

static size_t count(int fd)
{
	static uint8_t room[UDP_BATCH][UDP_ROOM];
	struct udp_datagram d[UDP_BATCH];
	size_t total = 0;
	int got;

	for (size_t i = 0; i < UDP_BATCH; i++)
		d[i] = (struct udp_datagram){ .data = room[i] };
	while ((got = udp_receive(fd, d, UDP_BATCH)) > 0)
		total += (size_t)got;
	assert_int_equal(got, 0);
	return total;
}

/* SENDS datagrams, each from a new source port, and where they came out. Loopback delivers at once. */
static void spray(struct group *g, uint8_t *payload, size_t len)
{
	struct udp_datagram d = { .data = payload, .len = len, .remote = g->at };
	struct ip any = { .b = { 0 } };
	int error;

	for (size_t i = 0; i < SENDS; i++) {
		int fd = udp_open_path("", &any, ip_is_v4(&g->at.ip));

		assert_true(fd >= 0);
		assert_int_equal(udp_send(fd, &d, 1, &error), 1);
		close(fd);
	}
	for (size_t i = 0; i < WORKERS; i++)
		g->got[i] = count(g->fds[i]);
}

static void expect_spread(const struct group *g)
{
	size_t total = 0;

	for (size_t i = 0; i < WORKERS; i++) {
		assert_true(g->got[i] < SENDS * 3 / 4); /* expected: one in four */
		total += g->got[i];
	}
	assert_int_equal(total, SENDS);
}

static void steer_all(const char *address)
{
	static const uint8_t types[] = { PACKET_DATA, PACKET_CONTROL };
	uint8_t payload[PROTO_HEADER_LEN] = { 0 };
	struct group g;

	open_group(&g, address);
	assert_int_equal(steer_reuseport(g.fds[1], WORKERS), 0);
	for (size_t t = 0; t < sizeof(types); t++) {
		for (uint8_t k = 0; k < WORKERS; k++) {
			payload[0] = types[t];
			payload[PROTO_WORKER_OFFSET] = k;
			spray(&g, payload, sizeof(payload));
			for (size_t i = 0; i < WORKERS; i++)
				assert_int_equal(g.got[i], i == k ? SENDS : 0);
		}
	}
	close_group(&g);
}

static void test_worker_byte_decides_v4(void **state)
{
	require_netns(state);
	steer_all("127.0.0.1:0");
}

static void test_worker_byte_decides_v6(void **state)
{
	require_netns(state);
	steer_all("[::1]:0");
}

static void test_other_types_spread(void **state)
{
	static const uint8_t types[] = { PACKET_HELLO, PACKET_WELCOME, PACKET_RESET, 0 };
	uint8_t payload[PROTO_HEADER_LEN] = { 0 };
	struct group g;

	require_netns(state);
	open_group(&g, "127.0.0.1:0");
	assert_int_equal(steer_reuseport(g.fds[0], WORKERS), 0);
	payload[PROTO_WORKER_OFFSET] = 2;
	for (size_t t = 0; t < sizeof(types); t++) {
		payload[0] = types[t];
		spray(&g, payload, sizeof(payload));
		expect_spread(&g);
	}
	close_group(&g);
}

static void test_out_of_range_spreads(void **state)
{
	static const uint8_t bytes[] = { WORKERS, WORKERS + 1, 255 };
	uint8_t payload[PROTO_HEADER_LEN] = { PACKET_DATA };
	struct group g;

	require_netns(state);
	open_group(&g, "[::1]:0");
	assert_int_equal(steer_reuseport(g.fds[0], WORKERS), 0);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		payload[PROTO_WORKER_OFFSET] = bytes[i];
		spray(&g, payload, sizeof(payload));
		expect_spread(&g);
	}
	close_group(&g);
}

/* `workers` is the bound, not the size of the group. */
static void test_beyond_workers_spreads(void **state)
{
	uint8_t payload[PROTO_HEADER_LEN] = { PACKET_DATA };
	struct group g;

	require_netns(state);
	open_group(&g, "127.0.0.1:0");
	assert_int_equal(steer_reuseport(g.fds[0], 2), 0);
	for (uint8_t k = 2; k < WORKERS; k++) {
		payload[PROTO_WORKER_OFFSET] = k;
		spray(&g, payload, sizeof(payload));
		expect_spread(&g);
	}
	payload[PROTO_WORKER_OFFSET] = 1;
	spray(&g, payload, sizeof(payload));
	assert_int_equal(g.got[1], SENDS);
	close_group(&g);
}

static void test_short_datagrams_spread(void **state)
{
	uint8_t payload[PROTO_HEADER_LEN] = { PACKET_DATA };
	struct group g;

	require_netns(state);
	open_group(&g, "127.0.0.1:0");
	assert_int_equal(steer_reuseport(g.fds[0], WORKERS), 0);
	for (size_t len = 0; len <= PROTO_WORKER_OFFSET; len++) {
		spray(&g, payload, len);
		expect_spread(&g);
	}
	payload[PROTO_WORKER_OFFSET] = 3;
	spray(&g, payload, PROTO_WORKER_OFFSET + 1);
	assert_int_equal(g.got[3], SENDS);
	close_group(&g);
}

static void test_bad_arguments(void **state)
{
	struct ip any = { .b = { 0 } };
	int fd;

	require_netns(state);
	assert_int_equal(steer_reuseport(-1, 1), -EBADF);
	fd = udp_open_path("", &any, true);
	assert_true(fd >= 0);
	assert_int_equal(steer_reuseport(fd, 0), -EINVAL);
	assert_int_equal(steer_reuseport(fd, PROTO_WORKERS_MAX + 1), -EINVAL);
	assert_true(steer_reuseport(fd, 1) < 0); /* not of a group */
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_byte_decides_v4), cmocka_unit_test(test_worker_byte_decides_v6),
		cmocka_unit_test(test_other_types_spread),     cmocka_unit_test(test_out_of_range_spreads),
		cmocka_unit_test(test_beyond_workers_spreads), cmocka_unit_test(test_short_datagrams_spread),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
