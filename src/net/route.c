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

static struct nlmsghdr *way_request(struct netlink *nl, const struct route_query *q, unsigned int flags)
{
	struct nlmsghdr *nlh = netlink_request(nl, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	const bool v4 = ip_is_v4(&q->dst);

	rtm->rtm_family = netlink_family(&q->dst);
	rtm->rtm_dst_len = v4 ? 32 : 128;
	rtm->rtm_flags = flags;
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

/* IPv6 answers with the route that refuses, IPv4 with its error. */
static int way_error(uint8_t type, int ifindex)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_UNICAST:
	case RTN_LOCAL:
		return ifindex > 0 ? 0 : -ENETUNREACH;
	}
	return -ENETUNREACH;
}

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
	way->error = way_error(rtm->rtm_type, a.ifindex);
	way->answer = a;
}

int netlink_route_get(struct netlink *nl, const struct route_query *q, struct route_answer *a)
{
	struct way way = { .error = -ENETUNREACH };
	/* IPv6 tells its table anyhow. */
	const unsigned int flags = ip_is_v4(&q->dst) ? RTM_F_LOOKUP_TABLE : 0;
	int r = netlink_exchange(nl, way_request(nl, q, flags), take_way, &way);

	if (r == 0)
		r = way.error;
	if (r == 0)
		*a = way.answer;
	return r;
}

static void take_rank(void *ctx, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_rank *rank = ctx;
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return;
	rank->len = rtm->rtm_dst_len;
	rank->metric = 0;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		if (mnl_attr_get_type(attr) == RTA_PRIORITY && !netlink_get_u32(attr, &rank->metric))
			return;
	}
}

int netlink_route_rank(struct netlink *nl, const struct route_query *q, struct route_rank *rank)
{
	*rank = (struct route_rank){ .len = 0 };
	return netlink_exchange(nl, way_request(nl, q, RTM_F_FIB_MATCH), take_rank, rank);
}

bool route_rank_is_better(const struct route_rank *a, const struct route_rank *b)
{
	return a->len > b->len || (a->len == b->len && a->metric < b->metric);
}
