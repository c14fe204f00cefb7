/* Events of links, addresses and routes, and what there is as if it had just appeared. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netlink.h"
#include "net/own.h"
#include "net/rtnetlink.h"

#define WATCH_BUFFER (1024 * 1024)

typedef void (*event_fn)(void *ctx, const struct netlink_event *e);

struct netlink *netlink_watch(void)
{
	return netlink_watch_new(
		NETLINK_GROUP(RTNLGRP_LINK) | NETLINK_GROUP(RTNLGRP_IPV4_IFADDR) |
			NETLINK_GROUP(RTNLGRP_IPV6_IFADDR) | NETLINK_GROUP(RTNLGRP_IPV4_ROUTE) |
			NETLINK_GROUP(RTNLGRP_IPV6_ROUTE) | NETLINK_GROUP(RTNLGRP_IPV4_RULE) |
			NETLINK_GROUP(RTNLGRP_IPV6_RULE) | NETLINK_GROUP(RTNLGRP_NEXTHOP),
		WATCH_BUFFER);
}

struct event_reader {
	event_fn event;
	void *ctx;
	int except;
	bool ways_changed;
};

/* Bridge ports and wireless scans are announced as link messages too, and say nothing about the link. */
static bool parse_link(const struct nlmsghdr *nlh, struct netlink_event *e)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(nlh);
	const unsigned int up = IFF_UP | IFF_RUNNING;
	struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*link) || link->ifi_family != AF_UNSPEC)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*link))
	{
		if (mnl_attr_get_type(attr) == IFLA_WIRELESS)
			return false;
		if (mnl_attr_get_type(attr) != IFLA_IFNAME)
			continue;
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
		    mnl_attr_get_payload_len(attr) > sizeof(e->interface))
			return false;
		memcpy(e->interface, mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr));
	}
	e->ifindex = link->ifi_index;
	e->point_to_point = link->ifi_flags & (IFF_POINTOPOINT | IFF_NOARP);
	e->kind = nlh->nlmsg_type == RTM_NEWLINK && (link->ifi_flags & up) == up ? NETLINK_LINK_UP
										 : NETLINK_LINK_DOWN;
	return true;
}

/* An address still being checked for duplicates cannot be used; the kernel tells again when it can. */
static bool parse_address(const struct nlmsghdr *nlh, struct netlink_event *e)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	uint32_t flags;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return false;
	if (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return false;
	flags = ifa->ifa_flags;
	if (!netlink_get_address(nlh, &flags, &e->address))
		return false;
	e->kind = NETLINK_ADDRESS_ADDED;
	if (nlh->nlmsg_type == RTM_DELADDR || (flags & IFA_F_DADFAILED))
		e->kind = NETLINK_ADDRESS_REMOVED;
	else if ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC))
		return false;
	e->len = (uint8_t)(ifa->ifa_prefixlen + (ifa->ifa_family == AF_INET ? 96 : 0));
	e->ifindex = (int)ifa->ifa_index;
	if (!if_indextoname(ifa->ifa_index, e->interface))
		e->interface[0] = '\0';
	return true;
}

static bool parse_event(const struct nlmsghdr *nlh, struct netlink_event *e)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return parse_link(nlh, e);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return parse_address(nlh, e);
	}
	return false;
}

/* What says no more than that an address is this machine's, or what groups it listens to, leads to no server. */
static bool leads_away(const struct rtmsg *rtm)
{
	switch (rtm->rtm_type) {
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
		return false;
	}
	return !(rtm->rtm_flags & RTM_F_CLONED) && rtm->rtm_tos == 0 && rtm->rtm_protocol != TUNNEL_RTPROT;
}

/* Its destination; false for what is none, or leads into our own device. */
static bool read_destination(const struct nlmsghdr *nlh, int except, struct prefix *dst)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	static const uint8_t zero[4];
	const bool v4 = rtm->rtm_family == AF_INET;
	struct nlattr *attr;
	uint32_t oif;

	if ((!v4 && rtm->rtm_family != AF_INET6) || rtm->rtm_dst_len > (v4 ? 32 : 128))
		return false;
	*dst = (struct prefix){ .len = (uint8_t)(rtm->rtm_dst_len + (v4 ? 96 : 0)) };
	if (v4)
		dst->ip = ip_from_v4(zero);
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		const uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_DST && !netlink_get_ip(attr, rtm->rtm_family, &dst->ip))
			return false;
		if (type == RTA_OIF && except && netlink_get_u32(attr, &oif) && oif == (uint32_t)except)
			return false;
	}
	return true;
}

