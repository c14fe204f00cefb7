#include "net/route.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "net/rtnetlink.h"

/* Without a metric the kernel gives an IPv6 route 1024, behind the default route of any other manager. */
#define ROUTE_METRIC_V6 1

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

	if (!netlink_prefix_is_sane(dst))
		return -EINVAL;
	net = ip_masked(&dst->ip, dst->len);
	if (add)
		nlh = netlink_request(nl, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE);
	else
		nlh = netlink_request(nl, RTM_DELROUTE, NLM_F_ACK);
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = netlink_family(&dst->ip);
	rtm->rtm_dst_len = netlink_bits(dst);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = rtm->rtm_family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	netlink_put_ip(nlh, RTA_DST, &net);
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)ifindex);
	if (rtm->rtm_family == AF_INET6)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, ROUTE_METRIC_V6);

	r = netlink_exchange(nl, nlh, NULL, NULL);
	if (add)
		return r == -EEXIST ? 0 : r;
	return r == -ESRCH || r == -ENODEV ? 0 : r;
}

struct route_search {
	struct ip dst;
	int except;
	bool found;
	struct route_entry best;
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
				  struct route_entry *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attr;
	uint32_t oif;

	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_TABLE:
			if (!netlink_get_u32(attr, table))
				return false;
			break;
		case RTA_DST:
			if (!netlink_get_ip(attr, rtm->rtm_family, &out->dst.ip))
				return false;
			break;
		case RTA_PRIORITY:
			if (!netlink_get_u32(attr, &out->metric))
				return false;
			break;
		case RTA_OIF:
			if (!netlink_get_u32(attr, &oif))
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

bool netlink_parse_route(const struct nlmsghdr *nlh, int except, struct route_entry *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	static const uint8_t zero[4];
	struct route_entry route = { .ifindex = 0 };
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

static bool route_is_better(const struct route_entry *a, const struct route_entry *b)
{
	return a->dst.len > b->dst.len || (a->dst.len == b->dst.len && a->metric < b->metric);
}

static void consider_route(void *ctx, const struct nlmsghdr *nlh)
{
	struct route_search *search = ctx;
	struct route_entry route;

	if (nlh->nlmsg_type != RTM_NEWROUTE || !netlink_parse_route(nlh, search->except, &route))
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

	for (int i = 0; r == -EINTR && i < NETLINK_DUMP_TRIES; i++) {
		struct nlmsghdr *nlh = netlink_request(nl, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

		rtm->rtm_family = netlink_family(dst);
		rtm->rtm_table = RT_TABLE_MAIN;
		mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
		search = (struct route_search){ .dst = *dst, .except = except };
		r = netlink_exchange(nl, nlh, consider_route, &search);
	}
	/* A table that never stands still: what was seen last is as good as it gets. */
	if (r < 0 && r != -EINTR)
		return r;
	return search.found && search.best.ifindex > 0 ? search.best.ifindex : -ENETUNREACH;
}

static struct nlmsghdr *way_request(struct netlink *nl, const struct route_query *q)
{
	struct nlmsghdr *nlh = netlink_request(nl, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	const bool v4 = ip_is_v4(&q->dst);

	rtm->rtm_family = netlink_family(&q->dst);
	rtm->rtm_dst_len = v4 ? 32 : 128;
	rtm->rtm_flags = v4 ? RTM_F_LOOKUP_TABLE : 0; /* IPv6 tells its table anyhow */
	netlink_put_ip(nlh, RTA_DST, &q->dst);
	if (!ip_is_zero(&q->source)) {
		rtm->rtm_src_len = rtm->rtm_dst_len;
		netlink_put_ip(nlh, RTA_SRC, &q->source);
	}
	if (q->ifindex > 0)
		mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)q->ifindex);
	if (q->mark)
		mnl_attr_put_u32(nlh, RTA_MARK, q->mark);
	return nlh;
}

/* A gateway of the other family: struct rtvia, whose length depends on it. */
static bool get_via(const struct nlattr *attr, struct ip *out)
{
	const uint8_t *p = mnl_attr_get_payload(attr);
	const size_t len = mnl_attr_get_payload_len(attr);
	uint16_t family;

	if (len < sizeof(family))
		return false;
	memcpy(&family, p, sizeof(family));
	if (family == AF_INET && len == sizeof(family) + 4)
		*out = ip_from_v4(p + sizeof(family));
	else if (family == AF_INET6 && len == sizeof(family) + 16)
		memcpy(out->b, p + sizeof(family), 16);
	else
		return false;
	return true;
}

static bool read_way_attribute(const struct nlattr *attr, uint8_t family, struct route_answer *a)
{
	uint32_t oif;

	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		return netlink_get_u32(attr, &a->table);
	case RTA_OIF:
		if (!netlink_get_u32(attr, &oif))
			return false;
		a->ifindex = (int)oif;
		return true;
	case RTA_GATEWAY:
		return netlink_get_ip(attr, family, &a->gateway);
	case RTA_VIA:
		return get_via(attr, &a->gateway);
	case RTA_PREFSRC:
		return netlink_get_ip(attr, family, &a->source);
	}
	return true;
}

struct way {
	struct route_answer answer;
	int error;
};

static void take_way(void *ctx, const struct nlmsghdr *nlh)
{
	struct way *way = ctx;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_answer a = { .ifindex = 0 };
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return;
	a.table = rtm->rtm_table;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		if (!read_way_attribute(attr, rtm->rtm_family, &a))
			return;
	}
	a.local = rtm->rtm_type == RTN_LOCAL;
	a.routed = a.table != RT_TABLE_UNSPEC;
	way->error = (a.local || rtm->rtm_type == RTN_UNICAST) && a.ifindex > 0 ? 0 : -ENETUNREACH;
	way->answer = a;
}

int netlink_route_get(struct netlink *nl, const struct route_query *q, struct route_answer *a)
{
	struct way way = { .error = -ENETUNREACH };
	int r = netlink_exchange(nl, way_request(nl, q), take_way, &way);

	if (r == 0)
		r = way.error;
	if (r == 0)
		*a = way.answer;
	return r;
}
