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

#define UDP_BATCH 64
/*
 * Largest datagram taken: DATA with the largest inner packet a tunnel may have. Longer ones are truncated and
 * flagged.
 */
#define UDP_BUFFER (PROTO_MTU_MAX + PROTO_OVERHEAD)

struct udp_datagram {
	uint8_t *data;
	size_t len;
	struct endpoint remote;
	struct ip local;      /* the address it came to or must leave from; zero: the kernel's choice */
	bool truncated;       /* receive only */
	uint8_t ecn;          /* two bits of the outer header */
};

/*
 * One member of a server's SO_REUSEPORT group: bind order is worker order, so open them in that order and
 * keep them all open. IPV6_V6ONLY is set; PKTINFO and ECN reporting are on.
 */
int udp_open_listener(const struct endpoint *listen);
/*
 * 0: nobody listens there yet. Ask before the group is opened, for SO_REUSEPORT would let us into that of
 * another process of the same user, and take half of its packets. -EADDRINUSE, or why else it cannot be
 * listened on.
 */
int udp_try_listener(const struct endpoint *listen);

/*
 * A client's socket for one candidate path: bound to `interface` (SO_BINDTODEVICE) unless it is "", to the
 * address `source` unless it is zero, and to a fresh ephemeral port. `v4` chooses the family. ICMP errors are
 * reported by udp_receive() as -ECONNREFUSED and so on (IP_RECVERR), each once: hints, for anybody can forge
 * one. They show as POLLERR, until udp_receive() has been called until it answers 0. The socket stays good.
 */
int udp_open_path(const char *interface, const struct ip *source, bool v4);

/* Local endpoint of an open socket. */
int udp_local(int fd, struct endpoint *out);

/*
 * Up to `n` datagrams (n <= UDP_BATCH); each data points to room for UDP_BUFFER bytes. Answers how many,
 * 0 when there is nothing now, or a negative errno that concerns the whole socket.
 */
int udp_receive(int fd, struct udp_datagram *d, size_t n);

/*
 * Sends up to `n` datagrams, each from its `local` to its `remote`. Answers how many were taken by the
 * kernel; fewer than n: *error says why the next one was not (EAGAIN: full socket; ENETUNREACH ...: that
 * datagram cannot go; skip it).
 */
int udp_send(int fd, const struct udp_datagram *d, size_t n, int *error);
