#include "load/net.h"

#include <poll.h>

#define BATCH 64
#define HELD_BYTES ((size_t)64 << 20)

union source {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

struct row { /* what leaves by one socket with the next flush */
	uint8_t data[BATCH][NET_ROOM];
	union source source[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr message[BATCH];
	unsigned int n;
};

struct held { /* in front of a datagram that is held */
	uint64_t due_us;
	uint32_t address;
	uint16_t socket, len;
};

struct net {
	int fd[NET_SOCKETS];
	struct address server;
	struct row row[NET_SOCKETS];
	uint8_t data[BATCH][NET_ROOM];
	union source source[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr message[BATCH];
	uint64_t rtt_us;
	uint8_t *held; /* a ring: the oldest at `first`, the next one goes to `end`; both grow for ever */
	size_t first, end;
	struct net_count count;
};

static int socket_new(void)
{
	static const int on = 1, size = 64 << 20;
	const struct address any = parse_address("0.0.0.0:0");
	const int fd = open_socket(&any, SOCK_DGRAM | SOCK_NONBLOCK);

	if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)))
		die("IP_PKTINFO: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		receive_generously(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	bind_to(fd, &any);
	return fd;
}

struct net *net_new(const struct address *server, uint64_t rtt_us)
{
	struct net *n = calloc(1, sizeof(*n));

	if (!n)
		die("no memory");
	n->server = *server;
	n->rtt_us = rtt_us;
	n->held = rtt_us ? malloc(HELD_BYTES) : NULL;
	if (rtt_us && !n->held)
		die("no memory");
	for (unsigned int i = 0; i < NET_SOCKETS; i++)
		n->fd[i] = socket_new();
	for (unsigned int i = 0; i < BATCH; i++) {
		n->iov[i] = (struct iovec){ n->data[i], NET_ROOM };
		n->message[i].msg_hdr = (struct msghdr){ .msg_iov = &n->iov[i], .msg_iovlen = 1 };
	}
	return n;
}

/* --- out --- */

static void row_flush(struct net *n, unsigned int socket)
{
	struct row *r = &n->row[socket];
	unsigned int done = 0;

	while (done < r->n) {
		const int got = sendmmsg(n->fd[socket], r->message + done, r->n - done, 0);

		if (got > 0) {
			n->count.sent += (unsigned int)got;
			done += (unsigned int)got;
		} else {
			n->count.unsent++;
			done++;
		}
	}
	r->n = 0;
}

uint8_t *net_room(struct net *n, unsigned int socket, uint32_t address)
{
	struct row *r = &n->row[socket];
	const struct in_pktinfo info = { .ipi_spec_dst = { htonl(address) } };
	struct cmsghdr *c;

	if (r->n == BATCH)
		row_flush(n, socket);
	c = &r->source[r->n].align;
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return r->data[r->n];
}

void net_send(struct net *n, unsigned int socket, size_t len)
{
	struct row *r = &n->row[socket];
	const unsigned int i = r->n++;

	r->iov[i] = (struct iovec){ r->data[i], len };
	r->message[i].msg_hdr = (struct msghdr){ .msg_name = &n->server.ss,
						 .msg_namelen = n->server.len,
						 .msg_iov = &r->iov[i],
						 .msg_iovlen = 1,
						 .msg_control = r->source[i].buf,
						 .msg_controllen = sizeof(r->source[i].buf) };
}

void net_flush(struct net *n)
{
	for (unsigned int i = 0; i < NET_SOCKETS; i++)
		row_flush(n, i);
}

/* --- in --- */

void net_wait(struct net *n, int fd, int ms)
{
	struct pollfd p[NET_SOCKETS + 1];

	for (unsigned int i = 0; i < NET_SOCKETS; i++)
		p[i] = (struct pollfd){ .fd = n->fd[i], .events = POLLIN };
	p[NET_SOCKETS] = (struct pollfd){ .fd = fd, .events = POLLIN };
	poll(p, NET_SOCKETS + 1, ms);
}

static uint32_t address_of(struct msghdr *m)
{
	struct in_pktinfo info;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			return ntohl(info.ipi_addr.s_addr);
		}
	}
	return 0;
}

static void ring_copy(struct net *n, size_t at, void *data, size_t len, bool in)
{
	uint8_t *bytes = data;
	const size_t offset = at % HELD_BYTES;
	const size_t first = len < HELD_BYTES - offset ? len : HELD_BYTES - offset;

	if (in) {
		memcpy(n->held + offset, bytes, first);
		memcpy(n->held, bytes + first, len - first);
	} else {
		memcpy(bytes, n->held + offset, first);
		memcpy(bytes + first, n->held, len - first);
	}
}

static void hold(struct net *n, uint64_t now_us, unsigned int socket, uint32_t address, uint8_t *data,
		 size_t len)
{
	struct held h = { now_us + n->rtt_us, address, (uint16_t)socket, (uint16_t)len };

	if (n->end - n->first + sizeof(h) + len > HELD_BYTES)
		return; /* lost, as a queue on the way would */
	ring_copy(n, n->end, &h, sizeof(h), true);
	ring_copy(n, n->end + sizeof(h), data, len, true);
	n->end += sizeof(h) + len;
}

static void let_go(struct net *n, uint64_t now_us, net_took *took, void *ctx)
{
	uint8_t data[NET_ROOM];
	struct held h;

	while (n->first < n->end) {
		ring_copy(n, n->first, &h, sizeof(h), false);
		if (h.due_us > now_us)
			return;
		ring_copy(n, n->first + sizeof(h), data, h.len, false);
		n->first += sizeof(h) + h.len;
		took(ctx, h.socket, h.address, data, h.len);
	}
}

int net_held_ms(const struct net *n, uint64_t now_us, int most)
{
	struct held h;

	if (n->first == n->end)
		return most;
	ring_copy((struct net *)(uintptr_t)n, n->first, &h, sizeof(h), false);
	if (h.due_us <= now_us)
		return 0;
	return h.due_us - now_us < (uint64_t)most * 1000 ? (int)((h.due_us - now_us + 999) / 1000) : most;
}

static void batch_receive(struct net *n, unsigned int socket, uint64_t now_us, net_took *took, void *ctx)
{
	int got;

	for (unsigned int i = 0; i < BATCH; i++) {
		n->message[i].msg_hdr.msg_control = n->source[i].buf;
		n->message[i].msg_hdr.msg_controllen = sizeof(n->source[i].buf);
	}
	got = recvmmsg(n->fd[socket], n->message, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		const uint32_t address = address_of(&n->message[i].msg_hdr);

		if (n->rtt_us)
			hold(n, now_us, socket, address, n->data[i], n->message[i].msg_len);
		else
			took(ctx, socket, address, n->data[i], n->message[i].msg_len);
	}
	if (got > 0)
		n->count.received += (unsigned int)got;
}

void net_receive(struct net *n, uint64_t now_us, net_took *took, void *ctx)
{
	for (unsigned int i = 0; i < NET_SOCKETS; i++)
		batch_receive(n, i, now_us, took, ctx);
	if (n->rtt_us)
		let_go(n, now_us, took, ctx);
}

struct net_count net_count(const struct net *n)
{
	return n->count;
}
