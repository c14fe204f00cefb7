/*
 * Inner packets are foreign bytes on both sides: only what is a whole IP packet by its own header gets
 * through, and an IPv6 packet with IPv4-mapped addresses does not, for it could pose as IPv4 in our one
 * form of address.
 */
#include "proto/inner.h"

#include <string.h>

#include "base/checksum.h"
#include "base/ip.h"
#include "base/wire.h"

struct icmp_header {
	uint8_t type;
	uint8_t code;
	be16 checksum;
	be32 rest; /* IPv4: MTU in the low half; IPv6: MTU */
};

_Static_assert(sizeof(struct icmp_header) == 8, "icmp_header");

#define ICMP_ERROR_MAX 576 /* RFC 1812 section 4.3.2.3 */
#define TTL 64
#define TOS_CONTROL 0xc0 /* precedence 6: RFC 1812 section 4.3.2.5 */

/* A fragment that reaches beyond the longest packet there is (CVE-1999-0128 and its like): no host needs to see it. */
static bool is_overlong_fragment(uint32_t offset, size_t bytes)
{
	return offset + bytes > UINT16_MAX;
}

#define IGMP 2
#define ICMP_REDIRECT 5
#define ICMPV6_ROUTER_SOLICITATION 133
#define ICMPV6_REDIRECT 137

/*
 * What a system says to those on the same link, and no router forwards: to all of them, to its multicast (224.0.0.0/24: mDNS,
 * LLMNR, routing protocols), IGMP, from a host that has no address yet, and redirects, for nobody inside a tunnel is
 * reached by another way than through it.
 */
static bool is_link_v4(const struct ipv4_header *h, const uint8_t *payload, size_t len)
{
	static const uint8_t none[4], all[4] = { 255, 255, 255, 255 }, link[3] = { 224, 0, 0 };

	if (h->dst[0] < 224 && h->src[0] != 0 && h->protocol > IGMP)
		return false; /* nearly all */
	if (h->dst[0] >= 224 && (memcmp(h->dst, link, 3) == 0 || memcmp(h->dst, all, 4) == 0))
		return true;
	return memcmp(h->src, none, 4) == 0 || h->protocol == IGMP ||
	       (h->protocol == IP_PROTOCOL_ICMP && len > 0 && payload[0] == ICMP_REDIRECT &&
		(get_be16(h->fragment) & 0x1fff) == 0);
}

/* The same: link-local addresses, multicast of the node and the link (which has MLD), neighbour discovery. */
static bool is_link_v6(const struct ipv6_header *h, const uint8_t *payload, size_t len)
{
	static const uint8_t none[16];

	if (h->dst[0] < 0xfe && h->src[0] < 0xfe && h->src[0] != 0 && h->next != IP_PROTOCOL_ICMPV6)
		return false; /* nearly all */
	if (h->dst[0] == 0xff)
		return (h->dst[1] & 0x0f) <= 2;
	if (h->dst[0] == 0xfe && (h->dst[1] & 0xc0) == 0x80)
		return true;
	if (h->src[0] == 0xfe && (h->src[1] & 0xc0) == 0x80)
		return true;
	return memcmp(h->src, none, sizeof(none)) == 0 ||
	       (h->next == IP_PROTOCOL_ICMPV6 && len > 0 && payload[0] >= ICMPV6_ROUTER_SOLICITATION &&
		payload[0] <= ICMPV6_REDIRECT);
}

static bool parse_v4(const uint8_t *packet, size_t len, struct inner *out)
{
	struct ipv4_header h;
	size_t hlen;

	if (len < sizeof(h))
		return false;
	memcpy(&h, packet, sizeof(h));
	hlen = (h.version_ihl & 15u) * 4;
	if (hlen < sizeof(h) || hlen > len || get_be16(h.length) != len)
		return false;
	if (is_overlong_fragment((get_be16(h.fragment) & 0x1fffu) * 8, len))
		return false;
	*out = (struct inner){
		.src = ip_from_v4(h.src),
		.dst = ip_from_v4(h.dst),
		.tos = h.tos,
		.len = (uint16_t)len,
		.link = is_link_v4(&h, packet + hlen, len - hlen),
	};
	return true;
}

#define PROTOCOL_FRAGMENT 44

