/*
 * Routes over rtnetlink: those of our own device, and the way that packets to an address take. As netlink.h has it
 * for requests.
 */
#pragma once

#include "net/netlink.h"

/*
 * A device route (no gateway) in the main table, protocol RTPROT_STATIC, in front of any other route to
 * `dst` (metric 0, IPv6: 1). Routes of others are neither replaced nor removed.
 */
int netlink_route(struct netlink *nl, int ifindex, const struct prefix *dst, bool add);
/* All that the kernel decides by where a packet goes, apart from ports; what is zero decides nothing. */
struct route_query {
	struct ip dst;
	struct ip source; /* an address of this machine, of the family of `dst` */
	int ifindex;      /* as of a socket that is bound to it (SO_BINDTODEVICE) */
	uint32_t mark;
};

struct route_answer {
	int ifindex;
	struct ip gateway; /* of either family; zero: the link itself */
	struct ip source;  /* what the kernel would send from; zero: it has none */
	uint32_t table;
	bool local; /* it is an address of this machine */
	bool routed; /* there is a route; false: with an ifindex the kernel takes any IPv4 address to be on that link */
};

/*
 * Asks the kernel, with its rules, tables, marks, VRFs and nexthop objects. 0, or why a packet could not go, as its sender
 * would be told: -ENETUNREACH, -EHOSTUNREACH, -EACCES (prohibit), -EINVAL (blackhole), -ENODEV.
 */
int netlink_route_get(struct netlink *nl, const struct route_query *q, struct route_answer *a);

/* Of the route that this answer comes from: how it stands to others. */
struct route_rank {
	uint8_t len; /* of its destination, in its own family */
	uint32_t metric;
};
/* 0 or -errno; also where only the link is assumed. */
int netlink_route_rank(struct netlink *nl, const struct route_query *q, struct route_rank *rank);
bool route_rank_is_better(const struct route_rank *a, const struct route_rank *b);
