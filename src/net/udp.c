/*
 * UDP sockets over recvmmsg(2) and sendmmsg(2), with UDP_GRO and UDP_SEGMENT (udp(7)) where there are runs.
 *
 * Every datagram comes with the address it was sent to, and an answer leaves from that address by the
 * route of now: the interface it came in by is never pinned, so a server with two uplinks answers right and
 * still follows a change of routes.
 */
#include "net/udp.h"

#include <assert.h>
#include <errno.h>
#include <time.h> /* for linux/errqueue.h */
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK 16 /* datagrams a system call: keeps the headers on a small stack */
/*
 * Bounds of the queues that are ours. What is to be received waits while the worker is kept from its CPU: 4 MiB
 * hold 10,000 small packets, as many as come in 50 ms. What is sent waits for a slow link: UDP_QUEUE_MOST, and as
 * much again for those who are not at fault. The kernel doubles both numbers, for what it needs itself.
 */
#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define SEND_BUFFER UDP_QUEUE_MOST
#define ECN_MASK 0x03

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

union control {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
};
static_assert(sizeof(struct in_pktinfo) <= sizeof(struct in6_pktinfo), "control is large enough for IPv4");

struct chunk {
	struct mmsghdr msg[CHUNK];
	struct iovec iov[CHUNK];
	union any_address name[CHUNK];
	union control control[CHUNK];
};
static_assert(sizeof(struct chunk) <= 3584, "a chunk lives on the stack");

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

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

static socklen_t address_from_endpoint(union any_address *a, const struct endpoint *e)
{
	memset(a, 0, sizeof(*a));
	if (ip_is_v4(&e->ip)) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(e->port);
		memcpy(&a->v4.sin_addr, e->ip.b + 12, 4);
		return sizeof(a->v4);
	}
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons(e->port);
	a->v6.sin6_scope_id = e->scope;
	memcpy(&a->v6.sin6_addr, e->ip.b, 16);
	return sizeof(a->v6);
}

static struct ip ip_from_in(const struct in_addr *in)
{
	uint8_t b[4];

	memcpy(b, in, sizeof(b));
	return ip_from_v4(b);
}

static struct endpoint endpoint_from_address(const union any_address *a)
{
	struct endpoint e = { .port = 0 };

	if (a->sa.sa_family == AF_INET) {
		e.ip = ip_from_in(&a->v4.sin_addr);
		e.port = ntohs(a->v4.sin_port);
	} else if (a->sa.sa_family == AF_INET6) {
		memcpy(e.ip.b, &a->v6.sin6_addr, 16);
		e.port = ntohs(a->v6.sin6_port);
		e.scope = a->v6.sin6_scope_id;
	}
	return e;
}

static int bind_socket(int fd, const struct endpoint *e)
{
	union any_address a;
	socklen_t len = address_from_endpoint(&a, e);

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
	union any_address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) < 0)
		return -errno;
	*out = endpoint_from_address(&a);
	return 0;
}

static void prepare_receive(struct chunk *c, const struct udp_datagram *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		c->iov[i] = (struct iovec){ .iov_base = d[i].data, .iov_len = UDP_ROOM };
		c->msg[i] = (struct mmsghdr){ .msg_hdr = {
						      .msg_name = &c->name[i],
						      .msg_namelen = sizeof(c->name[i]),
						      .msg_iov = &c->iov[i],
						      .msg_iovlen = 1,
						      .msg_control = c->control[i].buf,
						      .msg_controllen = sizeof(c->control[i].buf),
					      } };
	}
}

static void take_control_v4(const struct cmsghdr *cm, struct udp_datagram *d)
{
	struct in_pktinfo info;

	if (cm->cmsg_type == IP_PKTINFO && cm->cmsg_len >= CMSG_LEN(sizeof(info))) {
		memcpy(&info, CMSG_DATA(cm), sizeof(info));
		/* Not ipi_addr: that may be a broadcast address, and nothing can be sent from it. */
		d->local = ip_from_in(&info.ipi_spec_dst);
		d->interface = info.ipi_ifindex;
	} else if (cm->cmsg_type == IP_TOS && cm->cmsg_len >= CMSG_LEN(1)) {
		d->ecn = *CMSG_DATA(cm) & ECN_MASK;
	}
}

