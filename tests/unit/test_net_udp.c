/*
 * UDP sockets: batches, the address asked is the address that answers, ECN, runs, errors. Where the
 * outer packet itself matters, a TUN device plays the network:
 *
 *     [ sockets under test ] --- jt0, jt1 --- [ this test, reading and writing IP packets ]
 */
#include "netns.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/udp.h"
#include "tun_packet.h"

static const struct ip any;

struct batch {
	uint8_t room[UDP_BATCH][UDP_ROOM];
	struct udp_datagram d[UDP_BATCH];
};

static struct batch *new_batch(void)
{
	struct batch *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	for (size_t i = 0; i < UDP_BATCH; i++)
		b->d[i].data = b->room[i];
	return b;
}

static int listener(const char *address, struct endpoint *at)
{
	struct endpoint e = endpoint_of(address);
	int fd = udp_open_listener(&e);

	assert_true(fd >= 0);
	assert_int_equal(udp_local(fd, at), 0);
	assert_int_not_equal(at->port, 0);
	return fd;
}

static int open_path(const char *interface, const struct ip *source, bool v4)
{
	const struct udp_path p = { .interface = interface, .source = *source, .v4 = v4 };

	return udp_open_path(&p);
}

static int path(bool v4)
{
	int fd = open_path("", &any, v4);

	assert_true(fd >= 0);
	return fd;
}

static void send_one(int fd, const struct udp_datagram *d)
{
	int error = -1;

	assert_int_equal(udp_send(fd, d, 1, &error), 1);
	assert_int_equal(error, 0);
}

static void send_text(int fd, const char *text, const struct endpoint *to)
{
	uint8_t data[64];
	struct udp_datagram d = { .data = data, .len = strlen(text), .remote = *to };

	memcpy(data, text, d.len);
	send_one(fd, &d);
}

/* A port of loopback where nobody listens. */
static struct endpoint closed_port(const char *address)
{
	struct endpoint at;

	close(listener(address, &at));
	return at;
}

static void batch_goes_round(const char *address)
{
	struct batch *out = new_batch();
	struct batch *in = new_batch();
	struct endpoint at;
	struct endpoint from;
	int error;
	int server = listener(address, &at);
	int client = path(ip_is_v4(&at.ip));

	for (size_t i = 0; i < UDP_BATCH; i++) {
		out->d[i].len = i * 20; /* an empty one too */
		out->d[i].remote = at;
		memset(out->room[i], (int)i + 1, out->d[i].len);
	}
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 0);
	assert_int_equal(udp_send(client, out->d, UDP_BATCH, &error), UDP_BATCH);
	assert_int_equal(error, 0);
	assert_int_equal(udp_local(client, &from), 0);

	assert_int_equal(udp_receive(server, in->d, 5), 5);
	assert_int_equal(udp_receive(server, in->d + 5, UDP_BATCH - 5), UDP_BATCH - 5);
	for (size_t i = 0; i < UDP_BATCH; i++) {
		assert_int_equal(in->d[i].len, i * 20);
		assert_memory_equal(in->d[i].data, out->d[i].data, i * 20);
		assert_true(ip_equal(&in->d[i].local, &at.ip));
		assert_int_equal(in->d[i].interface, if_nametoindex("lo"));
		assert_true(ip_equal(&in->d[i].remote.ip, &at.ip)); /* loopback: both ends are one address */
		assert_int_equal(in->d[i].remote.port, from.port);
		assert_int_equal(in->d[i].remote.scope, 0);
		assert_int_equal(in->d[i].ecn, 0);
		assert_int_equal(in->d[i].segment, 0);
	}
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 0);
	close(client);
	close(server);
	free(out);
	free(in);
}

static void test_batches_v4(void **state)
{
	require_netns(state);
	batch_goes_round("127.0.0.1:0");
}

static void test_batches_v6(void **state)
{
	require_netns(state);
	batch_goes_round("[::1]:0");
}

static void test_sockets_do_not_block_or_leak(void **state)
{
	struct endpoint at;
	int size = 0;
	socklen_t len = sizeof(size);
	int fd;

	require_netns(state);
	fd = listener("[::]:0", &at);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
	assert_true(size > 212992); /* more than the kernel's default */
	close(fd);
}

