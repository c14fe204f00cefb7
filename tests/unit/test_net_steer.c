/*
 * Steering: a datagram reaches the worker its locator names, from whatever port it comes; an inner packet the worker
 * of its destination, of whatever flow it is.
 */
#include "netns.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "jumpvpn/locator.h"
#include "net/steer.h"
#include "net/udp.h"
#include "prng.h"
#include "tun_packet.h"

#define WORKERS 4
#define SOCKETS (2 * WORKERS) /* those for DATA and CONTROL, then those for all else */
#define SENDS 64
#define KEY 0xdeadbeefu

static struct prng rng = { 1 };

struct group {
	struct endpoint at;
	int fds[SOCKETS];
	size_t got[SOCKETS];
};

static void open_group(struct group *g, const char *address)
{
	memset(g, 0, sizeof(*g));
	g->at = endpoint_of(address);
	for (size_t i = 0; i < SOCKETS; i++) {
		g->fds[i] = udp_open_listener(&g->at);
		assert_true(g->fds[i] >= 0);
		assert_int_equal(udp_local(g->fds[i], &g->at), 0);
	}
}

static void close_group(struct group *g)
{
	for (size_t i = 0; i < SOCKETS; i++)
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
	int error;

	for (size_t i = 0; i < SENDS; i++) {
		int fd = udp_open_path(&(struct udp_path){ .interface = "", .v4 = ip_is_v4(&g->at.ip) });

		assert_true(fd >= 0);
		assert_int_equal(udp_send(fd, &d, 1, &error), 1);
		close(fd);
	}
	for (size_t i = 0; i < SOCKETS; i++)
		g->got[i] = count(g->fds[i]);
}

static void expect_all_at(const struct group *g, size_t socket)
{
	for (size_t i = 0; i < SOCKETS; i++)
		assert_int_equal(g->got[i], i == socket ? SENDS : 0);
}

/* The header of a sealed packet, its locator of this worker and otherwise random. */
static void name_worker(uint8_t payload[PROTO_HEADER_LEN], uint32_t worker, uint32_t workers)
{
	uint8_t *locator = payload + PROTO_HEADER_LEN - 8;

	payload[0] = PACKET_SEALED;
	prng_fill(&rng, payload + 1, PROTO_HEADER_LEN - 1);
	locator_of_worker(locator, KEY, worker, workers);
	assert_int_equal(locator_worker(locator, KEY, workers), worker);
}

static void steer_all(const char *address)
{
	uint8_t payload[PROTO_HEADER_LEN];
	struct group g;

	open_group(&g, address);
	assert_int_equal(steer_reuseport(g.fds[1], WORKERS, KEY), 0);
	for (uint32_t n = 0; n < 4 * WORKERS; n++) {
		name_worker(payload, n % WORKERS, WORKERS);
		spray(&g, payload, sizeof(payload));
		expect_all_at(&g, n % WORKERS);
	}
	close_group(&g);
}

static void test_locator_decides_v4(void **state)
{
	require_netns(state);
	steer_all("127.0.0.1:0");
}

static void test_locator_decides_v6(void **state)
{
	require_netns(state);
	steer_all("[::1]:0");
}

/* HELLOs, and what is nothing, come to the other half, by their ephemeral key: the same again to the same. */
static void test_hellos_apart(void **state)
{
	static const uint8_t types[] = { PACKET_HELLO, PACKET_WELCOME, PACKET_RESET, 0, 0x15 };
	uint8_t payload[PROTO_HELLO_LEN];
	struct group g;

	require_netns(state);
	open_group(&g, "127.0.0.1:0");
	assert_int_equal(steer_reuseport(g.fds[0], WORKERS, KEY), 0);
	for (size_t n = 0; n < 4 * sizeof(types); n++) {
		const uint8_t *e = payload + offsetof(struct packet_hello, e);

		prng_fill(&rng, payload, sizeof(payload));
		payload[0] = types[n % sizeof(types)];
		spray(&g, payload, sizeof(payload));
		expect_all_at(&g, WORKERS + e[3] % WORKERS); /* WORKERS is a power of two */
	}
	close_group(&g);
}

/* Any number of workers, and any locator: the kernel and locator_worker() say the same. */
static void test_any_locator(void **state)
{
	uint8_t payload[PROTO_HEADER_LEN] = { PACKET_SEALED };
	struct group g;

	require_netns(state);
	open_group(&g, "[::1]:0");
	for (uint32_t workers = 1; workers <= WORKERS; workers++) {
		assert_int_equal(steer_reuseport(g.fds[0], workers, KEY), 0);
		for (int n = 0; n < 16; n++) {
			prng_fill(&rng, payload + 1, sizeof(payload) - 1);
			spray(&g, payload, sizeof(payload));
			expect_all_at(&g, locator_worker(payload + 8, KEY, workers));
		}
	}
	close_group(&g);
}