static void take_control_v6(const struct cmsghdr *cm, struct udp_datagram *d)
{
	struct in6_pktinfo info;
	int tclass;

	if (cm->cmsg_type == IPV6_PKTINFO && cm->cmsg_len >= CMSG_LEN(sizeof(info))) {
		memcpy(&info, CMSG_DATA(cm), sizeof(info));
		memcpy(d->local.b, &info.ipi6_addr, 16);
		d->interface = (int)info.ipi6_ifindex;
	} else if (cm->cmsg_type == IPV6_TCLASS && cm->cmsg_len >= CMSG_LEN(sizeof(tclass))) {
		memcpy(&tclass, CMSG_DATA(cm), sizeof(tclass));
		d->ecn = (uint8_t)(tclass & ECN_MASK);
	}
}

static void take_segment(const struct cmsghdr *cm, struct udp_datagram *d)
{
	int segment;

	if (cm->cmsg_len < CMSG_LEN(sizeof(segment)))
		return;
	memcpy(&segment, CMSG_DATA(cm), sizeof(segment));
	if (segment > 0 && (size_t)segment < d->len)
		d->segment = (size_t)segment;
}

static void take_datagram(struct mmsghdr *m, const union any_address *from, struct udp_datagram *d)
{
	struct msghdr *h = &m->msg_hdr;

	d->len = m->msg_len;
	d->remote = endpoint_from_address(from);
	d->local = (struct ip){ .b = { 0 } };
	d->interface = 0;
	d->segment = 0;
	d->ecn = 0;
	d->whole = false;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm)) {
		if (cm->cmsg_level == IPPROTO_IP)
			take_control_v4(cm, d);
		else if (cm->cmsg_level == IPPROTO_IPV6)
			take_control_v6(cm, d);
		else if (cm->cmsg_level == SOL_UDP && cm->cmsg_type == UDP_GRO)
			take_segment(cm, d);
	}
}

static int receive_chunk(int fd, struct udp_datagram *d, size_t n)
{
	struct chunk c;
	int got;

	prepare_receive(&c, d, n);
	do {
		got = recvmmsg(fd, c.msg, (unsigned int)n, 0, NULL);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < got; i++)
		take_datagram(&c.msg[i], &c.name[i], &d[i]);
	return got;
}

/* An error behind datagrams waits for the next call: its notice is still in the error queue. */
static int receive_batch(int fd, struct udp_datagram *d, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t want = n - done < CHUNK ? n - done : CHUNK;
		int got = receive_chunk(fd, d + done, want);

		if (got < 0 && done == 0)
			return got;
		if (got <= 0)
			break;
		done += (size_t)got;
		if ((size_t)got < want)
			break;
	}
	return (int)done;
}

/* "Packet too big" is no evidence against a path: the kernel fragments from now on. */
static int error_of_notice(struct msghdr *h)
{
	struct sock_extended_err e;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm)) {
		bool v4 = cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_RECVERR;
		bool v6 = cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_RECVERR;

		if ((!v4 && !v6) || cm->cmsg_len < CMSG_LEN(sizeof(e)))
			continue;
		memcpy(&e, CMSG_DATA(cm), sizeof(e));
		return e.ee_errno == EMSGSIZE ? 0 : -(int)e.ee_errno;
	}
	return 0;
}