/* A wildcard of each family on one port: IPV6_V6ONLY. */
static void test_families_are_apart(void **state)
{
	struct batch *in;
	struct endpoint at;
	struct endpoint v4;
	int error;
	int six;
	int four;
	int client;

	require_netns(state);
	in = new_batch();
	six = listener("[::]:0", &at);
	v4 = endpoint_of("0.0.0.0:1");
	v4.port = at.port;
	four = udp_open_listener(&v4);
	assert_true(four >= 0);
	client = path(true);
	v4.ip = ip_of("127.0.0.1");
	send_text(client, "x", &v4);
	assert_int_equal(udp_receive(six, in->d, UDP_BATCH), 0);
	assert_int_equal(udp_receive(four, in->d, UDP_BATCH), 1);
	/* The wrong socket for the family says so. */
	in->d[0].remote = v4;
	assert_int_equal(udp_send(six, in->d, 1, &error), 0);
	assert_int_not_equal(error, 0);
	close(client);
	close(four);
	close(six);
	free(in);
}

/* The server listens on the wildcard; the client asks `asked` and must hear from `asked`. */
static void answer_comes_from(const char *wildcard, const char *asked)
{
	struct batch *in = new_batch();
	struct udp_datagram answer;
	struct endpoint at;
	int server = listener(wildcard, &at);
	int client = path(ip_is_v4(&at.ip));

	at.ip = ip_of(asked);
	send_text(client, "question", &at);
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 1);
	assert_ip(in->d[0].local, asked);
	answer = in->d[0];
	send_one(server, &answer);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), 1);
	assert_true(endpoint_equal(&in->d[0].remote, &at));
	close(client);
	close(server);
	free(in);
}

static void test_answers_from_the_address_asked(void **state)
{
	require_netns(state);
	assert_true(run("ip addr add 2001:db8::1/128 dev lo && ip addr add 2001:db8::2/128 dev lo"));
	answer_comes_from("0.0.0.0:0", "127.0.0.2");
	answer_comes_from("0.0.0.0:0", "127.0.0.1");
	answer_comes_from("[::]:0", "2001:db8::1");
	answer_comes_from("[::]:0", "2001:db8::2");
	assert_true(run("ip addr flush dev lo scope global"));
}

static void ecn_crosses(const char *address)
{
	struct batch *in = new_batch();
	uint8_t data[1] = { 0 };
	struct endpoint at;
	int server = listener(address, &at);
	int client = path(ip_is_v4(&at.ip));

	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		struct udp_datagram d = { .data = data, .len = 1, .remote = at, .ecn = ecn };

		send_one(client, &d);
		d.local = at.ip; /* together with a source address */
		send_one(client, &d);
	}
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 8);
	for (uint8_t i = 0; i < 8; i++)
		assert_int_equal(in->d[i].ecn, i / 2);
	close(client);
	close(server);
	free(in);
}

static void test_ecn(void **state)
{
	require_netns(state);
	ecn_crosses("127.0.0.1:0");
	ecn_crosses("[::1]:0");
}

/* The largest of ours, and what is larger than any of ours may be. */
static void test_large_datagrams(void **state)
{
	static uint8_t data[UDP_RUN_BYTES];
	struct udp_datagram d = { .data = data, .len = UDP_BUFFER };
	struct batch *in;
	int server;
	int client;

	require_netns(state);
	in = new_batch();
	server = listener("127.0.0.1:0", &d.remote);
	client = path(true);
	send_one(client, &d);
	d.len = UDP_RUN_BYTES;
	send_one(client, &d);
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 2);
	assert_int_equal(in->d[0].len, UDP_BUFFER);
	assert_int_equal(in->d[1].len, UDP_RUN_BYTES);
	close(client);
	close(server);
	free(in);
}

