/* Routes of ours: what the kernel has of them, and changes. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "net/device.h"
#include "net/own.h"
#include "net/rtnetlink.h"

int held_route_compare(const void *a, const void *b)
{
	const struct held_route *x = a, *y = b;
	const int head = memcmp(x, y, offsetof(struct held_route, several));

	return head != 0 || x->hops <= 1 ? head : memcmp(x->several, y->several, x->hops * sizeof(*x->several));
}

static const struct route_hop *hops_of(const struct held_route *r)
{
	return r->hops > 1 ? r->several : &r->hop;
}

bool held_route_add_hop(struct held_route *r, const struct route_hop *hop)
{
	const struct route_hop *now = hops_of(r);
	uint32_t at = 0;

	while (at < r->hops && memcmp(&now[at], hop, sizeof(*hop)) < 0)
		at++;
	if (at < r->hops && memcmp(&now[at], hop, sizeof(*hop)) == 0)
		return true;
	if (r->hops == 0) {
		r->hop = *hop;
		r->hops = 1;
		return true;
	}
	if (!r->several) {
		r->several = calloc(ROUTE_HOPS_MAX, sizeof(*r->several));
		if (!r->several)
			return false;
		r->several[0] = r->hop;
		memset(&r->hop, 0, sizeof(r->hop));
	}
	if (r->hops == ROUTE_HOPS_MAX)
		return false;
	memmove(&r->several[at + 1], &r->several[at], (r->hops - at) * sizeof(*hop));
	r->several[at] = *hop;
	r->hops++;
	return true;
}

static void forget_hops(struct held_route *list, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++)
		free(list[i].several);
}

void held_routes_free(struct held_route *list, size_t n)
{
	forget_hops(list, 0, n);
	free(list);
}

struct route_list {
	const struct held_by *by;
	bool no_memory;
	size_t n, max;
	struct held_route *list;
};

/* Requests in one message to the kernel: as many errors as its answers have room for. */
#define BATCH 64
#define ROUTE_REQUEST_MAX 512
static_assert(sizeof(struct nlmsghdr) + sizeof(struct rtmsg) + 5 * 24 +
			      ROUTE_HOPS_MAX * (sizeof(struct rtnexthop) + 32) <=
		      ROUTE_REQUEST_MAX,
	      "a route's request has room");

static struct ip no_ip(bool v6)
{
	static const uint8_t zero[4];

	return v6 ? (struct ip){ { 0 } } : ip_from_v4(zero);
}

/* An IPv4 route may have a gateway of IPv6. */
static void take_via(const struct nlattr *attr, struct ip *gateway)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	const size_t len = mnl_attr_get_payload_len(attr);

	if (len == sizeof(*via) + 16 && via->rtvia_family == AF_INET6)
		memcpy(gateway->b, via->rtvia_addr, 16);
}

static void take_gateway(const struct nlattr *attr, bool v6, struct ip *gateway)
{
	if (mnl_attr_get_type(attr) == RTA_GATEWAY)
		(void)netlink_get_ip(attr, v6 ? AF_INET6 : AF_INET, gateway);
	else if (mnl_attr_get_type(attr) == RTA_VIA)
		take_via(attr, gateway);
}

static void take_hops(const struct nlattr *attr, struct held_route *r)
{
	const uint8_t *p = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);
	struct rtnexthop hop;

	while (left >= sizeof(hop)) {
		const struct nlattr *gateway;
		struct route_hop h;
		size_t step;

		memcpy(&hop, p, sizeof(hop));
		step = MNL_ALIGN((size_t)hop.rtnh_len);
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			break;
		memset(&h, 0, sizeof(h));
		h.ifindex = hop.rtnh_ifindex;
		gateway = (const struct nlattr *)(const void *)(p + sizeof(hop));
		if (mnl_attr_ok(gateway, (int)(hop.rtnh_len - sizeof(hop))))
			take_gateway(gateway, r->v6, &h.gateway);
		if (!held_route_add_hop(r, &h))
			break;
		p += step;
		left -= step < left ? step : left;
	}
}

static void take_route_attribute(const struct nlattr *attr, struct held_route *r)
{
	const uint8_t family = r->v6 ? AF_INET6 : AF_INET;
	uint32_t oif;

	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		(void)netlink_get_u32(attr, &r->table);
		break;
	case RTA_DST:
		(void)netlink_get_ip(attr, family, &r->dst.ip);
		break;
	case RTA_SRC:
		(void)netlink_get_ip(attr, family, &r->from.ip);
		break;
	case RTA_PRIORITY:
		(void)netlink_get_u32(attr, &r->metric);
		break;
	case RTA_OIF:
		if (netlink_get_u32(attr, &oif))
			r->hop.ifindex = (int32_t)oif;
		r->hops = 1;
		break;
	case RTA_GATEWAY:
	case RTA_VIA:
		take_gateway(attr, r->v6, &r->hop.gateway);
		break;
	case RTA_MULTIPATH:
		take_hops(attr, r);
		break;
	}
}

