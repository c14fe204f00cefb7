/*
 * rtnetlink requests, dumps and events over libmnl.
 *
 * One buffer for each open struct netlink serves requests and answers. Attributes are read only after
 * mnl_attr_validate(); a message that does not hold what its kind must hold is passed over.
 */
#include "net/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX 32768 /* what the kernel makes of a dump at most, and the longest link message */
#define WATCH_BUFFER (1024 * 1024)
#define DUMP_TRIES 3
#define MORE 1

/* Without a metric the kernel gives an IPv6 route 1024, behind the default route of any other manager. */
#define ROUTE_METRIC_V6 1

struct netlink {
	struct mnl_socket *socket;
	unsigned int portid;
	uint32_t seq;
	bool watch;
	_Alignas(struct nlmsghdr) uint8_t buf[ANSWER_MAX];
};

typedef void (*message_fn)(void *ctx, const struct nlmsghdr *nlh);
typedef void (*event_fn)(void *ctx, const struct netlink_event *e);

static struct netlink *open_netlink(int flags, unsigned int groups)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	int one = 1;
	int error;

	if (!nl)
		return NULL;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	if (!nl->socket)
		goto fail;
	if (mnl_socket_bind(nl->socket, groups, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	/* The kernel then sends only the routes asked for; where it cannot, they are still sifted here. */
	(void)mnl_socket_setsockopt(nl->socket, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	nl->portid = mnl_socket_get_portid(nl->socket);
	return nl;
fail:
	error = errno;
	netlink_close(nl);
	errno = error;
	return NULL;
}

struct netlink *netlink_open(void)
{
	return open_netlink(0, 0);
}

struct netlink *netlink_watch(void)
{
	const unsigned int groups =
		RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	struct netlink *nl = open_netlink(SOCK_NONBLOCK, groups);
	const int size = WATCH_BUFFER;

	if (!nl)
		return NULL;
	nl->watch = true;
	if (setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return nl;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

int netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

int netlink_ifindex(const char *name)
{
	unsigned int index = if_nametoindex(name);

	return index == 0 ? -errno : (int)index;
}

/* What NLMSG_ERROR and NLMSG_DONE carry: 0 or a negative errno, and nothing that could be taken for MORE. */
static int answer_code(const struct nlmsghdr *nlh)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code <= 0 ? code : -EPROTO;
}

/* Is there one more, and all of it? mnl_nlmsg_ok() takes a length of 2^31 and more for a negative one, and so for any. */
static bool is_whole(const struct nlmsghdr *nlh, int left)
{
	return mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (uint32_t)left;
}

/* MORE, or how the request ended; -EINTR for a dump during which the kernel's list changed. */
static int take_answer(struct netlink *nl, int len, message_fn each, void *ctx, bool *changed)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)nl->buf;

	for (; is_whole(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != nl->seq || nlh->nlmsg_pid != nl->portid)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			*changed = true;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return answer_code(nlh);
		if (nlh->nlmsg_type == NLMSG_DONE)
			return *changed ? -EINTR : answer_code(nlh);
		if (each && nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			each(ctx, nlh);
	}
	return MORE;
}

static ssize_t receive(struct netlink *nl)
{
	ssize_t len;

	do {
		len = mnl_socket_recvfrom(nl->socket, nl->buf, sizeof(nl->buf));
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

static int exchange(struct netlink *nl, struct nlmsghdr *nlh, message_fn each, void *ctx)
{
	bool changed = false;
	int r = MORE;

	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MORE) {
		ssize_t len = receive(nl);

		if (len < 0)
			return (int)len;
		r = take_answer(nl, (int)len, each, ctx, &changed);
	}
	return r;
}

static struct nlmsghdr *new_request(struct netlink *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return nlh;
}

static uint8_t family_of(const struct ip *ip)
{
	return ip_is_v4(ip) ? AF_INET : AF_INET6;
}

static uint8_t family_bits(const struct prefix *p)
{
	return ip_is_v4(&p->ip) ? (uint8_t)(p->len - 96) : p->len;
}

static bool prefix_is_sane(const struct prefix *p)
{
	return p->len <= 128 && (!ip_is_v4(&p->ip) || p->len >= 96);
}

static void put_ip(struct nlmsghdr *nlh, uint16_t type, const struct ip *ip)
{
	if (ip_is_v4(ip))
		mnl_attr_put(nlh, type, 4, ip->b + 12);
	else
		mnl_attr_put(nlh, type, 16, ip->b);
}

static struct nlmsghdr *change_link(struct netlink *nl, int ifindex, struct ifinfomsg **link)
{
	struct nlmsghdr *nlh = new_request(nl, RTM_NEWLINK, NLM_F_ACK);

	*link = mnl_nlmsg_put_extra_header(nlh, sizeof(**link));
	(*link)->ifi_family = AF_UNSPEC;
	(*link)->ifi_index = ifindex;
	return nlh;
}

int netlink_no_link_local(struct netlink *nl, int ifindex)
{
	struct ifinfomsg *link;
	struct nlmsghdr *nlh = change_link(nl, ifindex, &link);
	struct nlattr *families = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, families);
	return exchange(nl, nlh, NULL, NULL);
}

int netlink_link_up(struct netlink *nl, int ifindex, uint16_t mtu)
{
	struct ifinfomsg *link;
	struct nlmsghdr *nlh = change_link(nl, ifindex, &link);

	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return exchange(nl, nlh, NULL, NULL);
}

/* No duplicate address detection: nobody else is on the tunnel, and the address must be usable at once. */
int netlink_address(struct netlink *nl, int ifindex, const struct prefix *address, bool add)
{
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;
	int r;

	if (!prefix_is_sane(address))
		return -EINVAL;
	if (add)
		nlh = new_request(nl, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	else
		nlh = new_request(nl, RTM_DELADDR, NLM_F_ACK);
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = family_of(&address->ip);
	ifa->ifa_prefixlen = family_bits(address);
	ifa->ifa_flags = ifa->ifa_family == AF_INET6 ? IFA_F_NODAD : 0;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_index = (uint32_t)ifindex;
	put_ip(nlh, IFA_LOCAL, &address->ip);
	put_ip(nlh, IFA_ADDRESS, &address->ip);

	r = exchange(nl, nlh, NULL, NULL);
	if (!add && (r == -EADDRNOTAVAIL || r == -ENODEV))
		return 0;
	return r;
}

/*
 * Neither NLM_F_REPLACE, which would destroy another manager's route to the same destination, nor
 * NLM_F_EXCL, which would call that one ours: the new route goes in front, and EEXIST means that this very
 * route is there.
 */
int netlink_route(struct netlink *nl, int ifindex, const struct prefix *dst, bool add)
{
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;
	struct ip net;
	int r;

	if (!prefix_is_sane(dst))
		return -EINVAL;
	net = ip_masked(&dst->ip, dst->len);
	if (add)
		nlh = new_request(nl, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE);
	else
		nlh = new_request(nl, RTM_DELROUTE, NLM_F_ACK);
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = family_of(&dst->ip);
	rtm->rtm_dst_len = family_bits(dst);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = rtm->rtm_family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	put_ip(nlh, RTA_DST, &net);
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)ifindex);
	if (rtm->rtm_family == AF_INET6)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, ROUTE_METRIC_V6);

	r = exchange(nl, nlh, NULL, NULL);
	if (add)
		return r == -EEXIST ? 0 : r;
	return r == -ESRCH || r == -ENODEV ? 0 : r;
}