/* Empties the error queue, for poll(2) flags POLLERR as long as anything is in it; the newest error or 0. */
static int read_errors(int fd)
{
	int error = 0;

	for (int i = 0; i < UDP_BATCH; i++) {
		union {
			struct cmsghdr align;
			uint8_t buf[256];
		} control;
		struct msghdr h = { .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
		int e;

		if (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		e = error_of_notice(&h);
		if (e < 0)
			error = e;
	}
	return error;
}

int udp_receive(int fd, struct udp_datagram *d, size_t n)
{
	int got = receive_batch(fd, d, n < UDP_BATCH ? n : UDP_BATCH);
	int error;

	if (got > 0)
		return got;
	error = read_errors(fd);
	if (error < 0)
		return error;
	return got == -EMSGSIZE ? 0 : got;
}

static size_t put_control(uint8_t *buf, int level, int type, const void *data, size_t len)
{
	struct cmsghdr cm = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };

	memcpy(buf, &cm, sizeof(cm));
	memcpy(buf + CMSG_LEN(0), data, len);
	return CMSG_SPACE(len);
}

/* The interface stays open; between link-local addresses the scope of the remote one names it. */
static size_t put_source(uint8_t *buf, const struct udp_datagram *d)
{
	struct in_pktinfo v4 = { .ipi_ifindex = 0 };
	struct in6_pktinfo v6 = { .ipi6_ifindex = 0 };

	if (ip_is_v4(&d->remote.ip)) {
		memcpy(&v4.ipi_spec_dst, d->local.b + 12, 4);
		return put_control(buf, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
	}
	memcpy(&v6.ipi6_addr, d->local.b, 16);
	return put_control(buf, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
}

static size_t put_ecn(uint8_t *buf, const struct udp_datagram *d)
{
	const int tos = d->ecn & ECN_MASK;

	if (ip_is_v4(&d->remote.ip))
		return put_control(buf, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	return put_control(buf, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}

static size_t put_segment(uint8_t *buf, const struct udp_datagram *d)
{
	const uint16_t segment = (uint16_t)d->segment;

	return put_control(buf, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

static void prepare_send(struct chunk *c, const struct udp_datagram *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *control = c->control[i].buf;
		size_t len = 0;

		memset(control, 0, sizeof(c->control[i].buf));
		if (!ip_is_zero(&d[i].local))
			len += put_source(control, &d[i]);
		if (d[i].ecn & ECN_MASK)
			len += put_ecn(control + len, &d[i]);
		if (d[i].segment > 0 && d[i].len > d[i].segment)
			len += put_segment(control + len, &d[i]);
		c->iov[i] = (struct iovec){ .iov_base = d[i].data, .iov_len = d[i].len };
		c->msg[i] = (struct mmsghdr){ .msg_hdr = {
						      .msg_name = &c->name[i],
						      .msg_namelen = address_from_endpoint(&c->name[i],
											   &d[i].remote),
						      .msg_iov = &c->iov[i],
						      .msg_iovlen = 1,
						      .msg_control = len > 0 ? control : NULL,
						      .msg_controllen = len,
					      } };
	}
}

static int send_chunk(int fd, const struct udp_datagram *d, size_t n)
{
	struct chunk c;
	int sent;

	prepare_send(&c, d, n);
	do {
		sent = sendmmsg(fd, c.msg, (unsigned int)n, 0);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* DF for what is sent until it is taken back. PROBE: whatever the kernel believes the path to carry. */
static void set_whole(int fd, const struct endpoint *remote, bool on)
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

/* As many as are alike in this. */
static int send_alike(int fd, const struct udp_datagram *d, size_t n)
{
	size_t alike = 1;
	int sent;

	while (alike < n && d[alike].whole == d->whole)
		alike++;
	if (!d->whole)
		return send_chunk(fd, d, alike);
	set_whole(fd, &d->remote, true);
	sent = send_chunk(fd, d, alike);
	set_whole(fd, &d->remote, false);
	return sent;
}

/*
 * An ICMP error that an earlier datagram caused surfaces at whatever call comes next, and is cleared by that.
 * So a failed datagram is tried a second time before it is blamed; udp_receive() still tells of the error.
 */
int udp_send(int fd, const struct udp_datagram *d, size_t n, int *error)
{
	size_t done = 0;
	bool again = false;

	*error = 0;
	while (done < n) {
		int sent = send_alike(fd, d + done, n - done < CHUNK ? n - done : CHUNK);

		if (sent > 0) {
			done += (size_t)sent;
			again = false;
		} else if (again || sent == -EAGAIN || sent == -ENOBUFS) {
			*error = -sent;
			break;
		} else {
			again = true;
		}
	}
	return (int)done;
}

bool udp_is_run_error(int error)
{
	return error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP;
}
