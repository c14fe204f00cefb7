/*
 * What the kernel has of one device and of what we put into its routing, and requests to change that. As netlink.h has it
 * for requests; lists are newly allocated and sorted, so that what is wanted can be compared with what is there.
 *
 * Ours is what bears TUNNEL_RTPROT and the device's own index, or a number made of its name (net/own.h).
 */
#pragma once

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"

#define ROUTE_HOPS_MAX 8

struct device_state {
	bool up;
	bool v6;     /* the kernel has IPv6 on it: not with a small MTU */
	bool v6_off; /* net.ipv6.conf.NAME.disable_ipv6 */
	bool quiet;  /* it makes no link-local address */
	uint32_t mtu;
};

/* 0 or -errno. */
int device_look(struct netlink *nl, int ifindex, struct device_state *out);

/* Compared byte by byte, also behind pointers: all of it is zero that is not set. */
struct route_hop {
	int32_t ifindex;
	struct ip gateway; /* of either family; zero: the link itself */
};

struct held_route {
	uint32_t v6, table, metric, refuses; /* refuses: unreachable, and no hops */
	struct prefix dst, from;             /* from: IPv6 alone, length 0 for any */
	uint32_t hops;
	struct route_hop hop;      /* where there is one */
	struct route_hop *several; /* else: the list's own, sorted; few routes have any */
};

int held_route_compare(const void *a, const void *b); /* for qsort() */
/* One hop more, each once. False: no room, or no memory. */
bool held_route_add_hop(struct held_route *r, const struct route_hop *hop);
void held_routes_free(struct held_route *list, size_t n);

/* Of whom: what bears another's number is left alone. */
struct held_by {
	int ifindex;
	uint32_t table;       /* of its own routes; with the lowest bit set, of the ways past it */
	uint32_t last_metric; /* of what refuses, behind its own routes in tables of others */
};

/* Of all tables and both families. 0 or -errno; the list is the caller's, to be freed by held_routes_free(). */
int held_routes(struct netlink *nl, const struct held_by *by, struct held_route **out, size_t *n);
/* Adding what is there and removing what is gone is 0. */
int held_route_set(struct netlink *nl, const struct held_route *r, bool add);
/* The same for many, in few calls: what each came to is in `rc`. */
void held_routes_set(struct netlink *nl, const struct held_route *const *list, size_t n, bool add, int *rc);

/* Of this interface, whoever set them. */
int held_addresses(struct netlink *nl, int ifindex, struct prefix **out, size_t *n);

/* One rule of the kernel's policy routing; what does not matter to us is in `other`. */
struct held_rule {
	bool ours;      /* it bears TUNNEL_RTPROT: of any tunnel */
	bool invert;    /* "not" */
	bool other;     /* has selectors that are not named here */
	uint8_t action; /* FR_ACT_* */
	uint32_t pref, table, target, mark, mask;
	int32_t suppress;       /* suppress_prefixlength; -1: none */
	struct prefix from, to; /* length 0: any */
	char iif[16], oif[16];
};

bool held_rule_equal(const struct held_rule *a, const struct held_rule *b);
/* Those of one family in the kernel's order. */
int held_rules(struct netlink *nl, bool v6, struct held_rule **out, size_t *n);
/* A new one comes behind all others of its pref; what is there already is put there once more. Removes the first that is like it. */
int held_rule_set(struct netlink *nl, bool v6, const struct held_rule *r, bool add);

/*
 * For watching: hears of links, of addresses of `ifindex`, of rules, and of routes of TUNNEL_RTPROT that went; the kernel
 * sifts, so that thousands of messages about others wake nobody. Non-blocking; poll netlink_fd(). NULL and errno.
 */
struct netlink *device_watch(int ifindex);
/* Takes all that waits. True: something came that may concern the device, or was lost. */
bool device_heard(struct netlink *nl);