/* Seven datagrams in a row leave in one call, and come as they left: together or singly, none twice, none cut. */
static void run_goes_round(const char *address)
{
	static uint8_t data[6 * 1452 + 99];
	struct udp_datagram d = { .data = data, .len = sizeof(data), .segment = 1452, .ecn = 1 };
	struct batch *in = new_batch();
	int server = listener(address, &d.remote);
	int client = path(ip_is_v4(&d.remote.ip));
	size_t at = 0;
	int n;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 1452);
	send_one(client, &d);
	while (at < sizeof(data)) {
		wait_for(server, POLLIN);
		n = udp_receive(server, in->d, UDP_BATCH);
		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			const struct udp_datagram *r = &in->d[i];

			assert_true(at + r->len <= sizeof(data));
			assert_memory_equal(r->data, data + at, r->len);
			assert_int_equal(r->len > 1452 ? r->segment : 1452, 1452);
			assert_int_equal(r->ecn, 1);
			assert_true(ip_equal(&r->local, &d.remote.ip));
			at += r->len;
		}
	}
	close(client);
	close(server);
	free(in);
}

static void test_runs(void **state)
{
	require_netns(state);
	if (!udp_offload().gso)
		skip();
	run_goes_round("127.0.0.1:0");
	run_goes_round("[::1]:0");
}

/* Each larger than the MTU: the kernel fragments single ones, but takes no run of them. */
static void test_run_that_cannot_go(void **state)
{
	static uint8_t data[2 * 1452];
	char name[IFNAMSIZ] = "jt3";
	struct udp_datagram d = { .data = data, .len = sizeof(data), .segment = 1452 };
	struct tun_offload offload;
	int error;
	int client;
	int fd;

	require_tun(state);
	if (!udp_offload().gso)
		skip();
	assert_int_equal(tun_open(name, &fd, 1, true, &offload), 0);
	assert_true(run("ip addr add 10.98.3.1/24 dev jt3 && ip link set jt3 mtu 1280 up"));
	d.remote = endpoint_of("10.98.3.2:9");
	client = path(true);
	assert_int_equal(udp_send(client, &d, 1, &error), 0);
	assert_true(udp_is_run_error(error));
	d.len = d.segment;
	send_one(client, &d);
	close(client);
	close(fd);
}

/* A datagram that cannot go stops the batch there; behind it, the rest goes. */
static void test_send_names_the_datagram(void **state)
{
	struct udp_datagram d[40];
	uint8_t byte = 7;
	struct batch *in;
	struct endpoint at;
	int error;
	int server;
	int client;
	int came = 0;

	require_netns(state);
	in = new_batch();
	server = listener("127.0.0.1:0", &at);
	client = path(true);
	for (size_t i = 0; i < 40; i++)
		d[i] = (struct udp_datagram){ .data = &byte, .len = 1, .remote = at };
	d[20].remote = endpoint_of("203.0.113.1:9"); /* no route */
	assert_int_equal(udp_send(client, d, 40, &error), 20);
	assert_int_equal(error, ENETUNREACH);
	assert_int_equal(udp_send(client, d + 20, 20, &error), 0);
	assert_int_equal(error, ENETUNREACH);
	assert_int_equal(udp_send(client, d + 21, 19, &error), 19);
	assert_int_equal(error, 0);
	for (int n = 1; n > 0; came += n)
		n = udp_receive(server, in->d, UDP_BATCH);
	assert_int_equal(came, 39);
	close(client);
	close(server);
	free(in);
}

/* Told once, and then the descriptor is quiet: an event loop must not spin. */
static void error_is_told_once(const char *address)
{
	struct batch *in = new_batch();
	struct endpoint at = closed_port(address);
	int client = path(ip_is_v4(&at.ip));
	struct pollfd p = { .fd = client, .events = POLLIN };

	for (int i = 0; i < 3; i++)
		send_text(client, "anybody?", &at);
	assert_true(wait_for(client, POLLIN) & POLLERR);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), -ECONNREFUSED);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	close(client);
	free(in);
}

static void test_refusal_is_told_once(void **state)
{
	require_netns(state);
	error_is_told_once("127.0.0.1:0");
	error_is_told_once("[::1]:0");
}

