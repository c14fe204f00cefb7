/* The kernel's policy rules. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "net/device.h"
#include "net/own.h"
#include "net/rtnetlink.h"

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && (a->len == 0 || ip_equal(&a->ip, &b->ip));
}

bool held_rule_equal(const struct held_rule *a, const struct held_rule *b)
{
	return a->ours == b->ours && a->invert == b->invert && a->other == b->other && a->action == b->action &&
	       a->pref == b->pref && a->table == b->table && a->target == b->target && a->mark == b->mark &&
	       a->mask == b->mask && a->suppress == b->suppress && same_prefix(&a->from, &b->from) &&
	       same_prefix(&a->to, &b->to) && strcmp(a->iif, b->iif) == 0 && strcmp(a->oif, b->oif) == 0;
}

static void take_name(const struct nlattr *attr, char name[16])
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 && mnl_attr_get_payload_len(attr) <= 16)
		memcpy(name, mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr));
}

static void take_rule_attribute(const struct nlattr *attr, uint8_t family, struct held_rule *r)
{
	uint32_t value = 0;

	switch (mnl_attr_get_type(attr)) {
	case FRA_DST:
		(void)netlink_get_ip(attr, family, &r->to.ip);
		break;
	case FRA_SRC:
		(void)netlink_get_ip(attr, family, &r->from.ip);
		break;
	case FRA_IIFNAME:
		take_name(attr, r->iif);
		break;
	case FRA_OIFNAME:
		take_name(attr, r->oif);
		break;
	case FRA_PRIORITY:
		(void)netlink_get_u32(attr, &r->pref);
		break;
	case FRA_FWMARK:
		(void)netlink_get_u32(attr, &r->mark);
		break;
	case FRA_FWMASK:
		(void)netlink_get_u32(attr, &r->mask);
		break;
	case FRA_TABLE:
		(void)netlink_get_u32(attr, &r->table);
		break;
	case FRA_GOTO:
		(void)netlink_get_u32(attr, &r->target);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
		if (netlink_get_u32(attr, &value))
			r->suppress = (int32_t)value;
		break;
	case FRA_PROTOCOL:
		r->ours = mnl_attr_validate(attr, MNL_TYPE_U8) >= 0 && mnl_attr_get_u8(attr) == TUNNEL_RTPROT;
		break;
	case FRA_L3MDEV:
		r->other |= mnl_attr_get_u8(attr) != 0;
		break;
	case FRA_UNSPEC:
	case FRA_PAD:
	case FRA_SUPPRESS_IFGROUP:
	case FRA_FLOW:
		break;
	default: /* TOS, ports, users, tunnels, and what kernels to come will know */
		r->other = true;
	}
}

static void take_rule(void *ctx, const struct nlmsghdr *nlh)
{
	const struct fib_rule_hdr *frh = mnl_nlmsg_get_payload(nlh);
	struct held_rule r = { .suppress = -1 };
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*frh))
		return;
	r.invert = frh->flags & FIB_RULE_INVERT;
	r.action = frh->action;
	r.table = frh->table;
	r.from.len = frh->src_len;
	r.to.len = frh->dst_len;
	r.other = frh->tos != 0;
	mnl_attr_for_each(attr, nlh, sizeof(*frh))
		take_rule_attribute(attr, frh->family, &r);
	if (frh->family == AF_INET) {
		r.from.len = (uint8_t)(r.from.len ? r.from.len + 96 : 0);
		r.to.len = (uint8_t)(r.to.len ? r.to.len + 96 : 0);
	}
	netlink_list_add(ctx, &r);
}

int held_rules(struct netlink *nl, bool v6, struct held_rule **out, size_t *n)
{
	const struct fib_rule_hdr head = { .family = v6 ? AF_INET6 : AF_INET };
	struct netlink_list l = { .size = sizeof(**out) };
	int rc = netlink_list(nl, RTM_GETRULE, &head, sizeof(head), take_rule, &l, &l);

	if (rc < 0)
		return rc;
	*out = l.list;
	*n = l.n;
	return 0;
}

static void put_ends(struct nlmsghdr *nlh, struct fib_rule_hdr *frh, const struct held_rule *r)
{
	if (r->from.len > 0) {
		frh->src_len = netlink_bits(&r->from);
		netlink_put_ip(nlh, FRA_SRC, &r->from.ip);
	}
	if (r->to.len > 0) {
		frh->dst_len = netlink_bits(&r->to);
		netlink_put_ip(nlh, FRA_DST, &r->to.ip);
	}
	if (r->iif[0])
		mnl_attr_put_strz(nlh, FRA_IIFNAME, r->iif);
	if (r->oif[0])
		mnl_attr_put_strz(nlh, FRA_OIFNAME, r->oif);
}

int held_rule_set(struct netlink *nl, bool v6, const struct held_rule *r, bool add)
{
	struct nlmsghdr *nlh = netlink_request(nl, add ? RTM_NEWRULE : RTM_DELRULE,
					       (uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE : 0)));
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));
	int rc;

	frh->family = v6 ? AF_INET6 : AF_INET;
	frh->action = r->action;
	frh->flags = r->invert ? FIB_RULE_INVERT : 0;
	put_ends(nlh, frh, r);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->pref);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	if (r->mask) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, r->mask);
	}
	if (r->action == FR_ACT_GOTO)
		mnl_attr_put_u32(nlh, FRA_GOTO, r->target);
	if (r->suppress >= 0)
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, (uint32_t)r->suppress);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, TUNNEL_RTPROT);
	rc = netlink_exchange(nl, nlh, NULL, NULL);
	return !add && (rc == -ENOENT || rc == -ESRCH) ? 0 : rc;
}