static bool get_u32(const struct nlattr *attr, uint32_t *out)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*out = mnl_attr_get_u32(attr);
	return true;
}

static bool get_ip(const struct nlattr *attr, uint8_t family, struct ip *out)
{
	size_t len = family == AF_INET ? 4 : 16;

	if (mnl_attr_validate2(attr, MNL_TYPE_BINARY, len) < 0 || mnl_attr_get_payload_len(attr) != len)
		return false;
	if (family == AF_INET)
		*out = ip_from_v4(mnl_attr_get_payload(attr));
	else
		memcpy(out->b, mnl_attr_get_payload(attr), 16);
	return true;
}

/* One route of the main table, as far as it matters here. */
struct rt_entry {
	struct prefix dst;
	uint32_t metric;
	bool refuses; /* unreachable, blackhole, ... */
	int ifindex;  /* 0: refuses, or no usable interface */
};

struct route_search {
	struct ip dst;
	int except;
	bool found;
	struct rt_entry best;
};

static bool hop_is_usable(int ifindex, unsigned int flags, int except)
{
	return ifindex > 0 && ifindex != except && !(flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
}

/* The first usable hop of a multipath route, or 0. */
static int multipath_interface(const struct nlattr *attr, int except)
{
	const uint8_t *p = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);
	struct rtnexthop hop;

	while (left >= sizeof(hop)) {
		size_t step;

		memcpy(&hop, p, sizeof(hop));
		step = MNL_ALIGN((size_t)hop.rtnh_len);
		if (hop_is_usable(hop.rtnh_ifindex, hop.rtnh_flags, except))
			return hop.rtnh_ifindex;
		if (hop.rtnh_len < sizeof(hop) || step > left)
			break;
		p += step;
		left -= step;
	}
	return 0;
}

