/* Inner IP packets: what the tunnel must know of one, and the ICMP errors it answers with. */
#pragma once

#include "base/addr.h"

struct inner {
	struct ip src;
	struct ip dst;
	uint8_t tos;      /* DSCP and ECN */
	uint16_t len;     /* of the packet by its own header */
	bool link;        /* concerns one link alone, and so no tunnel: see inner.c */
};

/* False: not IPv4 or IPv6, truncated, or its length field disagrees with `len` (more bytes than the header
 * says are refused too). */
bool inner_parse(const uint8_t *packet, size_t len, struct inner *out);

enum inner_unreachable {
	INNER_NO_ROUTE,       /* nobody owns this address: ICMP net unreachable, ICMPv6 no route */
	INNER_HOST_DOWN,      /* its owner has no session now: host unreachable, address unreachable */
	INNER_TOO_BIG,        /* fragmentation needed, packet too big; `mtu` goes in */
};

#define INNER_ICMP_MAX 1280
#define INNER_V6_LEAST 1280 /* RFC 8200 section 5: every link carries this */

/*
 * Writes the ICMP error about `packet` from `self` to out (room for INNER_ICMP_MAX) and returns its length; 0 when
 * RFC 1122 section 3.2.2 or RFC 4443 section 2.4 forbid one (about an ICMP error, a later fragment, a
 * multicast or unspecified address) or `self` is of the other family.
 */
size_t inner_unreachable(uint8_t *out, const uint8_t *packet, size_t len, enum inner_unreachable why,
			 const struct ip *self, uint16_t mtu);
/* RFC 1071 over `len` bytes, starting from a partial sum; the result is complemented, host byte order. */
uint16_t inner_checksum(const void *data, size_t len, uint32_t sum);
