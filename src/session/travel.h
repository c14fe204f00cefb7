/* How a datagram travels: from which socket, and where to. A plain value; for any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct route {           /* how a datagram travels */
	uint32_t socket; /* server: index in `listen`; client: the number it gave to io->path_open() */
	struct endpoint remote;
	struct ip local; /* server: the address the peer sent to; zero: the kernel's choice */
};

static inline bool route_equal(const struct route *a, const struct route *b)
{
	return a->socket == b->socket && endpoint_equal(&a->remote, &b->remote) &&
	       ip_equal(&a->local, &b->local);
}