/* Somebody else's ICMP error costs a good datagram nothing, sent or received. */
static void test_error_harms_no_other_datagram(void **state)
{
	struct batch *in;
	struct endpoint closed;
	struct endpoint at;
	struct endpoint own;
	int server;
	int client;

	require_netns(state);
	in = new_batch();
	closed = closed_port("127.0.0.1:0");
	server = listener("127.0.0.1:0", &at);
	client = path(true);
	assert_int_equal(udp_local(client, &own), 0);
	own.ip = at.ip;

	send_text(client, "lost", &closed);
	wait_for(client, POLLIN);
	send_text(client, "good", &at);
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 1);
	assert_memory_equal(in->d[0].data, "good", 4);

	send_text(server, "answer", &own);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), 1);
	assert_memory_equal(in->d[0].data, "answer", 6);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), -ECONNREFUSED);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), 0);
	close(client);
	close(server);
	free(in);
}

static void test_listener_ignores_icmp(void **state)
{
	struct batch *in;
	struct endpoint closed;
	struct endpoint at;
	struct pollfd p = { .events = POLLIN };

	require_netns(state);
	in = new_batch();
	closed = closed_port("127.0.0.1:0");
	p.fd = listener("127.0.0.1:0", &at);
	for (int i = 0; i < 3; i++)
		send_text(p.fd, "welcome", &closed);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(udp_receive(p.fd, in->d, UDP_BATCH), 0);
	close(p.fd);
	free(in);
}

/* A listener may be there before its address; nothing is sent from an address that is not there. */
static void early_listener(const char *listen, const char *to)
{
	struct endpoint at = endpoint_of(listen);
	uint8_t byte = 1;
	struct udp_datagram d = { .data = &byte, .len = 1, .remote = endpoint_of(to), .local = at.ip };
	int fd = udp_open_listener(&at);
	int error;

	assert_true(fd >= 0);
	assert_int_equal(udp_send(fd, &d, 1, &error), 0);
	assert_int_not_equal(error, 0);
	close(fd);
}

static void test_early_listener(void **state)
{
	require_netns(state);
	early_listener("203.0.113.1:4433", "127.0.0.1:9");
	early_listener("[2001:db8::77]:4433", "[::1]:9");
}

static void test_open_failures(void **state)
{
	struct endpoint foreign;
	struct ip v4;
	struct endpoint at;
	int alone;
	int fd;

	require_netns(state);
	foreign = endpoint_of("203.0.113.1:4433");
	v4 = foreign.ip;
	assert_int_equal(open_path("", &v4, true), -EADDRNOTAVAIL);
	assert_int_equal(open_path("", &v4, false), -EAFNOSUPPORT);
	assert_int_equal(open_path("nosuch0", &any, true), -ENODEV);
	/* Cut to 15 characters it would be a device that exists. */
	if (!run("ip link add abcdefghijklmno type veth peer name jv1"))
		skip();
	assert_int_equal(open_path("abcdefghijklmnop", &any, true), -ENODEV);
	fd = open_path("abcdefghijklmno", &any, true);
	assert_true(fd >= 0);
	close(fd);
	/* A port taken without SO_REUSEPORT is taken. */
	alone = path(true);
	assert_int_equal(udp_local(alone, &at), 0);
	assert_int_equal(udp_open_listener(&at), -EADDRINUSE);
	close(alone);
	assert_true(run("ip link del abcdefghijklmno"));
}

/* Two networks: jt0 with 198.51.100.0/24 behind it, jt1 with nothing yet. */
struct networks {
	int fd[2];
};

static void open_networks(struct networks *n)
{
	for (size_t i = 0; i < 2; i++) {
		struct tun_offload offload;
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "jt%u", (unsigned int)i);
		assert_int_equal(tun_open(name, &n->fd[i], 1, true, &offload), 0);
	}
	assert_true(run("ip link set jt0 mtu 1500 up && ip link set jt1 mtu 1500 up"
			" && ip addr add 192.0.2.1/32 dev lo && ip addr add 192.0.2.2/32 dev lo"
			" && ip route add 198.51.100.0/24 dev jt0"));
}

static void close_networks(struct networks *n)
{
	close(n->fd[0]);
	close(n->fd[1]);
	assert_true(run("ip addr flush dev lo to 192.0.2.0/24"));
}