/* RFC 8200 section 4.5; one behind other extension headers is the host's to judge. */
static bool is_good_fragment(const uint8_t *header, size_t len)
{
	return len >= 8 && !is_overlong_fragment(((uint32_t)header[2] << 8 | header[3]) & 0xfff8u, len - 8);
}

static bool parse_v6(const uint8_t *packet, size_t len, struct inner *out)
{
	struct ipv6_header h;
	struct inner in;

	if (len < sizeof(h) || len > UINT16_MAX)
		return false;
	memcpy(&h, packet, sizeof(h));
	if (sizeof(h) + get_be16(h.payload) != len)
		return false;
	if (h.next == PROTOCOL_FRAGMENT && !is_good_fragment(packet + sizeof(h), len - sizeof(h)))
		return false;
	in.tos = (uint8_t)(get_be32(h.version_class_flow) >> 20);
	in.len = (uint16_t)len;
	in.link = is_link_v6(&h, packet + sizeof(h), len - sizeof(h));
	memcpy(in.src.b, h.src, 16);
	memcpy(in.dst.b, h.dst, 16);
	if (ip_is_v4(&in.src) || ip_is_v4(&in.dst))
		return false;
	*out = in;
	return true;
}

bool inner_parse(const uint8_t *packet, size_t len, struct inner *out)
{
	if (len == 0)
		return false;
	switch (packet[0] >> 4) {
	case 4:
		return parse_v4(packet, len, out);
	case 6:
		return parse_v6(packet, len, out);
	default:
		return false;
	}
}

uint16_t inner_checksum(const void *data, size_t len, uint32_t sum)
{
	const be32 partial = put_be32(sum);
	const uint16_t folded =
		(uint16_t)~checksum_fold(checksum_add(checksum_add(0, &partial, 4), data, len));
	be16 v;

	memcpy(&v, &folded, sizeof(v));
	return get_be16(v);
}

/* RFC 1122 section 3.2.2: no error to or about what is not one single host. */
static bool is_host_v4(const uint8_t a[4])
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

/* Asking types only; all others are errors, or unknown and taken for one. */
static bool icmp_is_query(uint8_t type)
{
	return type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18);
}

static bool may_answer_v4(const uint8_t *packet, size_t len)
{
	struct ipv4_header h;
	size_t hlen;

	memcpy(&h, packet, sizeof(h));
	hlen = (h.version_ihl & 15u) * 4;
	if ((get_be16(h.fragment) & 0x1fff) != 0)
		return false;
	if (!is_host_v4(h.src) || h.dst[0] == 0 || h.dst[0] >= 224)
		return false;
	return h.protocol != IP_PROTOCOL_ICMP || (len > hlen && icmp_is_query(packet[hlen]));
}

/* RFC 8200 section 4: those that may stand before the upper layer and have a length of their own. */
static bool is_extension(uint8_t next)
{
	return next == 0 || next == 43 || next == 60 || next == 135 || next == 139 || next == 140;
}

#define FRAGMENT_HEADER 44

/* Is it the start of a datagram, and not an ICMPv6 error (RFC 4443 section 2.4 (e.1))? */
static bool may_quote_v6(const uint8_t *packet, size_t len)
{
	uint8_t next = packet[offsetof(struct ipv6_header, next)];
	size_t at = sizeof(struct ipv6_header);

	while (is_extension(next) || next == FRAGMENT_HEADER) {
		size_t hlen = 8;

		if (len - at < 8)
			return false;
		if (next != FRAGMENT_HEADER)
			hlen += packet[at + 1] * 8u;
		else if (packet[at + 2] != 0 || (packet[at + 3] & 0xf8) != 0)
			return false;
		if (len - at < hlen)
			return false;
		next = packet[at];
		at += hlen;
	}
	/* Informational types are 128 and above; 137 is Redirect. */
	return next != IP_PROTOCOL_ICMPV6 || (len > at && packet[at] >= 128 && packet[at] != 137);
}

static bool may_answer_v6(const uint8_t *packet, size_t len, const struct inner *in,
			  enum inner_unreachable why)
{
	static const struct ip loopback = { { [15] = 1 } };
	const struct ip *src = &in->src;

	if (ip_is_zero(src) || src->b[0] == 0xff || ip_equal(src, &loopback) || ip_is_zero(&in->dst))
		return false;
	/* Section 2.4 (e.3): path MTU discovery works for multicast too. */
	if (in->dst.b[0] == 0xff && why != INNER_TOO_BIG)
		return false;
	return may_quote_v6(packet, len);
}