/* Nor does what is too short for a locator come to the first half. */
static void test_short_datagrams(void **state)
{
	uint8_t payload[PROTO_HEADER_LEN];
	struct group g;

	require_netns(state);
	open_group(&g, "127.0.0.1:0");
	assert_int_equal(steer_reuseport(g.fds[0], WORKERS, KEY), 0);
	name_worker(payload, 3, WORKERS);
	for (size_t len = 0; len < PROTO_HASHED_OFFSET + 4; len++) {
		spray(&g, payload, len);
		expect_all_at(&g, WORKERS);
	}
	spray(&g, payload, PROTO_HASHED_OFFSET + 4);
	expect_all_at(&g, 3);
	close_group(&g);
}

static void test_bad_arguments(void **state)
{
	int fd;

	require_netns(state);
	assert_int_equal(steer_reuseport(-1, 1, KEY), -EBADF);
	fd = udp_open_path(&(struct udp_path){ .interface = "", .v4 = true });
	assert_true(fd >= 0);
	assert_int_equal(steer_reuseport(fd, 0, KEY), -EINVAL);
	assert_int_equal(steer_reuseport(fd, PROTO_WORKERS_MAX + 1, KEY), -EINVAL);
	assert_true(steer_reuseport(fd, 1, KEY) < 0); /* not of a group */
	close(fd);
}

/* --- the tunnel device --- */

struct device {
	int queues[WORKERS];
	struct steer *steer;
	size_t got[WORKERS];
};

/* Skips where the kernel does not allow it (a user's namespace, say). */
static void open_device(struct device *t, void **state)
{
	char name[IFNAMSIZ] = "js0";
	struct tun_offload offload;
	int rc;

	require_tun(state);
	memset(t, 0, sizeof(*t));
	assert_int_equal(tun_open(name, t->queues, WORKERS, true, &offload), 0);
	assert_true(run("ip link set js0 up && ip addr add 10.99.0.1/16 dev js0 && "
			"ip addr add fd99::1/64 dev js0 nodad && ip route add 172.30.0.0/16 dev js0"));
	t->steer = steer_tunnel(t->queues[WORKERS - 1], &rc);
	if (!t->steer) {
		assert_int_equal(rc, -EPERM);
		fprintf(stderr, "SKIP: eBPF: %s\n", strerror(-rc));
		for (size_t i = 0; i < WORKERS; i++)
			close(t->queues[i]);
		skip();
	}
}

static void close_device(struct device *t)
{
	steer_free(t->steer);
	for (size_t i = 0; i < WORKERS; i++)
		close(t->queues[i]);
}

static void set(struct device *t, const char *const *prefixes, const uint32_t *workers, size_t n)
{
	struct steer_entry entries[16];

	for (size_t i = 0; i < n; i++)
		entries[i] = (struct steer_entry){ prefix_of(prefixes[i]), workers[i] };
	assert_int_equal(steer_set(t->steer, entries, n), 0);
}

/* Is it to port 7? The kernel has chatter of its own on a new device. */
static bool is_ours(const uint8_t *p, int len)
{
	const int udp = p[0] >> 4 == 4 ? 20 : 40;

	return len >= udp + 8 && p[udp == 20 ? 9 : 6] == IPPROTO_UDP && p[udp + 2] == 0 && p[udp + 3] == 7;
}

/* SENDS packets of as many flows, and the queues they came out at. The device takes them at once. */
static void send_inside(struct device *t, const char *to)
{
	const struct ip at = ip_of(to);
	const bool v4 = ip_is_v4(&at);
	uint8_t packet[2048];
	int len;

	for (size_t i = 0; i < SENDS; i++) {
		struct udp_datagram d = { .data = packet, .len = 5, .remote = { .ip = at, .port = 7 } };
		int fd = udp_open_path(&(struct udp_path){ .interface = "", .v4 = v4 }), error;

		assert_true(fd >= 0);
		assert_int_equal(udp_send(fd, &d, 1, &error), 1);
		close(fd);
	}
	for (size_t i = 0; i < WORKERS; i++) {
		t->got[i] = 0;
		while ((len = tun_read_packet(t->queues[i], packet, sizeof(packet))) > 0)
			t->got[i] += is_ours(packet, len);
		assert_int_equal(len, 0);
	}
}

static void expect_at(struct device *t, const char *to, size_t worker)
{
	send_inside(t, to);
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(t->got[i], i == worker ? SENDS : 0);
}

static void test_destination_decides(void **state)
{
	static const char *const prefixes[] = { "10.99.0.10", "10.99.0.11", "10.99.0.12", "10.99.0.13",
						"fd99::10",   "fd99::11",   "fd99::12",   "fd99::13" };
	static const uint32_t workers[] = { 0, 1, 2, 3, 3, 2, 1, 0 };
	struct device t;

	open_device(&t, state);
	set(&t, prefixes, workers, 8);
	for (size_t i = 0; i < 8; i++)
		expect_at(&t, prefixes[i], workers[i]);
	close_device(&t);
}