static bool read_route_attributes(const struct nlmsghdr *nlh, int except, uint32_t *table,
				  struct rt_entry *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attr;
	uint32_t oif;

	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_TABLE:
			if (!get_u32(attr, table))
				return false;
			break;
		case RTA_DST:
			if (!get_ip(attr, rtm->rtm_family, &out->dst.ip))
				return false;
			break;
		case RTA_PRIORITY:
			if (!get_u32(attr, &out->metric))
				return false;
			break;
		case RTA_OIF:
			if (!get_u32(attr, &oif))
				return false;
			if (hop_is_usable((int)oif, rtm->rtm_flags, except))
				out->ifindex = (int)oif;
			break;
		case RTA_MULTIPATH:
			out->ifindex = multipath_interface(attr, except);
			break;
		}
	}
	return true;
}

/* False for what is no route of the main table that our packets could match. */
static bool parse_route(const struct nlmsghdr *nlh, int except, struct rt_entry *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	static const uint8_t zero[4];
	struct rt_entry route = { .ifindex = 0 };
	uint32_t table;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return false;
	if (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)
		return false;
	if (rtm->rtm_dst_len > (rtm->rtm_family == AF_INET ? 32 : 128))
		return false;
	if ((rtm->rtm_flags & RTM_F_CLONED) || rtm->rtm_tos != 0)
		return false;
	table = rtm->rtm_table;
	route.dst.len = rtm->rtm_dst_len;
	if (rtm->rtm_family == AF_INET) {
		route.dst.ip = ip_from_v4(zero);
		route.dst.len = (uint8_t)(rtm->rtm_dst_len + 96);
	}
	if (!read_route_attributes(nlh, except, &table, &route) || table != RT_TABLE_MAIN)
		return false;
	route.refuses = rtm->rtm_type != RTN_UNICAST;
	if (route.refuses)
		route.ifindex = 0;
	*out = route;
	return true;
}

static bool route_is_better(const struct rt_entry *a, const struct rt_entry *b)
{
	return a->dst.len > b->dst.len || (a->dst.len == b->dst.len && a->metric < b->metric);
}

static void consider_route(void *ctx, const struct nlmsghdr *nlh)
{
	struct route_search *search = ctx;
	struct rt_entry route;

	if (nlh->nlmsg_type != RTM_NEWROUTE || !parse_route(nlh, search->except, &route))
		return;
	if (ip_is_v4(&route.dst.ip) != ip_is_v4(&search->dst) || !prefix_contains(&route.dst, &search->dst))
		return;
	if (route.ifindex == 0 && !route.refuses)
		return;
	if (search->found && !route_is_better(&route, &search->best))
		return;
	search->best = route;
	search->found = true;
}

int netlink_route_interface(struct netlink *nl, const struct ip *dst, int except)
{
	struct route_search search;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		struct nlmsghdr *nlh = new_request(nl, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

		rtm->rtm_family = family_of(dst);
		rtm->rtm_table = RT_TABLE_MAIN;
		mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
		search = (struct route_search){ .dst = *dst, .except = except };
		r = exchange(nl, nlh, consider_route, &search);
	}
	/* A table that never stands still: what was seen last is as good as it gets. */
	if (r < 0 && r != -EINTR)
		return r;
	return search.found && search.best.ifindex > 0 ? search.best.ifindex : -ENETUNREACH;
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

		if (type == IFA_FLAGS && !get_u32(attr, flags))
			return false;
		if (type != IFA_LOCAL && (type != IFA_ADDRESS || local))
			continue;
		if (!get_ip(attr, ifa->ifa_family, ip))
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
	struct rt_entry route;

	if (nlh->nlmsg_type == RTM_NEWROUTE || nlh->nlmsg_type == RTM_DELROUTE) {
		reader->routes_changed |= parse_route(nlh, 0, &route);
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

	while ((len = receive(nl)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)nl->buf;
		int left = (int)len;

		for (; is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take_message(&reader, nlh);
	}
	if (reader.routes_changed)
		event(ctx, &routes);
	return len == -EAGAIN ? 0 : (int)len;
}

static int dump_links(struct netlink *nl, struct event_reader *reader)
{
	struct nlmsghdr *nlh = new_request(nl, RTM_GETLINK, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return exchange(nl, nlh, take_message, reader);
}

static int dump_addresses(struct netlink *nl, struct event_reader *reader)
{
	struct nlmsghdr *nlh = new_request(nl, RTM_GETADDR, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return exchange(nl, nlh, take_message, reader);
}

/* A watching socket has events waiting in front of the answer, and does not block: ask on another one. */
int netlink_dump(struct netlink *nl, event_fn event, void *ctx)
{
	struct event_reader reader = { .event = event, .ctx = ctx };
	struct netlink *own = nl->watch ? netlink_open() : NULL;
	int r = -EINTR;

	if (nl->watch && !own)
		return -errno;
	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		r = dump_links(own ? own : nl, &reader);
		if (r == 0)
			r = dump_addresses(own ? own : nl, &reader);
	}
	netlink_close(own);
	return r == -EINTR ? 0 : r;
}
