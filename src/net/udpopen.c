/* How the sockets of udp.h are opened, bound and asked. What goes through them is in udp.c. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/sockaddr.h"
#include "net/udp.h"

/*
 * Bounds of the queues that are ours. What is to be received waits while the worker is kept from its CPU: 4 MiB
 * hold 10,000 small packets, as many as come in 50 ms. What is sent waits for a slow link: UDP_QUEUE_MOST, and as
 * much again for those who are not at fault. The kernel doubles both numbers, for what it needs itself.
 */
#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define SEND_BUFFER UDP_QUEUE_MOST

struct option {
	int level;
	int name;
	int value;
};

/*
 * The outer packet of a full inner packet (1,420 bytes and 80 of headers at most) fits 1,500 bytes, so on
 * ordinary links nothing is fragmented. Where the path is narrower a fragmented packet beats a black hole: no
 * DF on IPv4, where OMIT also makes the socket deaf to forged "fragmentation needed". On IPv6 only the sender
 * can fragment, so there it must heed "packet too big": DONT.
 */
static const struct option options_v4[] = {
	{ IPPROTO_IP, IP_PKTINFO, 1 },
	{ IPPROTO_IP, IP_RECVTOS, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT },
};

static const struct option options_v6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT },
};

static const struct option receive_runs = { SOL_UDP, UDP_GRO, 1 };

static int set_options(int fd, const struct option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &options[i];

		if (setsockopt(fd, o->level, o->name, &o->value, sizeof(o->value)) < 0)
			return -errno;
	}
	return 0;
}

/* Beyond net.core.[rw]mem_max with CAP_NET_ADMIN; without it, as much as there is. */
static void set_buffer(int fd, int force, int name, int size)
{
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size));
}

static int open_socket(bool v4)
{
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (v4)
		r = set_options(fd, options_v4, sizeof(options_v4) / sizeof(options_v4[0]));
	else
		r = set_options(fd, options_v6, sizeof(options_v6) / sizeof(options_v6[0]));
	if (r < 0) {
		close(fd);
		return r;
	}
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER);
	(void)set_options(fd, &receive_runs, 1); /* without it they come one by one */
	return fd;
}

uint32_t udp_dropped(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

size_t udp_queued(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

void udp_no_runs(int fd)
{
	static const struct option off = { SOL_UDP, UDP_GRO, 0 };

	(void)set_options(fd, &off, 1);
}

/* PROBE: whatever the kernel believes the path to carry. */
void udp_set_whole(int fd, const struct endpoint *remote, bool on)
{
	const struct option v4 = { IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT };
	const struct option v6[] = {
		{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, on ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT },
		{ IPPROTO_IPV6, IPV6_DONTFRAG, on },
	};

	if (ip_is_v4(&remote->ip))
		(void)set_options(fd, &v4, 1);
	else
		(void)set_options(fd, v6, 2);
}

struct udp_offload udp_offload(void)
{
	static const struct option send_runs = { SOL_UDP, UDP_SEGMENT, 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct udp_offload got = { false, false };

	if (fd < 0)
		return got;
	got.gro = set_options(fd, &receive_runs, 1) == 0;
	got.gso = set_options(fd, &send_runs, 1) == 0;
	close(fd);
	return got;
}

static int bind_socket(int fd, const struct endpoint *e)
{
	union sockaddr_any a;
	socklen_t len = sockaddr_from(&a, e);

	return bind(fd, &a.sa, len) < 0 ? -errno : 0;
}

/*
 * Also to an address that no interface has yet. Only for the bind: later the kernel shall refuse to send from an address
 * that has gone.
 */
static int bind_listener(int fd, const struct endpoint *e)
{
	const bool v4 = ip_is_v4(&e->ip);
	struct option free_bind = { v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1 };
	int r;

	(void)set_options(fd, &free_bind, 1); /* without it there is an error, and the next try */
	r = bind_socket(fd, e);
	free_bind.value = 0;
	(void)set_options(fd, &free_bind, 1);
	return r;
}

int udp_open_listener(const struct endpoint *listen)
{
	static const struct option reuseport = { SOL_SOCKET, SO_REUSEPORT, 1 };
	int fd = open_socket(ip_is_v4(&listen->ip));
	int r;

	if (fd < 0)
		return fd;
	r = set_options(fd, &reuseport, 1);
	if (r == 0)
		r = bind_listener(fd, listen);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int udp_try_listener(const struct endpoint *listen)
{
	int fd = open_socket(ip_is_v4(&listen->ip));
	int r;

	if (fd < 0)
		return fd;
	r = bind_listener(fd, listen);
	close(fd);
	return r;
}

/* The kernel cuts a name that is too long, which could then be another interface's. */
static int bind_device(int fd, const char *interface)
{
	size_t len = strlen(interface);

	if (len >= IFNAMSIZ)
		return -ENODEV;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)len) < 0 ? -errno : 0;
}

static int send_by(int fd, int ifindex, bool v4)
{
	const uint32_t index = htonl((uint32_t)ifindex);
	const int r = v4 ? setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index))
			 : setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, &index, sizeof(index));

	return r < 0 ? -errno : 0;
}

int udp_mark(int fd, uint32_t mark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

bool udp_can_mark(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool can = fd >= 0 && udp_mark(fd, 1) == 0;

	if (fd >= 0)
		close(fd);
	return can;
}

static int bind_path(int fd, const struct udp_path *p)
{
	static const struct option error_v4 = { IPPROTO_IP, IP_RECVERR, 1 };
	static const struct option error_v6 = { IPPROTO_IPV6, IPV6_RECVERR, 1 };
	static const uint8_t any_v4[4];
	struct endpoint local = { .ip = p->source };
	int r;

	if (ip_is_zero(&p->source))
		local.ip = p->v4 ? ip_from_v4(any_v4) : (struct ip){ .b = { 0 } };
	else if (ip_is_v4(&p->source) != p->v4)
		return -EAFNOSUPPORT;
	if (ip_is_link_local(&local.ip) && !p->v4)
		local.scope = (uint32_t)p->ifindex;

	r = set_options(fd, p->v4 ? &error_v4 : &error_v6, 1);
	if (r == 0 && p->mark)
		r = udp_mark(fd, p->mark);
	if (r == 0 && p->interface[0] != '\0')
		r = bind_device(fd, p->interface);
	else if (r == 0 && p->ifindex > 0)
		r = send_by(fd, p->ifindex, p->v4);
	if (r == 0)
		r = bind_socket(fd, &local);
	return r;
}

int udp_open_path(const struct udp_path *path)
{
	int fd = open_socket(path->v4);
	int r;

	if (fd < 0)
		return fd;
	r = bind_path(fd, path);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int udp_local(int fd, struct endpoint *out)
{
	union sockaddr_any a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) < 0)
		return -errno;
	*out = sockaddr_endpoint(&a.sa);
	return 0;
}
