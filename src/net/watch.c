/* Events of links, addresses and routes, and what there is as if it had just appeared. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netlink.h"
#include "net/rtnetlink.h"

#define WATCH_BUFFER (1024 * 1024)

typedef void (*event_fn)(void *ctx, const struct netlink_event *e);

struct netlink *netlink_watch(void)
{
	const unsigned int groups =
		RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	struct netlink *nl = netlink_new(SOCK_NONBLOCK, groups);
	const int size = WATCH_BUFFER;

	if (!nl)
		return NULL;
	nl->watch = true;
	if (setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return nl;
}

struct event_reader {
	event_fn event;
	void *ctx;
	bool routes_changed;
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
	e->kind = nlh->nlmsg_type == RTM_NEWLINK && (link->ifi_flags & up) == up ? NETLINK_LINK_UP
										 : NETLINK_LINK_DOWN;
	return true;
}

/* IFA_LOCAL is ours; IFA_ADDRESS is the peer's where there is one, and all that IPv6 sends otherwise. */
static bool read_address_attributes(const struct nlmsghdr *nlh, uint32_t *flags, struct ip *ip)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	bool local = false;
	bool any = false;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == IFA_FLAGS && !netlink_get_u32(attr, flags))
			return false;
		if (type != IFA_LOCAL && (type != IFA_ADDRESS || local))
			continue;
		if (!netlink_get_ip(attr, ifa->ifa_family, ip))
			return false;
		local = type == IFA_LOCAL;
		any = true;
	}
	return any;
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
	if (!read_address_attributes(nlh, &flags, &e->address))
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

/* A full table may change by thousands of routes at once: only that it changed is told. */
static void take_message(void *ctx, const struct nlmsghdr *nlh)
{
	struct event_reader *reader = ctx;
	struct netlink_event e = { .ifindex = 0 };
	struct route_entry route;

	if (nlh->nlmsg_type == RTM_NEWROUTE || nlh->nlmsg_type == RTM_DELROUTE) {
		reader->routes_changed |= netlink_parse_route(nlh, 0, &route);
		return;
	}
	if (!parse_event(nlh, &e))
		return;
	reader->event(reader->ctx, &e);
	/* IPv4 routes go with their link or address, and the kernel does not say so. */
	if (e.kind == NETLINK_LINK_DOWN || e.kind == NETLINK_ADDRESS_REMOVED)
		reader->routes_changed = true;
}

int netlink_read(struct netlink *nl, event_fn event, void *ctx)
{
	const struct netlink_event routes = { .kind = NETLINK_ROUTES_CHANGED };
	struct event_reader reader = { .event = event, .ctx = ctx };
	ssize_t len;

	while ((len = netlink_receive(nl)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)nl->buf;
		int left = (int)len;

		for (; netlink_is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take_message(&reader, nlh);
	}
	if (reader.routes_changed)
		event(ctx, &routes);
	return len == -EAGAIN ? 0 : (int)len;
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