/* The next IPv4 packet that left by network `i`; the kernel's own IPv6 packets are passed over. */
static size_t next_packet(const struct networks *n, size_t i, uint8_t *buf, size_t cap)
{
	int len;

	do {
		wait_for(n->fd[i], POLLIN);
		len = tun_read_packet(n->fd[i], buf, cap);
		assert_true(len > 0);
	} while (buf[0] >> 4 != 4);
	return (size_t)len;
}

static void expect_silence(const struct networks *n, size_t i)
{
	uint8_t buf[1500];
	int len;

	while ((len = tun_read_packet(n->fd[i], buf, sizeof(buf))) > 0)
		assert_int_not_equal(buf[0] >> 4, 4);
	assert_int_equal(len, 0);
}

static void ip_checksum(uint8_t *p)
{
	uint32_t sum = 0;

	p[10] = p[11] = 0;
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p[10] = (uint8_t)(~sum >> 8);
	p[11] = (uint8_t)~sum;
}

/* From 198.51.100.7:5000, by network 0, without a UDP checksum. */
static void inject(const struct networks *n, const char *to, uint16_t port, uint8_t tos)
{
	struct ip dst = ip_of(to);
	uint8_t p[29] = { 0x45, tos, 0, 29, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 198, 51, 100, 7 };

	memcpy(p + 16, dst.b + 12, 4);
	p[20] = 5000 >> 8;
	p[21] = 5000 & 0xff;
	p[22] = (uint8_t)(port >> 8);
	p[23] = (uint8_t)port;
	p[25] = 9;
	p[28] = 'x';
	ip_checksum(p);
	assert_int_equal(tun_write_packet(n->fd[0], p, sizeof(p)), 0);
}

/* Asked over one uplink, the route then moved: the answer takes the other, still from the address asked. */
static void test_answer_takes_the_route_of_now(void **state)
{
	struct batch *in;
	struct networks n;
	struct endpoint at;
	uint8_t packet[1500];
	struct ip asked;
	int server;

	require_tun(state);
	in = new_batch();
	open_networks(&n);
	server = listener("0.0.0.0:0", &at);
	inject(&n, "192.0.2.2", at.port, 0x03);
	wait_for(server, POLLIN);
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 1);
	assert_ip(in->d[0].local, "192.0.2.2");
	assert_ip(in->d[0].remote.ip, "198.51.100.7");
	assert_int_equal(in->d[0].remote.port, 5000);
	assert_int_equal(in->d[0].ecn, 3);

	assert_true(run("ip route replace 198.51.100.0/24 dev jt1"));
	in->d[0].ecn = 1;
	send_one(server, in->d);
	assert_int_equal(next_packet(&n, 1, packet, sizeof(packet)), 29);
	asked = ip_from_v4(packet + 12);
	assert_ip(asked, "192.0.2.2");
	assert_int_equal(packet[1], 1);        /* ECN, and no DSCP */
	assert_int_equal(packet[6] & 0x40, 0); /* no DF */
	expect_silence(&n, 0);
	close(server);
	close_networks(&n);
	free(in);
}

/* On a narrow link the kernel fragments; a datagram is neither refused nor lost for ever. */
static void test_wide_datagram_is_fragmented(void **state)
{
	struct batch *out;
	struct networks n;
	uint8_t packet[1500];
	int client;

	require_tun(state);
	out = new_batch();
	open_networks(&n);
	assert_true(run("ip link set jt0 mtu 1400"));
	client = path(true);
	out->d[0].len = 1472;
	out->d[0].remote = endpoint_of("198.51.100.7:5000");
	send_one(client, out->d);
	assert_in_range(next_packet(&n, 0, packet, sizeof(packet)), 1000, 1400);
	assert_int_equal(packet[6] & 0x60, 0x20); /* more fragments, no DF */
	assert_in_range(next_packet(&n, 0, packet, sizeof(packet)), 28, 1400);
	close(client);
	close_networks(&n);
	free(out);
}

