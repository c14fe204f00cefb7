#include "net/device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/own.h"
#include "net/rtnetlink.h"

/* --- the link --- */

/* IFLA_INET6_CONF: as many of the kernel's values as it has. */
static bool inet6_is_off(const struct nlattr *conf)
{
	int32_t value;

	if (mnl_attr_get_payload_len(conf) < (DEVCONF_DISABLE_IPV6 + 1) * sizeof(value))
		return false;
	memcpy(&value, (const uint8_t *)mnl_attr_get_payload(conf) + DEVCONF_DISABLE_IPV6 * sizeof(value),
	       sizeof(value));
	return value != 0;
}

static void take_inet6(const struct nlattr *inet6, struct device_state *s)
{
	struct nlattr *attr;

	s->v6 = true;
	mnl_attr_for_each_nested(attr, inet6)
	{
		if (mnl_attr_get_type(attr) == IFLA_INET6_CONF)
			s->v6_off = inet6_is_off(attr);
		else if (mnl_attr_get_type(attr) == IFLA_INET6_ADDR_GEN_MODE &&
			 mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
			s->quiet = mnl_attr_get_u8(attr) == IN6_ADDR_GEN_MODE_NONE;
	}
}

static void take_link(void *ctx, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(nlh);
	struct device_state *s = ctx;
	struct nlattr *attr, *family;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*link))
		return;
	s->up = link->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, nlh, sizeof(*link))
	{
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			(void)netlink_get_u32(attr, &s->mtu);
		if (mnl_attr_get_type(attr) != IFLA_AF_SPEC)
			continue;
		mnl_attr_for_each_nested(family, attr)
			if (mnl_attr_get_type(family) == AF_INET6)
				take_inet6(family, s);
	}
}

int device_look(struct netlink *nl, int ifindex, struct device_state *out)
{
	struct nlmsghdr *nlh = netlink_request(nl, RTM_GETLINK, NLM_F_ACK);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));

	*out = (struct device_state){ .up = false };
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = ifindex;
	return netlink_exchange(nl, nlh, take_link, out);
}

/* --- addresses --- */

struct address_list {
	int ifindex;
	bool no_memory;
	size_t n;
	struct prefix *list;
};

static bool take_address_attributes(const struct nlmsghdr *nlh, struct ip *ip)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	bool local = false, any = false;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		const uint16_t type = mnl_attr_get_type(attr);

		if (type != IFA_LOCAL && (type != IFA_ADDRESS || local))
			continue;
		if (!netlink_get_ip(attr, ifa->ifa_family, ip))
			return false;
		local = type == IFA_LOCAL;
		any = true;
	}
	return any;
}

static void take_address(void *ctx, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct address_list *l = ctx;
	struct prefix *more, p;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    (int)ifa->ifa_index != l->ifindex)
		return;
	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) || !take_address_attributes(nlh, &p.ip))
		return;
	p.len = (uint8_t)(ifa->ifa_prefixlen + (ifa->ifa_family == AF_INET ? 96 : 0));
	more = realloc(l->list, (l->n + 1) * sizeof(*more));
	l->no_memory |= !more;
	if (!more)
		return;
	l->list = more;
	l->list[l->n++] = p;
}

int held_addresses(struct netlink *nl, int ifindex, struct prefix **out, size_t *n)
{
	struct address_list l = { .ifindex = ifindex };
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < NETLINK_DUMP_TRIES; i++) {
		struct nlmsghdr *nlh = netlink_request(nl, RTM_GETADDR, NLM_F_DUMP);
		struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

		ifa->ifa_index = (uint32_t)ifindex; /* sifted by the kernel where it can */
		l.n = 0;
		rc = netlink_exchange(nl, nlh, take_address, &l);
	}
	if (rc == -EINTR) /* a list that never stands still: what was seen last is as good as it gets */
		rc = 0;
	if (rc == 0 && l.no_memory)
		rc = -ENOMEM;
	if (rc < 0) {
		free(l.list);
		return rc;
	}
	*out = l.list;
	*n = l.n;
	return 0;
}

/* --- watching --- */

#define WATCH_BUFFER (256 * 1024)

/* Of a netlink message, as the filter sees it: whole words in network order. */
#define AT_TYPE offsetof(struct nlmsghdr, nlmsg_type)
#define AT_FLAGS offsetof(struct nlmsghdr, nlmsg_flags)
#define AT_PROTOCOL (NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol))
#define AT_INDEX (NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_index))

static int sift(int fd, int ifindex)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWADDR), 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELADDR), 5, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), /* links, rules */
		/* A route that takes the place of another: of ours, perhaps. */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_REPLACE), 4, 5),
		/* One that goes. */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_PROTOCOL),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TUNNEL_RTPROT, 2, 3),
		/* An address. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_INDEX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)ifindex), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

struct netlink *device_watch(int ifindex)
{
	static int more[] = { RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };
	struct netlink *nl = netlink_new(SOCK_NONBLOCK, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
								RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
	const int size = WATCH_BUFFER;

	if (!nl)
		return NULL;
	nl->watch = true;
	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
		(void)mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &more[i], sizeof(more[i]));
	if (setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)sift(netlink_fd(nl), ifindex); /* without it all is heard, and looked at for nothing */
	return nl;
}

bool device_heard(struct netlink *nl)
{
	bool any = false;
	ssize_t len;

	while ((len = netlink_receive(nl)) > 0 || len == -ENOBUFS)
		any = true;
	return any;
}