static size_t error_v4(uint8_t *out, const uint8_t *packet, size_t len, enum inner_unreachable why,
		       const struct ip *self, uint16_t mtu)
{
	static const uint8_t codes[] = {
		[INNER_NO_ROUTE] = 0,
		[INNER_HOST_DOWN] = 1,
		[INNER_TOO_BIG] = 4,
	};
	struct icmp_header icmp = { .type = 3, .code = codes[why] };
	struct ipv4_header ip = {
		.version_ihl = 0x45,
		.tos = TOS_CONTROL,
		.fragment = put_be16(IPV4_DF),
		.ttl = TTL,
		.protocol = IP_PROTOCOL_ICMP,
	};
	size_t quote = ICMP_ERROR_MAX - sizeof(ip) - sizeof(icmp);
	size_t total;

	if (quote > len)
		quote = len;
	total = sizeof(ip) + sizeof(icmp) + quote;
	if (why == INNER_TOO_BIG)
		icmp.rest = put_be32(mtu); /* RFC 1191: the low 16 bits */
	memcpy(ip.src, self->b + 12, 4);
	memcpy(ip.dst, packet + offsetof(struct ipv4_header, src), 4);
	ip.length = put_be16((uint16_t)total);
	ip.checksum = put_be16(inner_checksum(&ip, sizeof(ip), 0));
	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip) + sizeof(icmp), packet, quote);
	memcpy(out + sizeof(ip), &icmp, sizeof(icmp));
	icmp.checksum = put_be16(inner_checksum(out + sizeof(ip), total - sizeof(ip), 0));
	memcpy(out + sizeof(ip), &icmp, sizeof(icmp));
	return total;
}

/* RFC 8200 section 8.1, without the complement: addresses, length, next header. */
static uint32_t pseudo_sum_v6(const struct ipv6_header *ip)
{
	uint32_t sum = (uint32_t)get_be16(ip->payload) + ip->next;

	/* Checksum calls complement; undo it to get the sum back. */
	return sum + (uint16_t)~inner_checksum(ip->src, 32, 0);
}

static size_t error_v6(uint8_t *out, const uint8_t *packet, size_t len, enum inner_unreachable why,
		       const struct ip *self, uint16_t mtu)
{
	static const uint8_t codes[] = {
		[INNER_NO_ROUTE] = 0,
		[INNER_HOST_DOWN] = 3,
		[INNER_TOO_BIG] = 0,
	};
	struct icmp_header icmp = { .type = why == INNER_TOO_BIG ? 2 : 1, .code = codes[why] };
	struct ipv6_header ip = {
		.version_class_flow = put_be32(6u << 28),
		.next = IP_PROTOCOL_ICMPV6,
		.hops = TTL,
	};
	size_t quote = INNER_ICMP_MAX - sizeof(ip) - sizeof(icmp);

	if (quote > len)
		quote = len;
	if (why == INNER_TOO_BIG)
		icmp.rest = put_be32(mtu);
	memcpy(ip.src, self->b, 16);
	memcpy(ip.dst, packet + offsetof(struct ipv6_header, src), 16);
	ip.payload = put_be16((uint16_t)(sizeof(icmp) + quote));
	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), &icmp, sizeof(icmp));
	memcpy(out + sizeof(ip) + sizeof(icmp), packet, quote);
	icmp.checksum = put_be16(inner_checksum(out + sizeof(ip), sizeof(icmp) + quote, pseudo_sum_v6(&ip)));
	memcpy(out + sizeof(ip), &icmp, sizeof(icmp));
	return sizeof(ip) + sizeof(icmp) + quote;
}

size_t inner_unreachable(uint8_t *out, const uint8_t *packet, size_t len, enum inner_unreachable why,
			 const struct ip *self, uint16_t mtu)
{
	struct inner in;

	if (!inner_parse(packet, len, &in) || ip_is_v4(&in.src) != ip_is_v4(self))
		return 0;
	if (ip_is_v4(self))
		return may_answer_v4(packet, len) ? error_v4(out, packet, len, why, self, mtu) : 0;
	return may_answer_v6(packet, len, &in, why) ? error_v6(out, packet, len, why, self, mtu) : 0;
}
