#include "worker/way.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "net/route.h"

struct search {
	struct netlink *nl;
	const struct links *links;
	const struct way_wish *wish;
	struct route_query q;
};

static void take(const struct search *s, const struct route_answer *a, struct way *out)
{
	const char *name = links_name(s->links, a->ifindex);

	*out = (struct way){ .fault = FAULT_NONE,
				.ifindex = a->ifindex,
				.local = a->local,
				.gateway = a->gateway,
				.source = ip_is_zero(&s->q.source) ? a->source : s->q.source,
				.fixed = !ip_is_zero(&s->q.source) };
	out->borrowed = !a->local && !links_own_address(s->links, a->ifindex, &out->source);
	snprintf(out->interface, sizeof(out->interface), "%s", name ? name : "");
}

/* The kernel lends an interface without an address one of any other; but nobody out there answers to an inner one. */
static bool is_inner(const struct search *s, int ifindex, const struct ip *source)
{
	return links_own_address(s->links, s->wish->tunnel, source) && !links_own_address(s->links, ifindex, source);
}

/* A router lets no packet from fe80:: through. */
static bool has_source(const struct search *s, const struct route_answer *a)
{
	const struct ip *source = ip_is_zero(&s->q.source) ? &a->source : &s->q.source;

	if (ip_is_zero(source) || (!a->local && is_inner(s, a->ifindex, source)))
		return false;
	return ip_is_v4(source) || !ip_is_link_local(source) || ip_is_link_local(&s->q.dst) ||
	       ip_is_zero(&a->gateway);
}

/* One question. Without a route the kernel takes any IPv4 address to be on the link: right where nobody is asked who has
 * it, and a guess elsewhere. */
static enum path_fault ask(const struct search *s, struct way *out)
{
	struct route_answer a;
	const int r = netlink_route_get(s->nl, &s->q, &a);

	if (r < 0)
		return r == -ENETUNREACH || r == -ENODEV ? FAULT_NO_ROUTE : FAULT_REFUSED;
	if (!a.routed && !links_is_point_to_point(s->links, a.ifindex))
		return FAULT_NO_ROUTE;
	if (a.ifindex == s->wish->tunnel)
		return FAULT_TUNNEL;
	if (!links_is_up(s->links, a.ifindex))
		return FAULT_NO_CARRIER;
	if (!has_source(s, &a))
		return FAULT_NO_ADDRESS;
	take(s, &a, out);
	return FAULT_NONE;
}

/* Source rules (ip rule from ADDRESS lookup TABLE) may give one of its addresses the route that the others lack. */
static enum path_fault by_each_address(struct search *s, struct way *out)
{
	const bool v4 = ip_is_v4(&s->q.dst);
	enum path_fault fault = FAULT_NO_ADDRESS;
	const struct ip *source;

	for (size_t i = 0; (source = links_address(s->links, s->q.ifindex, v4, i)); i++) {
		s->q.source = *source;
		fault = ask(s, out);
		if (fault == FAULT_NONE)
			return fault;
	}
	return fault;
}

static enum path_fault by_interface(struct search *s, struct way *out)
{
	const struct way_wish *w = s->wish;
	const int ifindex = netlink_ifindex(w->transport->interface);
	enum path_fault fault;

	if (ifindex < 0)
		return FAULT_NO_INTERFACE;
	if (ifindex == w->tunnel)
		return FAULT_TUNNEL;
	if (w->to->scope != 0 && w->to->scope != (uint32_t)ifindex)
		return FAULT_OTHER_LINK;
	if (!links_is_up(s->links, ifindex))
		return FAULT_NO_CARRIER;
	s->q.ifindex = ifindex;
	fault = ask(s, out);
	if ((fault == FAULT_NO_ROUTE || fault == FAULT_NO_ADDRESS) && ip_is_zero(&s->q.source))
		fault = by_each_address(s, out);
	return fault;
}

struct best {
	struct search *search;
	struct way *out;
	struct route_rank rank;
	bool found;
};

static void consider_link(void *ctx, int ifindex)
{
	struct best *best = ctx;
	struct search *s = best->search;
	struct route_rank rank;
	struct way way;

	s->q.ifindex = ifindex;
	if (ifindex == s->wish->tunnel || netlink_route_rank(s->nl, &s->q, &rank) < 0 ||
	    ask(s, &way) != FAULT_NONE)
		return;
	if (best->found && !route_rank_is_better(&rank, &best->rank))
		return;
	best->found = true;
	best->rank = rank;
	*best->out = way;
}

/* Where the kernel's own choice is no use to us, the best of what is left to each link. */
static bool by_links(struct search *s, struct way *out)
{
	struct best best = { .search = s, .out = out };

	links_each(s->links, consider_link, &best);
	return best.found;
}

static enum path_fault by_kernel(struct search *s, struct way *out)
{
	const struct endpoint *to = s->wish->to;
	enum path_fault fault;

	if (to->scope > INT_MAX)
		return FAULT_NO_INTERFACE;
	s->q.ifindex = (int)to->scope;
	if (to->scope == 0 && ip_is_link_local(&to->ip) && !ip_is_v4(&to->ip))
		return FAULT_NO_SCOPE;
	fault = ask(s, out);
	if (to->scope != 0 || (fault != FAULT_TUNNEL && fault != FAULT_NO_CARRIER))
		return fault;
	if (by_links(s, out))
		return FAULT_NONE;
	return fault == FAULT_TUNNEL ? FAULT_NO_ROUTE : fault;
}

void way_find(struct netlink *nl, const struct links *l, const struct way_wish *w, struct way *out)
{
	const struct config_transport *t = w->transport;
	struct search s = { nl, l, w, { .dst = w->to->ip, .source = t->address, .mark = w->mark } };
	enum path_fault fault;

	*out = (struct way){ .ifindex = 0 };
	if (!ip_is_zero(&t->address) &&
	    (ip_is_v4(&t->address) != ip_is_v4(&w->to->ip) || !links_has_address(l, &t->address)))
		fault = FAULT_NO_ADDRESS;
	else
		fault = t->interface[0] ? by_interface(&s, out) : by_kernel(&s, out);
	out->fault = fault;
}

bool way_still_leads(struct netlink *nl, const struct links *l, const struct way_wish *w,
			const struct way *way)
{
	struct search s = { nl, l, w, { .dst = w->to->ip, .ifindex = way->ifindex, .mark = w->mark } };
	struct way now;

	if (way->fixed)
		s.q.source = way->source;
	return links_is_up(l, way->ifindex) && links_has_address(l, &way->source) &&
	       ask(&s, &now) == FAULT_NONE;
}

bool way_has_moved(const struct links *l, const struct way *before, const struct way *now)
{
	return before->ifindex != now->ifindex || before->fixed != now->fixed ||
	       (now->fixed && !ip_equal(&before->source, &now->source)) ||
	       !links_has_address(l, &before->source);
}