/* As next_packet(), of either family: whole (17) or a fragment (44). */
static size_t next_udp(const struct networks *n, uint8_t *buf, size_t cap)
{
	int len;

	do {
		wait_for(n->fd[0], POLLIN);
		len = tun_read_packet(n->fd[0], buf, cap);
		assert_true(len > 0);
	} while (buf[0] >> 4 != 4 && buf[6] != 17 && buf[6] != 44);
	return (size_t)len;
}

/* A probe leaves whole or not at all; what comes behind it in the same call may be fragmented again. */
static void probe_is_whole(const char *far, size_t fits, size_t headers)
{
	struct batch *out = new_batch();
	struct networks n;
	uint8_t packet[1500];
	int error = 0;
	int client;

	open_networks(&n);
	assert_true(run("ip link set jt0 mtu 1400 && ip addr add 2001:db8:5::1/64 dev jt0 nodad"));
	for (int i = 0; i < 4; i++)
		out->d[i] = (struct udp_datagram){ .data = out->d[i].data,
						   .len = fits + (i != 0),
						   .remote = endpoint_of(far),
						   .whole = i < 2 };
	client = path(ip_is_v4(&out->d[0].remote.ip));
	assert_int_equal(udp_send(client, out->d, 4, &error), 1);
	assert_int_equal(error, EMSGSIZE);
	assert_int_equal(next_udp(&n, packet, sizeof(packet)), fits + headers);
	if (packet[0] == 0x45)
		assert_int_equal(packet[6] & 0x60, 0x40); /* DF */
	assert_int_equal(udp_send(client, out->d + 2, 2, &error), 2);
	for (int i = 0; i < 4; i++) /* nothing else has left between: these two, in two pieces each */
		assert_in_range(next_udp(&n, packet, sizeof(packet)), 21, 1400);
	close(client);
	close_networks(&n);
	free(out);
}

static void test_probe_is_whole(void **state)
{
	require_tun(state);
	probe_is_whole("198.51.100.7:5000", 1372, 28);
	probe_is_whole("[2001:db8:5::7]:5000", 1352, 48);
}

static void test_path_keeps_to_its_interface(void **state)
{
	struct endpoint to;
	struct endpoint own;
	struct networks n;
	uint8_t packet[1500];
	struct ip source;
	int fd;

	require_tun(state);
	open_networks(&n);
	assert_true(run("ip route add default dev jt0 metric 1 && ip route add default dev jt1 metric 2"));
	to = endpoint_of("203.0.113.5:4433");
	source = ip_of("192.0.2.2");
	fd = open_path("jt1", &source, true);
	assert_true(fd >= 0);
	assert_int_equal(udp_local(fd, &own), 0);
	assert_ip(own.ip, "192.0.2.2");
	send_text(fd, "probe", &to);
	assert_int_equal(next_packet(&n, 1, packet, sizeof(packet)), 33);
	source = ip_from_v4(packet + 12);
	assert_ip(source, "192.0.2.2");
	expect_silence(&n, 0);
	close(fd);

	fd = open_path("", &any, true); /* not bound: the best route */
	assert_true(fd >= 0);
	send_text(fd, "probe", &to);
	assert_int_equal(next_packet(&n, 0, packet, sizeof(packet)), 33);
	close(fd);
	close_networks(&n);
}

/* Not bound to a device, but sent by it; and marked, so that a rule gives it another table. */
static void test_path_by_index_and_mark(void **state)
{
	struct udp_path p = { .interface = "", .v4 = true };
	struct networks n;
	struct endpoint to;
	uint8_t packet[1500];
	int fd;

	require_tun(state);
	open_networks(&n);
	assert_true(run("ip route add default dev jt0 metric 1 && ip route add default dev jt1 metric 2"));
	to = endpoint_of("203.0.113.5:4433");
	p.ifindex = (int)if_nametoindex("jt1");
	fd = udp_open_path(&p);
	assert_true(fd >= 0);
	send_text(fd, "probe", &to);
	assert_int_equal(next_packet(&n, 1, packet, sizeof(packet)), 33);
	expect_silence(&n, 0);
	close(fd);

	assert_true(udp_can_mark());
	assert_true(run("ip route add default dev jt1 table 77 && ip rule add fwmark 9 lookup 77"));
	p = (struct udp_path){ .interface = "", .mark = 9, .v4 = true };
	fd = udp_open_path(&p);
	assert_true(fd >= 0);
	send_text(fd, "probe", &to);
	assert_int_equal(next_packet(&n, 1, packet, sizeof(packet)), 33);
	expect_silence(&n, 0);
	close(fd);
	assert_true(run("ip rule del fwmark 9"));
	close_networks(&n);
}

