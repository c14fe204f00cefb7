/* The tunnel device: queues, names, packets in and out, and that it goes when the last queue is closed. */
#include "netns.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/netlink.h"
#include "tun_packet.h"

#define MTU 1420

static struct tun_offload offload;

static void set_up(const char *name, const char *address)
{
	struct netlink *nl = netlink_open();
	struct prefix p = prefix_of(address);
	int index = netlink_ifindex(name);

	assert_non_null(nl);
	assert_true(index > 0);
	assert_int_equal(netlink_link_up(nl, index, MTU), 0);
	assert_int_equal(netlink_address(nl, index, &p, true), 0);
	netlink_close(nl);
}

/* The next IPv4 packet of any queue (the kernel chooses which, and sends IPv6 chatter of its own). */
static int next_v4(const int *fds, size_t queues, uint8_t *buf, size_t cap)
{
	struct pollfd p[4];
	int len;

	for (;;) {
		for (size_t i = 0; i < queues; i++)
			p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		assert_true(poll(p, queues, 10000) > 0);
		for (size_t i = 0; i < queues; i++) {
			while ((len = tun_read_packet(fds[i], buf, cap)) > 0)
				if (buf[0] >> 4 == 4)
					return len;
			assert_int_equal(len, 0);
		}
	}
}

static void send_from_inside(const char *to, const char *text)
{
	struct ip ip = ip_of(to);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&a.sin_addr, ip.b + 12, 4);
	assert_true(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)) > 0);
	close(fd);
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void test_two_queues_carry_packets(void **state)
{
	char name[IFNAMSIZ] = "jt0";
	uint8_t packet[MTU];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	uint8_t reply[33];
	uint16_t sum;
	int inside;
	int fds[2];
	int len;

	require_tun(state);
	assert_int_equal(tun_open(name, fds, 2, true, &offload), 0);
	assert_string_equal(name, "jt0");
	set_up(name, "10.99.0.1/24");

	send_from_inside("10.99.0.2", "hello");
	len = next_v4(fds, 2, packet, sizeof(packet));
	assert_int_equal(len, 20 + 8 + 5); /* no header in front */
	assert_int_equal(packet[0], 0x45);
	assert_memory_equal(packet + 28, "hello", 5);

	/* Sent back with the addresses exchanged, to port 9, by each of the queues. */
	inside = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(inside, (struct sockaddr *)&a, sizeof(a)), 0);
	memcpy(reply, packet, sizeof(reply));
	memcpy(reply + 12, packet + 16, 4);
	memcpy(reply + 16, packet + 12, 4);
	memset(reply + 10, 0, 2);
	sum = checksum(reply, 20);
	reply[10] = (uint8_t)(sum >> 8);
	reply[11] = (uint8_t)sum;
	reply[22] = 0;
	reply[23] = 9;
	memset(reply + 26, 0, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(tun_write_packet(fds[i], reply, sizeof(reply)), 0);
		wait_for(inside, POLLIN);
		assert_int_equal(recv(inside, packet, sizeof(packet), 0), 5);
		assert_memory_equal(packet, "hello", 5);
	}
	close(inside);
	close(fds[0]);
	assert_true(if_nametoindex("jt0") > 0);
	close(fds[1]);
	assert_int_equal(if_nametoindex("jt0"), 0);
}

static void test_empty_queue_and_bad_packets(void **state)
{
	char name[IFNAMSIZ] = "jt1";
	uint8_t buf[MTU];
	int fd;

	require_tun(state);
	assert_int_equal(tun_open(name, &fd, 1, true, &offload), 0);
	assert_int_equal(tun_read_packet(fd, buf, sizeof(buf)), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	buf[0] = 0x45;
	assert_int_equal(tun_write_packet(fd, buf, 40), -EIO); /* the device is down */
	set_up(name, "10.99.1.1/24");
	buf[0] = 0;
	assert_int_equal(tun_write_packet(fd, buf, 40), -EINVAL); /* neither IPv4 nor IPv6 */
	close(fd);
	assert_int_equal(tun_read_packet(fd, buf, sizeof(buf)), -EBADF);
}

static void test_kernel_names_the_device(void **state)
{
	char name[IFNAMSIZ] = "jt%d";
	int fds[3];

	require_tun(state);
	assert_int_equal(tun_open(name, fds, 3, true, &offload), 0);
	assert_string_equal(name, "jt0");
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_never_joins_what_is_there(void **state)
{
	char name[IFNAMSIZ] = "jt2";
	char taken[IFNAMSIZ] = "jt2";
	char lo[IFNAMSIZ] = "lo";
	int first[2];
	int second[2];

	require_tun(state);
	assert_int_equal(tun_open(name, first, 2, true, &offload), 0);
	assert_int_equal(tun_open(taken, second, 2, true, &offload), -EBUSY);
	assert_true(tun_open(lo, second, 1, true, &offload) < 0);
	close(first[0]);
	close(first[1]);
}

/* Nothing stays open after a failure, also when it is the last queue that fails. */
static void test_failure_leaves_nothing(void **state)
{
	char name[IFNAMSIZ] = "jt3";
	char unterminated[IFNAMSIZ];
	int fds[300];
	int before = dup(0);
	int after;

	close(before);
	require_tun(state);
	memset(unterminated, 'x', sizeof(unterminated));
	assert_int_equal(tun_open(unterminated, fds, 1, true, &offload), -EINVAL);
	assert_int_equal(tun_open(name, fds, 0, true, &offload), -EINVAL);
	assert_true(tun_open(name, fds, 300, true, &offload) < 0); /* the kernel allows 256 */
	assert_string_equal(name, "jt3");
	assert_int_equal(if_nametoindex("jt3"), 0);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_queues_carry_packets),
		cmocka_unit_test(test_empty_queue_and_bad_packets),
		cmocka_unit_test(test_kernel_names_the_device),
		cmocka_unit_test(test_never_joins_what_is_there),
		cmocka_unit_test(test_failure_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
