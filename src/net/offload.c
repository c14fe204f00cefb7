/*
 * Split and merge. What one does the other undoes: test_net_offload holds them to each other. Neither moves a payload:
 * the headers of a segment stand over the end of the one before, which split is done with by then, and of which merge
 * keeps what they cover.
 */
#include "net/offload.h"

#include <assert.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/checksum.h"
#include "base/ip.h"
#include "base/wire.h"

static_assert(sizeof(struct vnet_header) == sizeof(struct virtio_net_hdr), "struct vnet_header");
static_assert(offsetof(struct vnet_header, csum_offset) == offsetof(struct virtio_net_hdr, csum_offset),
	      "struct vnet_header");

/* USO is younger than the headers of some systems; the value is the kernel's ABI. */
#define GSO_UDP_L4 5

#define TCP_CHECKSUM offsetof(struct tcp_header, checksum)
#define UDP_CHECKSUM offsetof(struct udp_header, checksum)

/* Addresses and protocol of the pseudo header; its length is added by the caller. */
static uint64_t pseudo(const uint8_t *packet, bool tcp)
{
	const uint64_t protocol = checksum_add16(0, tcp ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP);

	if (packet[0] >> 4 == 4)
		return checksum_add8(protocol, packet + offsetof(struct ipv4_header, src));
	return checksum_add(protocol, packet + offsetof(struct ipv6_header, src), 32);
}

static void put16(uint8_t *at, uint16_t v)
{
	const be16 b = put_be16(v);

	memcpy(at, &b, sizeof(b));
}

/* A checksum as it stands in memory. */
static void put_sum(uint8_t *at, uint64_t sum, bool zero_is_none)
{
	uint16_t v = (uint16_t)~checksum_fold(sum);

	if (v == 0 && zero_is_none)
		v = 0xffff; /* RFC 768: zero would mean that there is none */
	memcpy(at, &v, sizeof(v));
}

/* The length fields and what follows from them; IPv4 with its options. */
static void put_ip_length(uint8_t *packet, size_t len, size_t transport)
{
	if (packet[0] >> 4 == 6) {
		put16(packet + offsetof(struct ipv6_header, payload),
		      (uint16_t)(len - sizeof(struct ipv6_header)));
		return;
	}
	put16(packet + offsetof(struct ipv4_header, length), (uint16_t)len);
	put16(packet + offsetof(struct ipv4_header, checksum), 0);
	put_sum(packet + offsetof(struct ipv4_header, checksum), checksum_add(0, packet, transport), false);
}

/* --- from the tunnel device --- */

