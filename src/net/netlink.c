/*
 * rtnetlink requests over libmnl, and changes of links and addresses.
 *
 * One buffer for each open struct netlink serves requests and answers. Attributes are read only after
 * mnl_attr_validate(); a message that does not hold what its kind must hold is passed over.
 */
#include "net/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/rtnetlink.h"

#define MORE 1

/* `flags` of the socket; `groups`: RTMGRP_* bits. NULL and errno. */
static struct netlink *open_socket(int flags, unsigned int groups)
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
	return open_socket(0, 0);
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
bool netlink_is_whole(const struct nlmsghdr *nlh, int left)
{
	return mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (uint32_t)left;
}

/* MORE, or how the request ended; -EINTR for a dump during which the kernel's list changed. */
static int take_answer(struct netlink *nl, int len, netlink_message_fn each, void *ctx, bool *changed)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)nl->buf;

	for (; netlink_is_whole(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
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

ssize_t netlink_receive(struct netlink *nl)
{
	ssize_t len;

	do {
		len = mnl_socket_recvfrom(nl->socket, nl->buf, sizeof(nl->buf));
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

int netlink_exchange(struct netlink *nl, struct nlmsghdr *nlh, netlink_message_fn each, void *ctx)
{
	bool changed = false;
	int r = MORE;

	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MORE) {
		ssize_t len = netlink_receive(nl);

		if (len < 0)
			return (int)len;
		r = take_answer(nl, (int)len, each, ctx, &changed);
	}
	return r;
}

struct nlmsghdr *netlink_request(struct netlink *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return nlh;
}

uint8_t netlink_family(const struct ip *ip)
{
	return ip_is_v4(ip) ? AF_INET : AF_INET6;
}

uint8_t netlink_bits(const struct prefix *p)
{
	return ip_is_v4(&p->ip) ? (uint8_t)(p->len - 96) : p->len;
}

bool netlink_prefix_is_sane(const struct prefix *p)
{
	return p->len <= 128 && (!ip_is_v4(&p->ip) || p->len >= 96);
}

void netlink_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct ip *ip)
{
	if (ip_is_v4(ip))
		mnl_attr_put(nlh, type, 4, ip->b + 12);
	else
		mnl_attr_put(nlh, type, 16, ip->b);
}

static struct nlmsghdr *change_link(struct netlink *nl, int ifindex, struct ifinfomsg **link)
{
	struct nlmsghdr *nlh = netlink_request(nl, RTM_NEWLINK, NLM_F_ACK);

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
	return netlink_exchange(nl, nlh, NULL, NULL);
}

int netlink_link_up(struct netlink *nl, int ifindex, uint16_t mtu)
{
	struct ifinfomsg *link;
	struct nlmsghdr *nlh = change_link(nl, ifindex, &link);

	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return netlink_exchange(nl, nlh, NULL, NULL);
}

/* No duplicate address detection: nobody else is on the tunnel, and the address must be usable at once. */
int netlink_address(struct netlink *nl, int ifindex, const struct prefix *address, bool add)
{
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;
	int r;

	if (!netlink_prefix_is_sane(address))
		return -EINVAL;
	if (add)
		nlh = netlink_request(nl, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	else
		nlh = netlink_request(nl, RTM_DELADDR, NLM_F_ACK);
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = netlink_family(&address->ip);
	ifa->ifa_prefixlen = netlink_bits(address);
	ifa->ifa_flags = ifa->ifa_family == AF_INET6 ? IFA_F_NODAD : 0;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_index = (uint32_t)ifindex;
	netlink_put_ip(nlh, IFA_LOCAL, &address->ip);
	netlink_put_ip(nlh, IFA_ADDRESS, &address->ip);

	r = netlink_exchange(nl, nlh, NULL, NULL);
	if (!add && (r == -EADDRNOTAVAIL || r == -ENODEV))
		return 0;
	return r;
}

bool netlink_get_u32(const struct nlattr *attr, uint32_t *out)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*out = mnl_attr_get_u32(attr);
	return true;
}

bool netlink_get_ip(const struct nlattr *attr, uint8_t family, struct ip *out)
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

bool netlink_get_address(const struct nlmsghdr *nlh, uint32_t *flags, struct ip *ip)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	bool local = false, any = false;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		const uint16_t type = mnl_attr_get_type(attr);

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

struct netlink *netlink_watch_new(unsigned int groups, int buffer)
{
	struct netlink *nl = open_socket(SOCK_NONBLOCK, groups);

	if (!nl)
		return NULL;
	nl->watch = true;
	if (setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	return nl;
}

void netlink_list_add(struct netlink_list *l, const void *element)
{
	char *more = realloc(l->list, (l->n + 1) * l->size);

	l->no_memory |= !more;
	if (!more)
		return;
	l->list = more;
	memcpy(more + l->n++ * l->size, element, l->size);
}

int netlink_list(struct netlink *nl, uint16_t type, const void *head, size_t len, netlink_message_fn each,
		 void *ctx, struct netlink_list *l)
{
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < NETLINK_DUMP_TRIES; i++) {
		struct nlmsghdr *nlh = netlink_request(nl, type, NLM_F_DUMP);

		memcpy(mnl_nlmsg_put_extra_header(nlh, len), head, len);
		l->n = 0;
		rc = netlink_exchange(nl, nlh, each, ctx);
	}
	if (rc == -EINTR || rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP)
		rc = 0;
	if (rc == 0 && l->no_memory)
		rc = -ENOMEM;
	if (rc < 0)
		free(l->list);
	return rc;
}
