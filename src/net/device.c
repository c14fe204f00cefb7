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

struct address_sieve {
	int ifindex;
	struct netlink_list *list; /* of struct prefix */
};

static void take_address(void *ctx, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct address_sieve *s = ctx;
	struct prefix p;
	uint32_t flags; /* the list is of what is there, usable or not */

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    (int)ifa->ifa_index != s->ifindex)
		return;
	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
	    !netlink_get_address(nlh, &flags, &p.ip))
		return;
	p.len = (uint8_t)(ifa->ifa_prefixlen + (ifa->ifa_family == AF_INET ? 96 : 0));
	netlink_list_add(s->list, &p);
}

int held_addresses(struct netlink *nl, int ifindex, struct prefix **out, size_t *n)
{
	/* Sifted by the kernel where it can. */
	const struct ifaddrmsg head = { .ifa_index = (uint32_t)ifindex };
	struct netlink_list l = { .size = sizeof(**out) };
	struct address_sieve s = { ifindex, &l };
	int rc = netlink_list(nl, RTM_GETADDR, &head, sizeof(head), take_address, &s, &l);

	if (rc < 0)
		return rc;
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
	struct netlink *nl = netlink_watch_new(
		NETLINK_GROUP(RTNLGRP_LINK) | NETLINK_GROUP(RTNLGRP_IPV4_IFADDR) |
			NETLINK_GROUP(RTNLGRP_IPV6_IFADDR) | NETLINK_GROUP(RTNLGRP_IPV4_ROUTE) |
			NETLINK_GROUP(RTNLGRP_IPV6_ROUTE) | NETLINK_GROUP(RTNLGRP_IPV4_RULE) |
			NETLINK_GROUP(RTNLGRP_IPV6_RULE),
		WATCH_BUFFER);

	if (!nl)
		return NULL;
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