static bool is_ours(const struct held_by *by, const struct held_route *r)
{
	if (r->table == by->table || r->table == tunnel_escape_table(by->table) ||
	    (r->refuses && r->metric == by->last_metric))
		return true;
	return r->hops == 1 && r->hop.ifindex == by->ifindex;
}

static bool append(struct route_list *l, const struct held_route *r)
{
	if (l->n == l->max) {
		const size_t max = l->max ? 2 * l->max : 16;
		struct held_route *more = realloc(l->list, max * sizeof(*more));

		l->no_memory |= !more;
		if (!more)
			return false;
		l->list = more;
		l->max = max;
	}
	memcpy(&l->list[l->n++], r, sizeof(*r));
	return true;
}

static void take_route(void *ctx, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_list *l = ctx;
	struct held_route r;
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_protocol != TUNNEL_RTPROT || (rtm->rtm_flags & RTM_F_CLONED))
		return;
	memset(&r, 0, sizeof(r));
	r.v6 = rtm->rtm_family == AF_INET6;
	r.table = rtm->rtm_table;
	r.dst = (struct prefix){ no_ip(r.v6), (uint8_t)(rtm->rtm_dst_len + (r.v6 ? 0 : 96)) };
	r.from.len = rtm->rtm_src_len;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) take_route_attribute(attr, &r);
	r.refuses = rtm->rtm_type != RTN_UNICAST;
	if (r.refuses) {
		r.hops = 0;
		memset(&r.hop, 0, sizeof(r.hop));
	}
	if (!is_ours(l->by, &r) || !append(l, &r))
		free(r.several);
}

static int dump_routes(struct netlink *nl, uint8_t family, struct route_list *l)
{
	const size_t before = l->n;
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < NETLINK_DUMP_TRIES; i++) {
		struct nlmsghdr *nlh = netlink_request(nl, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

		rtm->rtm_family = family;
		rtm->rtm_protocol = TUNNEL_RTPROT; /* sifted by the kernel where it can */
		forget_hops(l->list, before, l->n);
		l->n = before;
		rc = netlink_exchange(nl, nlh, take_route, l);
	}
	/* No such family; or tables that never stand still: what was seen last is as good as it gets. */
	return rc == -EINTR || rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP || rc == -ENOENT ? 0 : rc;
}

int held_routes(struct netlink *nl, const struct held_by *by, struct held_route **out, size_t *n)
{
	struct route_list l = { .by = by };
	int rc = dump_routes(nl, AF_INET, &l);

	if (rc == 0)
		rc = dump_routes(nl, AF_INET6, &l);
	if (rc == 0 && l.no_memory)
		rc = -ENOMEM;
	if (rc < 0) {
		held_routes_free(l.list, l.n);
		return rc;
	}
	if (l.n > 0)
		qsort(l.list, l.n, sizeof(*l.list), held_route_compare);
	*out = l.list;
	*n = l.n;
	return 0;
}

static void put_gateway(struct nlmsghdr *nlh, bool v6, const struct ip *gateway)
{
	uint8_t via[sizeof(struct rtvia) + 16] = { 0 };
	const uint16_t family = AF_INET6;

	if (ip_is_zero(gateway))
		return;
	if (v6 || ip_is_v4(gateway)) {
		netlink_put_ip(nlh, RTA_GATEWAY, gateway);
		return;
	}
	memcpy(via, &family, sizeof(family));
	memcpy(via + sizeof(struct rtvia), gateway->b, 16);
	mnl_attr_put(nlh, RTA_VIA, sizeof(via), via);
}

/* Said to be on the link: that a gateway can be reached was the kernel's own answer, by whatever table. */
static uint8_t hop_flags(const struct route_hop *h)
{
	return ip_is_zero(&h->gateway) ? 0 : RTNH_F_ONLINK;
}

static void put_hops(struct nlmsghdr *nlh, const struct held_route *r)
{
	struct nlattr *all = mnl_attr_nest_start(nlh, RTA_MULTIPATH);

	for (uint32_t i = 0; i < r->hops; i++) {
		const struct route_hop *h = &r->several[i];
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(nlh);
		const uint32_t before = nlh->nlmsg_len;

		nlh->nlmsg_len += MNL_ALIGN(sizeof(*hop));
		*hop = (struct rtnexthop){ .rtnh_flags = hop_flags(h), .rtnh_ifindex = h->ifindex };
		put_gateway(nlh, r->v6, &h->gateway);
		hop->rtnh_len = (uint16_t)(nlh->nlmsg_len - before);
	}
	mnl_attr_nest_end(nlh, all);
}