/* jv0 and jv1: two ends of one cable. */
static void require_cable(void)
{
	if (!run("ip link add jv0 type veth peer name jv1")) {
		fprintf(stderr, "SKIP: no veth devices\n");
		skip();
	}
	assert_true(run("ip link set jv0 up && ip link set jv1 up"));
}

/* Datagrams to a neighbour that does not answer wait in the kernel, on the socket's account. */
static void test_full_socket_says_again(void **state)
{
	struct batch *out;
	int small = 4608;
	int error = 0;
	int sent;
	int fd;

	require_netns(state);
	require_cable();
	assert_true(run("ip addr add 192.0.2.1/24 dev jv0"));
	out = new_batch();
	fd = path(true);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (size_t i = 0; i < UDP_BATCH; i++) {
		out->d[i].len = 1400;
		out->d[i].remote = endpoint_of("192.0.2.77:5000");
	}
	sent = udp_send(fd, out->d, UDP_BATCH, &error);
	assert_in_range(sent, 1, UDP_BATCH - 1);
	assert_int_equal(error, EAGAIN);
	close(fd);
	free(out);
	assert_true(run("ip link del jv0"));
}

/* A link-local address means something on its own link only: scope in, scope out. */
static void test_link_local_keeps_its_scope(void **state)
{
	struct batch *in;
	struct endpoint at;
	struct endpoint from;
	struct ip source;
	int server;
	int client;

	require_netns(state);
	require_cable();
	assert_true(run("ip addr add fe80::1:1/64 dev jv0 nodad && ip addr add fe80::1:2/64 dev jv1 nodad"));
	in = new_batch();
	server = listener("[::]:0", &at);
	source = ip_of("fe80::1:1");
	client = open_path("jv0", &source, false);
	assert_true(client >= 0);
	assert_int_equal(udp_local(client, &from), 0);
	assert_int_equal(from.scope, if_nametoindex("jv0"));
	at.ip = ip_of("fe80::1:2");
	at.scope = if_nametoindex("jv0");
	send_text(client, "near", &at);
	wait_for(server, POLLIN);
	assert_int_equal(udp_receive(server, in->d, UDP_BATCH), 1);
	from.scope = if_nametoindex("jv1"); /* as seen from the other end */
	assert_true(endpoint_equal(&in->d[0].remote, &from));
	assert_ip(in->d[0].local, "fe80::1:2");
	send_one(server, in->d);
	wait_for(client, POLLIN);
	assert_int_equal(udp_receive(client, in->d, UDP_BATCH), 1);
	assert_true(endpoint_equal(&in->d[0].remote, &at));
	close(client);
	close(server);
	assert_true(run("ip link del jv0"));
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches_v4),
		cmocka_unit_test(test_batches_v6),
		cmocka_unit_test(test_sockets_do_not_block_or_leak),
		cmocka_unit_test(test_families_are_apart),
		cmocka_unit_test(test_answers_from_the_address_asked),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_large_datagrams),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_run_that_cannot_go),
		cmocka_unit_test(test_send_names_the_datagram),
		cmocka_unit_test(test_refusal_is_told_once),
		cmocka_unit_test(test_error_harms_no_other_datagram),
		cmocka_unit_test(test_listener_ignores_icmp),
		cmocka_unit_test(test_early_listener),
		cmocka_unit_test(test_open_failures),
		cmocka_unit_test(test_answer_takes_the_route_of_now),
		cmocka_unit_test(test_wide_datagram_is_fragmented),
		cmocka_unit_test(test_probe_is_whole),
		cmocka_unit_test(test_path_keeps_to_its_interface),
		cmocka_unit_test(test_path_by_index_and_mark),
		cmocka_unit_test(test_full_socket_says_again),
		cmocka_unit_test(test_link_local_keeps_its_scope),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
