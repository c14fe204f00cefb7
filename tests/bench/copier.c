/*
 * A tunnel that does nothing: what any user-space tunnel can at most reach on this machine. Packets go from the TUN
 * device into UDP datagrams and back with the offloads the daemon uses, but without a protocol, a cipher or splitting.
 *
 *     copier --device NAME --from ADDR:PORT --to ADDR:PORT [--threads 1|2]
 *
 * A super-packet travels as the kernel gave it, with its virtio-net header, cut by UDP_SEGMENT into datagrams that
 * fit the outer MTU; UDP_GRO puts them together at the other end, and what comes is written as it is. Four bytes of
 * length in front tell whether it is whole; nothing else does, so it is no tunnel to use. One thread does both
 * directions, or two one each.
 */
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "net/tools/tool.h"

#define HEADER 4         /* length of what follows */
#define VNET 10          /* struct virtio_net_hdr */
#define SEGMENT 1472     /* what an outer MTU of 1500 leaves */
#define RUN 65507        /* the longest UDP payload */
#define RUN_DATAGRAMS 44 /* RUN / SEGMENT */
#define ROOM (65535 + VNET + HEADER)
#define TURNS 32 /* packets of one direction before the other has its turn */

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

struct copier {
	int tun, udp;
	uint8_t out[ROOM], in[2 * 65536];
	size_t have; /* of `in`: a super-packet too long for one run comes in two */
};

static struct copier c;

static int open_tun(const char *name)
{
	const unsigned int csum = TUN_F_CSUM, tso = csum | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		die("%s: %s", name, strerror(errno));
	if (ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) && ioctl(fd, TUNSETOFFLOAD, tso) &&
	    ioctl(fd, TUNSETOFFLOAD, csum))
		die("%s: no offloads", name);
	return fd;
}

static int open_udp(const struct address *from, const struct address *to)
{
	const int one = 1, buffer = 4 << 20;
	int fd = open_socket(to, SOCK_DGRAM | SOCK_NONBLOCK);

	if (setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one)))
		die("UDP_GRO: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	bind_to(fd, from);
	if (connect(fd, address_sa(to), to->len))
		die("connect: %s", strerror(errno));
	return fd;
}

/* One datagram, or a run of them; what a full socket does not take is lost, as with any tunnel. */
static void send_run(const uint8_t *p, size_t len)
{
	char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
	struct iovec iov = { .iov_base = (uint8_t *)(uintptr_t)p, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (len > SEGMENT) {
		const uint16_t segment = SEGMENT;
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_UDP;
		h->cmsg_type = UDP_SEGMENT;
		h->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(h), &segment, sizeof(segment));
	}
	while (sendmsg(c.udp, &m, 0) < 0 && errno == EINTR)
		;
}

static bool copy_out(void)
{
	ssize_t n = read(c.tun, c.out + HEADER, ROOM - HEADER);

	if (n <= 0)
		return false;
	const uint32_t len = (uint32_t)n;
	memcpy(c.out, &len, HEADER);
	const size_t all = HEADER + len, first = all > RUN ? (size_t)RUN_DATAGRAMS * SEGMENT : all;
	send_run(c.out, first);
	if (all > first)
		send_run(c.out + first, all - first);
	return true;
}

/* What does not begin with its own length, or goes on beyond it, is thrown away. */
static bool copy_in(void)
{
	uint32_t len;
	ssize_t n = recv(c.udp, c.in + c.have, 65536, 0);

	if (n < 0)
		return errno == EINTR || errno == ECONNREFUSED;
	c.have += (size_t)n;
	for (size_t at = 0;;) {
		if (c.have - at >= HEADER)
			memcpy(&len, c.in + at, HEADER);
		if (c.have - at < HEADER || len > ROOM - HEADER) {
			c.have = 0;
			return true;
		}
		if (c.have - at < HEADER + len) { /* the rest is in the next run */
			memmove(c.in, c.in + at, c.have - at);
			c.have = at || c.have < 65536 ? c.have - at : 0;
			return true;
		}
		if (write(c.tun, c.in + at + HEADER, len) < 0 && errno == EBADFD)
			die("the device is gone");
		at += HEADER + len;
	}
}

static void copy(bool out, bool in)
{
	struct pollfd p[] = { { .fd = out ? c.tun : -1, .events = POLLIN },
			      { .fd = in ? c.udp : -1, .events = POLLIN } };

	while (!tool_stop) {
		if (poll(p, 2, -1) < 0)
			continue;
		for (int i = 0; i < TURNS && p[0].revents && copy_out(); i++)
			;
		for (int i = 0; i < TURNS && p[1].revents && copy_in(); i++)
			;
	}
}

static void *copy_in_thread(void *ctx)
{
	(void)ctx;
	copy(false, true);
	return NULL;
}

static void usage(void)
{
	die("usage: copier --device NAME --from ADDR:PORT --to ADDR:PORT [--threads 1|2]");
}

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "threads", required_argument, NULL, 'T' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct address from = { 0 }, to = { 0 };
	const char *device = NULL;
	uint64_t threads = 1;
	pthread_t thread;
	int o;

	while ((o = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (o) {
		case 'd': device = optarg; break;
		case 'f': from = parse_address(optarg); break;
		case 't': to = parse_address(optarg); break;
		case 'T': threads = parse_number(optarg); break;
		default: usage();
		}
	}
	if (!device || !from.len || !to.len || threads < 1 || threads > 2)
		usage();
	tool_catch_signals();
	c.tun = open_tun(device);
	c.udp = open_udp(&from, &to);
	if (threads == 2 && pthread_create(&thread, NULL, copy_in_thread, NULL))
		die("no thread");
	copy(true, threads == 1);
	return 0;
}