static void put_way(struct nlmsghdr *nlh, struct rtmsg *rtm, const struct held_route *r)
{
	if (r->hops > 1) {
		put_hops(nlh, r);
		return;
	}
	rtm->rtm_flags = hop_flags(&r->hop);
	if (!r->v6 && ip_is_zero(&r->hop.gateway))
		rtm->rtm_scope = RT_SCOPE_LINK;
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)r->hop.ifindex);
	put_gateway(nlh, r->v6, &r->hop.gateway);
}

/*
 * Neither NLM_F_REPLACE, which would destroy another manager's route to the same destination, nor NLM_F_EXCL, which
 * would call that one ours: the new route goes in front, and EEXIST means that this very route is there.
 */
static struct nlmsghdr *put_route(void *at, const struct held_route *r, bool add)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (add ? NLM_F_CREATE : 0));
	rtm->rtm_family = r->v6 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = netlink_bits(&r->dst);
	rtm->rtm_src_len = r->from.len;
	rtm->rtm_protocol = TUNNEL_RTPROT;
	rtm->rtm_type = r->refuses ? RTN_UNREACHABLE : RTN_UNICAST;
	netlink_put_ip(nlh, RTA_DST, &r->dst.ip);
	if (r->from.len > 0)
		netlink_put_ip(nlh, RTA_SRC, &r->from.ip);
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	if (r->metric > 0)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	if (r->hops > 0)
		put_way(nlh, rtm, r);
	return nlh;
}

static int outcome(int rc, bool add)
{
	if (add)
		return rc == -EEXIST ? 0 : rc;
	return rc == -ESRCH || rc == -ENODEV ? 0 : rc;
}

int held_route_set(struct netlink *nl, const struct held_route *r, bool add)
{
	struct nlmsghdr *nlh = put_route(nl->buf, r, add);

	nlh->nlmsg_flags |= NLM_F_ACK;
	return outcome(netlink_exchange(nl, nlh, NULL, NULL), add);
}

/* Errors alone are answered, and the last request in any case. True: that has come. */
static bool take_outcomes(const struct netlink *nl, int len, uint32_t first, bool add, int *rc)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)nl->buf;
	bool last = false;

	for (; netlink_is_whole(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		int code;

		if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_pid != nl->portid ||
		    mnl_nlmsg_get_payload_len(nlh) < sizeof(code) || nlh->nlmsg_seq - first > nl->seq - first)
			continue;
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
		rc[nlh->nlmsg_seq - first] = outcome(code <= 0 ? code : -EPROTO, add);
		last |= nlh->nlmsg_seq == nl->seq;
	}
	return last;
}

/* How many of them went in one message to the kernel, or -errno. */
static ssize_t set_batch(struct netlink *nl, const struct held_route *const *list, size_t n, bool add,
			 int *rc)
{
	const uint32_t first = nl->seq + 1;
	size_t used = 0, i = 0;
	ssize_t len = 0;

	for (; i < n && i < BATCH && used + ROUTE_REQUEST_MAX <= sizeof(nl->buf); i++) {
		struct nlmsghdr *nlh = put_route(nl->buf + used, list[i], add);

		nlh->nlmsg_seq = ++nl->seq;
		if (i + 1 == n || i + 1 == BATCH ||
		    used + nlh->nlmsg_len + ROUTE_REQUEST_MAX > sizeof(nl->buf))
			nlh->nlmsg_flags |= NLM_F_ACK;
		used += NLMSG_ALIGN(nlh->nlmsg_len);
		rc[i] = 0;
	}
	if (mnl_socket_sendto(nl->socket, nl->buf, used) < 0)
		return -errno;
	do
		len = netlink_receive(nl);
	while (len >= 0 && !take_outcomes(nl, (int)len, first, add, rc));
	return len < 0 ? len : (ssize_t)i;
}

void held_routes_set(struct netlink *nl, const struct held_route *const *list, size_t n, bool add, int *rc)
{
	size_t done = 0;

	while (done < n) {
		const ssize_t set = set_batch(nl, list + done, n - done, add, rc + done);

		for (size_t i = done; set < 0 && i < n; i++)
			rc[i] = (int)set;
		if (set < 0)
			return;
		done += (size_t)set;
	}
}
