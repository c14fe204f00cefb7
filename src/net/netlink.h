/*
 * Interface addresses and link state over rtnetlink (libmnl), and events of these and of routes. Routes: net/route.h.
 *
 * Changes are idempotent: adding what is there and removing what is gone answer 0. Every call is one
 * request and its acknowledgement on a socket of its own; -errno as the kernel gave it. Needs CAP_NET_ADMIN
 * to change anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct netlink;

/* For requests. NULL and errno on failure. */
struct netlink *netlink_open(void);
void netlink_close(struct netlink *nl);

int netlink_ifindex(const char *name); /* or -errno */
/*
 * The kernel makes no link-local address of its own on this interface, and so sends no router solicitations and multicast
 * reports into it. Before it is brought up. Fails where the kernel has no IPv6.
 */
int netlink_no_link_local(struct netlink *nl, int ifindex);
int netlink_link_up(struct netlink *nl, int ifindex, uint16_t mtu);
int netlink_address(struct netlink *nl, int ifindex, const struct prefix *address, bool add);
enum netlink_event_kind {
	NETLINK_LINK_UP,
	NETLINK_LINK_DOWN,
	NETLINK_ADDRESS_ADDED,
	NETLINK_ADDRESS_REMOVED,
	NETLINK_WAYS_CHANGED
};

struct netlink_event {
	enum netlink_event_kind kind;
	int ifindex;
	char interface[16];  /* "" for WAYS_CHANGED, or when it is gone already */
	struct ip address;   /* of address events */
	uint8_t len;         /* of its network */
	bool point_to_point; /* of link events: nobody is asked who has an address there (ppp, wwan, tun) */
};

/* For watching: subscribed to links, addresses, routes, rules and nexthop objects; non-blocking; poll its fd. */
struct netlink *netlink_watch(void);
int netlink_fd(const struct netlink *nl);

/* Whose ways matter. What it points to stays until the next call, or the last netlink_read(). */
struct netlink_concern {
	const struct ip *to;
	size_t n;
	int except; /* our own device, or 0 */
};
/*
 * From now on only routes that one of `to` could take are WAYS_CHANGED. Before the first call all are. What bears
 * TUNNEL_RTPROT, is of our own device, or says only that an address is this machine's, is none in any case.
 */
void netlink_concern(struct netlink *nl, const struct netlink_concern *concern);
/*
 * Calls `event` for each change that is waiting, as far as NETLINK_READ_MOST messages; WAYS_CHANGED (routes, rules,
 * nexthop objects) at most once, last. Events tell a state and may repeat it. IPv6 addresses appear when they can be used.
 * A link is up when it is IFF_UP and IFF_RUNNING (lower up). After an overrun (ENOBUFS) it answers -ENOBUFS once: the
 * caller must look at everything again with netlink_dump().
 */
#define NETLINK_READ_MOST 512
int netlink_read(struct netlink *nl, void (*event)(void *ctx, const struct netlink_event *e), void *ctx);
/*
 * The present links and addresses as if each had just appeared (links that are down as LINK_DOWN). Blocks
 * briefly. A watching socket keeps its waiting events.
 */
int netlink_dump(struct netlink *nl, void (*event)(void *ctx, const struct netlink_event *e), void *ctx);