bool offload_checksum(const struct vnet_header *v, uint8_t *packet, size_t len)
{
	const size_t at = (size_t)v->csum_start + v->csum_offset;

	if (!(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (at + sizeof(be16) > len || v->csum_start < sizeof(struct ipv4_header))
		return false;
	/* The field holds the sum of the pseudo header already. */
	put_sum(packet + at, checksum_add(0, packet + v->csum_start, len - v->csum_start),
		v->csum_offset == UDP_CHECKSUM);
	return true;
}

static bool is_ip(const uint8_t *packet, size_t len, size_t transport, bool v4, bool v6)
{
	if (len == 0)
		return false;
	if (packet[0] >> 4 == 4)
		return v4 && transport >= sizeof(struct ipv4_header) && transport == (packet[0] & 15u) * 4;
	return packet[0] >> 4 == 6 && v6 && transport >= sizeof(struct ipv6_header);
}

/* What differs from segment to segment is made zero in the headers, and added for each. */
static void sum_common(struct split *s)
{
	uint8_t *transport = s->header + s->transport;
	struct ipv4_header ip;
	struct tcp_header tcp;
	struct udp_header udp;

	s->sum = pseudo(s->header, s->tcp);
	if (s->v4) {
		memcpy(&ip, s->header, sizeof(ip));
		s->id = get_be16(ip.id);
		ip.id = ip.length = ip.checksum = put_be16(0);
		memcpy(s->header, &ip, sizeof(ip));
		s->ip_sum = checksum_add(0, s->header, s->transport);
	}
	if (s->tcp) {
		memcpy(&tcp, transport, sizeof(tcp));
		s->seq = get_be32(tcp.seq);
		s->flags = (uint16_t)(tcp.offset << 8 | tcp.flags);
		tcp.seq = put_be32(0);
		tcp.offset = tcp.flags = 0;
		tcp.checksum = put_be16(0);
		memcpy(transport, &tcp, sizeof(tcp));
	} else {
		memcpy(&udp, transport, sizeof(udp));
		udp.length = udp.checksum = put_be16(0);
		memcpy(transport, &udp, sizeof(udp));
	}
	s->sum = checksum_add(s->sum, transport, s->headers - s->transport);
}

bool split_begin(struct split *s, const struct vnet_header *v, uint8_t *packet, size_t len)
{
	const uint8_t type = v->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	const bool tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
	const size_t transport = v->csum_start;
	size_t headers;

	if ((!tcp && type != GSO_UDP_L4) || !(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || v->gso_size == 0)
		return false;
	if (len > OFFLOAD_SUPER_MAX || !is_ip(packet, len, transport, type != VIRTIO_NET_HDR_GSO_TCPV6,
					      type != VIRTIO_NET_HDR_GSO_TCPV4))
		return false;
	headers = transport + (tcp ? sizeof(struct tcp_header) : sizeof(struct udp_header));
	if (headers >= len)
		return false;
	if (tcp)
		headers = transport + (packet[transport + offsetof(struct tcp_header, offset)] >> 4) * 4u;
	if (headers >= len || headers > OFFLOAD_HEADERS_MAX ||
	    headers < transport + (tcp ? sizeof(struct tcp_header) : sizeof(struct udp_header)))
		return false;
	s->packet = packet;
	s->len = len;
	s->transport = transport;
	s->headers = headers;
	s->at = headers;
	s->size = v->gso_size;
	s->number = 0;
	s->v4 = packet[0] >> 4 == 4;
	s->tcp = tcp;
	memcpy(s->header, packet, headers);
	sum_common(s);
	return true;
}

static void put_ip(const struct split *s, uint8_t *out, size_t len)
{
	const uint16_t id = (uint16_t)(s->id + s->number);

	if (!s->v4) {
		put16(out + offsetof(struct ipv6_header, payload),
		      (uint16_t)(len - sizeof(struct ipv6_header)));
		return;
	}
	put16(out + offsetof(struct ipv4_header, length), (uint16_t)len);
	put16(out + offsetof(struct ipv4_header, id), id);
	put_sum(out + offsetof(struct ipv4_header, checksum),
		checksum_add16(checksum_add16(s->ip_sum, (uint16_t)len), id), false);
}

/* The sum of what it has put there. */
static uint64_t put_tcp(const struct split *s, uint8_t *transport, bool last)
{
	const uint32_t seq = s->seq + (uint32_t)(s->at - s->headers);
	const be32 bytes = put_be32(seq);
	uint16_t flags = s->flags;

	if (!last)
		flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
	if (s->number > 0)
		flags &= (uint16_t)~TCP_CWR;
	memcpy(transport + offsetof(struct tcp_header, seq), &bytes, sizeof(bytes));
	put16(transport + offsetof(struct tcp_header, offset), flags);
	return checksum_add16(checksum_add16(checksum_add16(0, (uint16_t)(seq >> 16)), (uint16_t)seq), flags);
}

uint8_t *split_next(struct split *s, size_t *len)
{
	const size_t left = s->len - s->at;
	const size_t payload = left < s->size ? left : s->size;
	const size_t upper = s->headers - s->transport + payload;
	uint8_t *out = s->packet + s->at - s->headers, *transport = out + s->transport;
	uint64_t sum;

	if (payload == 0)
		return NULL;
	*len = s->headers + payload;
	memcpy(out, s->header, s->headers);
	put_ip(s, out, *len);
	sum = checksum_add(checksum_add16(s->sum, (uint16_t)upper), s->packet + s->at, payload);
	if (s->tcp) {
		sum = checksum_carry(sum, put_tcp(s, transport, payload == left));
	} else {
		put16(transport + offsetof(struct udp_header, length), (uint16_t)upper);
		sum = checksum_add16(sum, (uint16_t)upper);
	}
	put_sum(transport + (s->tcp ? TCP_CHECKSUM : UDP_CHECKSUM), sum, !s->tcp);
	s->at += payload;
	s->number++;
	return out;
}

/* --- to the tunnel device --- */

/* Where the parts of a packet are that others may join, or that may join others. */
struct segment {
	size_t transport, headers, payload;
	bool tcp;
};

static bool find_transport(const uint8_t *packet, size_t len, struct segment *s, uint8_t *protocol)
{
	struct ipv4_header h;

	if (len >= sizeof(struct ipv6_header) && packet[0] >> 4 == 6) {
		s->transport = sizeof(struct ipv6_header);
		*protocol = packet[offsetof(struct ipv6_header, next)];
		return true;
	}
	if (len < sizeof(h) || packet[0] != 0x45)
		return false;
	memcpy(&h, packet, sizeof(h));
	s->transport = sizeof(h);
	*protocol = h.protocol;
	/* Without DF the id means something, and a super-packet has one for all. */
	return get_be16(h.fragment) == IPV4_DF;
}

/* A TCP segment with data and nothing out of the ordinary, or a UDP datagram with a checksum. */
static bool segment_of(const uint8_t *packet, size_t len, struct merge_kinds kinds, struct segment *s)
{
	struct tcp_header tcp;
	struct udp_header udp;
	uint8_t protocol;

	if (!find_transport(packet, len, s, &protocol))
		return false;
	s->tcp = protocol == IP_PROTOCOL_TCP;
	if (s->tcp && kinds.tcp && len - s->transport > sizeof(tcp)) {
		memcpy(&tcp, packet + s->transport, sizeof(tcp));
		s->headers = s->transport + (tcp.offset >> 4) * 4u;
		if ((tcp.flags & ~(TCP_PSH | TCP_ECE)) != TCP_ACK || tcp.offset >> 4 < 5 || s->headers >= len)
			return false;
	} else if (protocol == IP_PROTOCOL_UDP && kinds.udp && len - s->transport > sizeof(udp)) {
		memcpy(&udp, packet + s->transport, sizeof(udp));
		s->headers = s->transport + sizeof(udp);
		if (get_be16(udp.length) != len - s->transport || get_be16(udp.checksum) == 0)
			return false;
	} else {
		return false;
	}
	s->payload = len - s->headers;
	return true;
}

/* A super-packet is marked as good: its segments must have been. */
static bool is_intact(const uint8_t *packet, size_t len, const struct segment *s)
{
	const size_t upper = len - s->transport;
	uint64_t sum = checksum_add16(pseudo(packet, s->tcp), (uint16_t)upper);

	if (packet[0] >> 4 == 4 && checksum_fold(checksum_add(0, packet, s->transport)) != 0xffff)
		return false;
	return checksum_fold(checksum_add(sum, packet + s->transport, upper)) == 0xffff;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

static bool same_ip(const uint8_t *a, const uint8_t *b)
{
	if (a[0] >> 4 == 6)
		return same(a, b, 0, offsetof(struct ipv6_header, payload)) &&
		       same(a, b, offsetof(struct ipv6_header, next), sizeof(struct ipv6_header));
	return same(a, b, 0, offsetof(struct ipv4_header, length)) &&
	       same(a, b, offsetof(struct ipv4_header, fragment), offsetof(struct ipv4_header, checksum)) &&
	       same(a, b, offsetof(struct ipv4_header, src), sizeof(struct ipv4_header));
}

static bool same_tcp(const uint8_t *a, const uint8_t *b, size_t headers, uint32_t seq)
{
	struct tcp_header x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return get_be32(y.seq) == seq && same(a, b, 0, offsetof(struct tcp_header, seq)) &&
	       same(a, b, offsetof(struct tcp_header, ack), offsetof(struct tcp_header, flags)) &&
	       ((x.flags ^ y.flags) & ~TCP_PSH) == 0 &&
	       same(a, b, offsetof(struct tcp_header, window), offsetof(struct tcp_header, checksum)) &&
	       same(a, b, offsetof(struct tcp_header, urgent), headers);
}

static bool follows(const struct merge *m, const uint8_t *packet, const struct segment *s)
{
	const uint8_t *first = m->first;

	if (s->tcp != m->tcp || s->transport != m->transport || s->headers != m->headers ||
	    s->payload > m->size || !same_ip(first, packet))
		return false;
	first += s->transport;
	packet += s->transport;
	return s->tcp ? same_tcp(first, packet, s->headers - s->transport, m->next_seq)
		      : same(first, packet, 0, offsetof(struct udp_header, length));
}

static bool is_pushed(const uint8_t *packet, const struct segment *s)
{
	return s->tcp && packet[s->transport + offsetof(struct tcp_header, flags)] & TCP_PSH;
}

/* Of full size another must fit in, and behind that room must be left for one that does not join. */
static bool is_full(const struct merge *m)
{
	const size_t room = (size_t)(m->slab + MERGE_SLAB - MERGE_PACKET_MAX - m->packet);

	return m->n == OFFLOAD_MERGE_MAX ||
	       m->len + m->size > (room < OFFLOAD_SUPER_MAX ? room : OFFLOAD_SUPER_MAX);
}

/* The headers at `next` and what they stand over change places. */
static void uncover(struct merge *m)
{
	uint8_t headers[MERGE_HEADERS_MAX];

	memcpy(headers, m->next, m->covered);
	memcpy(m->next, m->under, m->covered);
	memcpy(m->under, headers, m->covered);
}

/* Behind the segment that has been taken last. */
static void go_on(struct merge *m, const struct segment *s, bool pushed)
{
	m->next_seq += (uint32_t)s->payload;
	m->pushed = pushed;
	m->closed = pushed || s->payload < m->size || is_full(m);
	m->covered = 0;
	if (m->closed)
		return;
	m->next = m->packet + m->len - m->headers;
	m->covered = m->headers;
	memcpy(m->under, m->next, m->covered);
}

static void begin(struct merge *m, size_t len, const struct segment *s)
{
	be32 seq;

	m->packet = m->next;
	m->n = 1;
	m->len = len;
	m->closed = true;
	if (!s)
		return;
	m->transport = s->transport;
	m->headers = s->headers;
	m->size = s->payload;
	m->tcp = s->tcp;
	memcpy(m->first, m->packet, s->headers);
	if (s->tcp) {
		memcpy(&seq, m->packet + s->transport + offsetof(struct tcp_header, seq), sizeof(seq));
		m->next_seq = get_be32(seq);
	}
	go_on(m, s, is_pushed(m->packet, s));
}

/* The checksum of the first segment is looked at only once there is a second. */
static bool uncover_first(struct merge *m)
{
	const struct segment first = { .transport = m->transport, .tcp = m->tcp };

	uncover(m);
	if (is_intact(m->packet, m->len, &first))
		return true;
	uncover(m);
	m->closed = true;
	return false;
}

static bool join(struct merge *m, size_t len, const struct segment *s)
{
	const bool pushed = is_pushed(m->next, s);

	if (!follows(m, m->next, s) || !is_intact(m->next, len, s))
		return false;
	if (m->n > 1)
		memcpy(m->next, m->under, m->covered);
	else if (!uncover_first(m))
		return false;
	m->n++;
	m->len += s->payload;
	go_on(m, s, pushed);
	return true;
}

void merge_init(struct merge *m, uint8_t *slab)
{
	m->slab = slab;
	m->n = 0;
	m->closed = false;
	merge_room(m);
}

uint8_t *merge_room(struct merge *m)
{
	if (m->n == 0) {
		m->next = m->slab + MERGE_AT;
		m->covered = 0;
	}
	return m->next;
}

bool merge_add(struct merge *m, struct merge_kinds kinds, size_t len)
{
	struct segment s;
	bool plain;

	if (m->n == 0) { /* its headers stand over nothing any more */
		memcpy(m->next, m->under, m->covered);
		m->covered = 0;
	}
	plain = segment_of(m->next, len, kinds, &s);
	if (m->n > 0)
		return plain && join(m, len, &s);
	begin(m, len, plain ? &s : NULL);
	return true;
}

/* One for all: the kernel wants the sum of the pseudo header where the checksum will be. */
static struct vnet_header put_super(struct merge *m)
{
	uint8_t *transport = m->packet + m->transport;
	const size_t upper = m->len - m->transport;
	const uint16_t sum = checksum_fold(checksum_add16(pseudo(m->packet, m->tcp), (uint16_t)upper));
	const struct vnet_header v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !m->tcp                  ? GSO_UDP_L4
			    : m->packet[0] >> 4 == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
						     : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = (uint16_t)m->headers,
		.gso_size = (uint16_t)m->size,
		.csum_start = (uint16_t)m->transport,
		.csum_offset = m->tcp ? TCP_CHECKSUM : UDP_CHECKSUM,
	};

	put_ip_length(m->packet, m->len, m->transport);
	if (!m->tcp)
		put16(transport + offsetof(struct udp_header, length), (uint16_t)upper);
	else if (m->pushed)
		transport[offsetof(struct tcp_header, flags)] |= TCP_PSH;
	memcpy(transport + v.csum_offset, &sum, sizeof(sum));
	return v;
}

const uint8_t *merge_finish(struct merge *m, size_t *len)
{
	struct vnet_header v = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	uint8_t *at = m->packet - sizeof(v);

	uncover(m);
	if (m->n > 1)
		v = put_super(m);
	memcpy(at, &v, sizeof(v)); /* where a packet ended that has been written */
	*len = sizeof(v) + m->len;
	m->n = 0;
	m->closed = false;
	return at;
}