/* The longest prefix, IPv4 never by an IPv6 network; host bits of an entry do not matter. */
static void test_networks_behind_peers(void **state)
{
	static const char *const prefixes[] = { "172.30.0.0/16", "172.30.5.9/24", "172.30.5.1", "::/0",
						"fd99::8000/113" };
	static const uint32_t workers[] = { 1, 2, 3, 0, 2 };
	struct device t;

	open_device(&t, state);
	set(&t, prefixes, workers, 5);
	expect_at(&t, "172.30.255.255", 1);
	expect_at(&t, "172.30.4.255", 1);
	expect_at(&t, "172.30.5.0", 2);
	expect_at(&t, "172.30.5.255", 2);
	expect_at(&t, "172.30.5.1", 3);
	expect_at(&t, "10.99.0.7", 7 % WORKERS); /* unknown: in no IPv4 network */
	expect_at(&t, "fd99::7fff", 0);
	expect_at(&t, "fd99::8001", 2);
	close_device(&t);
}

static void test_unknown_by_last_byte(void **state)
{
	static const char *const prefixes[] = { "10.99.0.10" };
	static const uint32_t workers[] = { 3 };
	struct device t;

	open_device(&t, state);
	expect_at(&t, "10.99.0.10", 10 % WORKERS); /* nothing is known yet */
	set(&t, prefixes, workers, 1);
	expect_at(&t, "10.99.7.9", 9 % WORKERS);
	expect_at(&t, "fd99::e", 14 % WORKERS);
	expect_at(&t, "10.99.0.10", 3);
	close_device(&t);
}

/* What goes is unknown again, what comes is known, what moves has moved, and the rest stays. */
static void test_set_again(void **state)
{
	static const char *const before[] = { "10.99.0.30", "10.99.0.20", "172.30.0.0/16", "fd99::20" };
	static const uint32_t before_at[] = { 1, 1, 1, 1 };
	static const char *const after[] = { "172.30.0.0/17", "fd99::20", "10.99.0.20", "10.99.0.40" };
	static const uint32_t after_at[] = { 2, 3, 1, 1 };
	struct device t;

	open_device(&t, state);
	set(&t, before, before_at, 4);
	set(&t, after, after_at, 4);
	expect_at(&t, "10.99.0.30", 30 % WORKERS);
	expect_at(&t, "10.99.0.20", 1);
	expect_at(&t, "172.30.0.1", 2);
	expect_at(&t, "172.30.128.3", 3 % WORKERS);
	expect_at(&t, "fd99::20", 3);
	expect_at(&t, "10.99.0.40", 1);
	set(&t, after, after_at, 0);
	expect_at(&t, "fd99::20", 0x20 % WORKERS);
	close_device(&t);
}

/* Entries are known by their network, in whatever order and with whatever host bits they come. */
static void test_set_again_in_another_form(void **state)
{
	static const char *const before[] = { "172.30.5.9/24", "10.99.0.20", "10.99.0.11" };
	static const char *const after[] = { "10.99.0.11", "172.30.5.8/24" };
	static const uint32_t workers[] = { 1, 1, 1 };
	struct device t;

	open_device(&t, state);
	set(&t, before, workers, 3);
	set(&t, after, workers, 2);
	expect_at(&t, "10.99.0.11", 1);
	expect_at(&t, "172.30.5.3", 1);
	expect_at(&t, "10.99.0.20", 20 % WORKERS);
	close_device(&t);
}

/* The program stays with the device when the daemon lets go of its handle. */
static void test_many_entries(void **state)
{
	enum { MANY = 20000 };
	struct steer_entry *entries = calloc(MANY, sizeof(*entries));
	struct device t;

	open_device(&t, state);
	for (uint32_t i = 0; i < MANY; i++) {
		entries[i] = (struct steer_entry){ { ip_of("10.99.0.0"), 128 }, i % 3 };
		entries[i].to.ip.b[14] = (uint8_t)(i >> 8);
		entries[i].to.ip.b[15] = (uint8_t)i;
	}
	assert_int_equal(steer_set(t.steer, entries, MANY), 0);
	free(entries);
	steer_free(t.steer);
	t.steer = NULL;
	expect_at(&t, "10.99.3.5", (3 * 256 + 5) % 3);
	expect_at(&t, "10.99.78.31", (78 * 256 + 31) % 3);
	expect_at(&t, "10.99.78.32", 0); /* the first one behind: unknown */
	close_device(&t);
}

static void test_not_a_tunnel(void **state)
{
	struct device t;
	int rc, fd;

	open_device(&t, state);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_null(steer_tunnel(fd, &rc));
	assert_int_equal(rc, -ENOTTY);
	close(fd);
	close_device(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locator_decides_v4),
		cmocka_unit_test(test_locator_decides_v6),
		cmocka_unit_test(test_hellos_apart),
		cmocka_unit_test(test_any_locator),
		cmocka_unit_test(test_short_datagrams),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_destination_decides),
		cmocka_unit_test(test_networks_behind_peers),
		cmocka_unit_test(test_unknown_by_last_byte),
		cmocka_unit_test(test_set_again),
		cmocka_unit_test(test_set_again_in_another_form),
		cmocka_unit_test(test_many_entries),
		cmocka_unit_test(test_not_a_tunnel),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
