/*
 * What goes through UDP sockets, over recvmmsg(2) and sendmmsg(2), with UDP_GRO and UDP_SEGMENT (udp(7)) where there are runs.
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
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/sockaddr.h"

#define CHUNK 16 /* datagrams a system call: keeps the headers on a small stack */
#define ECN_MASK 0x03

union control {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
};
static_assert(sizeof(struct in_pktinfo) <= sizeof(struct in6_pktinfo), "control is large enough for IPv4");

struct chunk {
	struct mmsghdr msg[CHUNK];
	struct iovec iov[CHUNK];
	union sockaddr_any name[CHUNK];
	union control control[CHUNK];
};
static_assert(sizeof(struct chunk) <= 3584, "a chunk lives on the stack");

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
		d->local = sockaddr_ip_v4(&info.ipi_spec_dst);
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

static void take_datagram(struct mmsghdr *m, const union sockaddr_any *from, struct udp_datagram *d)
{
	struct msghdr *h = &m->msg_hdr;

	d->len = m->msg_len;
	d->remote = sockaddr_endpoint(&from->sa);
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
						      .msg_namelen = sockaddr_from(&c->name[i],
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

/* As many as are alike in this. */
static int send_alike(int fd, const struct udp_datagram *d, size_t n)
{
	size_t alike = 1;
	int sent;

	while (alike < n && d[alike].whole == d->whole)
		alike++;
	if (!d->whole)
		return send_chunk(fd, d, alike);
	udp_set_whole(fd, &d->remote, true);
	sent = send_chunk(fd, d, alike);
	udp_set_whole(fd, &d->remote, false);
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
