/* The kernel's form of an address and ours, each from the other. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/addr.h"

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* How many bytes of `out` the address has: those of its family. */
socklen_t sockaddr_from(union sockaddr_any *out, const struct endpoint *e);
/* The zero address when it is of another family than AF_INET and AF_INET6. `sa` is as long as its family wants. */
struct endpoint sockaddr_endpoint(const struct sockaddr *sa);
struct ip sockaddr_ip_v4(const struct in_addr *in);
