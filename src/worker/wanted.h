/*
 * What a tunnel wants in the kernel's routing: lists that net/device.h compares with what is there. Decides, and touches
 * nothing.
 *
 * Ordinary routes stand in the main table, where longest prefix wins. What would swallow the tunnel's own outer
 * packets (as wide as a default route, or around an endpoint; at a server all networks behind peers), and all of it
 * where a rule of others sends every packet to another table before the main one, stands in a table of its own, merged
 * with those by rules, for each length of prefix: what the tables of others know better goes first, then ours. Marked
 * packets leap over that. A second table has the ways to endpoints, for the kernel's reverse path filters: who asks
 * for the way back from our outer address to an endpoint is told those ways. Behind each route of ours stands one that
 * refuses, so that nothing leaves in the clear while the device is down.
 */
#pragma once

#include "jumpvpn/proto.h"
#include "net/device.h"

#define TUNNEL_TABLE_AUTO 0
#define TUNNEL_TABLE_OFF UINT32_MAX /* addresses alone */

/* An address that the client may send outer packets to, and by which way. */
struct tunnel_way {
	struct endpoint endpoint;
	int ifindex; /* 0: nothing leads there now */
	char interface[16]; /* its name; filled in by tunnel_escape() */
	struct ip gateway; /* of either family; zero: the link itself */
	struct ip source;  /* what its packets come from; zero: not known */
};

struct wanted_for {
	const char *name; /* of the device */
	int ifindex;
	bool ending;     /* the device is about to go, and its routes with it */
	bool no_sources; /* this kernel knows no routes by source */
	bool server;    /* others' packets come out of the device: a default route is for those alone */
	uint32_t table; /* TUNNEL_TABLE_*, or the one number of the table that gets all routes, and no rules */
	uint32_t mark;  /* of outer packets: tunnel_mark() */
	uint32_t own_marks[PROTO_PATHS_MAX]; /* others that the configuration gives them; 0: none */
	bool shadowed[2]; /* IPv4, IPv6: wanted_is_shadowed() */
	const struct prefix *addresses, *routes;
	size_t naddresses, nroutes;
	const struct tunnel_way *ways;
	size_t nways;
};

struct held_by wanted_by(const char *name, int ifindex);

/* Sorted, each once. 0 or -ENOMEM; the list is the caller's, to be freed by held_routes_free(). */
int wanted_routes(const struct wanted_for *w, struct held_route **out, size_t *n);

/* `now`: the rules of one family. Does one of others take every packet before the main table is asked? */
bool wanted_is_shadowed(const struct held_rule *now, size_t n);
/* Is this rule this tunnel's? */
bool wanted_rule_is_own(const struct wanted_for *w, const struct held_rule *r);
/*
 * `routes` as wanted; `now`: the rules of this family as they are, by which is decided where ours go: right before the
 * first of others that takes every packet, so that rules of others about some packets alone go before ours.
 */
int wanted_rules(const struct wanted_for *w, bool v6, const struct held_route *routes, size_t nroutes,
		 const struct held_rule *now, size_t nnow, struct held_rule **out, size_t *n);
/* Are ours, in `now`, just these, in this order, and with no other's rule for every packet before them? */
bool wanted_rules_are(const struct wanted_for *w, const struct held_rule *wish, size_t n, const struct held_rule *now,
		      size_t nnow);

/* What is in `a` and not in `b`, both sorted: calls `each` for it. */
void wanted_missing(const struct held_route *a, size_t na, const struct held_route *b, size_t nb,
		    void (*each)(void *ctx, const struct held_route *r), void *ctx);