static bool route_concerns(const struct netlink *nl, const struct nlmsghdr *nlh)
{
	const struct netlink_concern *c = &nl->concern;
	struct prefix dst;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg) ||
	    !leads_away(mnl_nlmsg_get_payload(nlh)) || !read_destination(nlh, c->except, &dst))
		return false;
	if (!nl->sifts)
		return true;
	for (size_t i = 0; i < c->n; i++)
		if (prefix_contains(&dst, &c->to[i]))
			return true;
	return false;
}

static bool rule_concerns(const struct nlmsghdr *nlh)
{
	struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct fib_rule_hdr))
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(attr) == FRA_PROTOCOL && mnl_attr_get_payload_len(attr) == 1 &&
		    mnl_attr_get_u8(attr) == TUNNEL_RTPROT)
			return false;
	}
	return true;
}

static bool way_concerns(const struct netlink *nl, const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_concerns(nl, nlh);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return rule_concerns(nlh);
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return true;
	}
	return false;
}

static void take_message(void *ctx, const struct nlmsghdr *nlh)
{
	struct event_reader *reader = ctx;
	struct netlink_event e = { .ifindex = 0 };

	if (!parse_event(nlh, &e))
		return;
	reader->event(reader->ctx, &e);
	/* IPv4 routes go with their link or address, and the kernel does not say so. */
	if (e.kind == NETLINK_LINK_DOWN || e.kind == NETLINK_ADDRESS_REMOVED)
		reader->ways_changed |= e.ifindex != reader->except;
}

void netlink_concern(struct netlink *nl, const struct netlink_concern *concern)
{
	nl->concern = *concern;
	nl->sifts = true;
}

/* A full table may change by thousands of routes at once: that one of those that matter did is told, and no more. */
int netlink_read(struct netlink *nl, event_fn event, void *ctx)
{
	const struct netlink_event ways = { .kind = NETLINK_WAYS_CHANGED };
	struct event_reader reader = { .event = event, .ctx = ctx, .except = nl->concern.except };
	ssize_t len = 0;

	for (unsigned int n = 0; n < NETLINK_READ_MOST && (len = netlink_receive(nl)) > 0; n++) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)nl->buf;
		int left = (int)len;

		for (; netlink_is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			reader.ways_changed = reader.ways_changed || way_concerns(nl, nlh);
			take_message(&reader, nlh);
		}
	}
	if (reader.ways_changed)
		event(ctx, &ways);
	return len == -EAGAIN || len > 0 ? 0 : (int)len;
}

static int dump_links(struct netlink *nl, struct event_reader *reader)
{
	struct nlmsghdr *nlh = netlink_request(nl, RTM_GETLINK, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return netlink_exchange(nl, nlh, take_message, reader);
}

static int dump_addresses(struct netlink *nl, struct event_reader *reader)
{
	struct nlmsghdr *nlh = netlink_request(nl, RTM_GETADDR, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return netlink_exchange(nl, nlh, take_message, reader);
}

/* A watching socket has events waiting in front of the answer, and does not block: ask on another one. */
int netlink_dump(struct netlink *nl, event_fn event, void *ctx)
{
	struct event_reader reader = { .event = event, .ctx = ctx };
	struct netlink *own = nl->watch ? netlink_open() : NULL;
	int r = -EINTR;

	if (nl->watch && !own)
		return -errno;
	for (int i = 0; r == -EINTR && i < NETLINK_DUMP_TRIES; i++) {
		r = dump_links(own ? own : nl, &reader);
		if (r == 0)
			r = dump_addresses(own ? own : nl, &reader);
	}
	netlink_close(own);
	return r == -EINTR ? 0 : r;
}
