/*
 * UDP sockets of a worker: opened non-blocking, read and written in batches.
 *
 * Addresses go in and out as struct endpoint. Nothing here blocks, allocates after open, or knows what is
 * in a datagram. Errors are negative errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "jumpvpn/proto.h"

#define UDP_BATCH 16
/* Largest datagram of ours: DATA with the largest inner packet a tunnel may have. */
#define UDP_BUFFER (PROTO_MTU_MAX + PROTO_OVERHEAD)
/* Room for what one receive may bring: a datagram, or many of equal length in a row (UDP_GRO). */
#define UDP_ROOM 65536
/* What one send may hold of them (UDP_SEGMENT): bytes that fit an IPv4 packet, and the kernel's bound. */
#define UDP_RUN_BYTES 65507
#define UDP_RUN_SEGMENTS 64

/* One datagram, or a run of them from one sender to one receiver: equal lengths, the last may be shorter. */
struct udp_datagram {
	uint8_t *data;
	size_t len;
	size_t segment; /* of each datagram in the run; 0: it is one */
	struct endpoint remote;
	struct ip local; /* the address it came to or must leave from; zero: the kernel's choice */
	int interface;   /* it came by, or 0 */
	uint8_t ecn;     /* two bits of the outer header */
	bool whole;      /* to be sent: nobody may fragment it (DF), be it lost */
};

/*
 * One member of a server's SO_REUSEPORT group: bind order is worker order, so open them in that order and
 * keep them all open. IPV6_V6ONLY is set; PKTINFO and ECN reporting are on. The address may come later than the socket.
 */
int udp_open_listener(const struct endpoint *listen);
/*
 * 0: nobody listens there yet. Ask before the group is opened, for SO_REUSEPORT would let us into that of
 * another process of the same user, and take half of its packets. -EADDRINUSE, or why else it cannot be
 * listened on.
 */
int udp_try_listener(const struct endpoint *listen);

/* Where a client's socket for one candidate path is to lead. */
struct udp_path {
	const char *interface; /* it is bound to this one (SO_BINDTODEVICE); or "" */
	int ifindex; /* without an `interface`: it sends by this one and hears on all (IP_UNICAST_IF); 0: the kernel's choice */
	struct ip source; /* it is bound to this one; zero: the kernel's choice */
	uint32_t mark;    /* SO_MARK; 0: none */
	bool v4;          /* its family */
};
/*
 * From a fresh ephemeral port. ICMP errors are reported by udp_receive() as -ECONNREFUSED and so on (IP_RECVERR), each once:
 * hints, for anybody can forge one. They show as POLLERR, until udp_receive() has been called until it answers 0. The socket
 * stays good.
 */
int udp_open_path(const struct udp_path *path);
/* May this thread mark its sockets? It needs CAP_NET_ADMIN. */
bool udp_can_mark(void);

/* What it sends bears this mark (SO_MARK). 0 or -errno: needs CAP_NET_ADMIN. */
int udp_mark(int fd, uint32_t mark);

/* Local endpoint of an open socket. */
int udp_local(int fd, struct endpoint *out);

/* What this kernel does for runs. A socket receives them from the start; what it cannot send goes singly. */
struct udp_offload {
	bool gro, gso;
};
struct udp_offload udp_offload(void);
/* DF for what is sent to `remote`, until it is taken back. */
void udp_set_whole(int fd, const struct endpoint *remote, bool on);
/* This socket receives datagrams one by one from now on. */
void udp_no_runs(int fd);

/*
 * Up to `n` datagrams or runs (n <= UDP_BATCH); each data points to room for UDP_ROOM bytes. Answers how many,
 * 0 when there is nothing now, or a negative errno that concerns the whole socket.
 */
int udp_receive(int fd, struct udp_datagram *d, size_t n);

/*
 * Bytes handed to the kernel that have not left yet, with its own overhead. An inner connection fills whatever room
 * there is, so best keep it below UDP_QUEUE_MOST: of a link of 1 Gbit/s that is 17 ms, of one of 100 Mbit/s
 * 170 ms, and with less a fast link runs empty while the worker is kept from its CPU. The socket takes twice as much.
 */
#define UDP_QUEUE_MOST ((size_t)2 * 1024 * 1024)
size_t udp_queued(int fd);
/* How many datagrams have come since the socket was opened and found its buffer full; wraps at 2^32. */
uint32_t udp_dropped(int fd);

/*
 * Sends up to `n` datagrams or runs, each from its `local` to its `remote`. Answers how many were taken by the
 * kernel; fewer than n: *error says why the next one was not (EAGAIN: full socket; ENETUNREACH ...: that
 * one cannot go; skip it. A run may be refused where its datagrams are not: see udp_is_run_error()).
 */
int udp_send(int fd, const struct udp_datagram *d, size_t n, int *error);
/* Did it fail for being a run: a device that cannot, or a route whose MTU each datagram exceeds by itself? */
bool udp_is_run_error(int error);
