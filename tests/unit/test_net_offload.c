/*
 * Split and merge, held to each other and to checksums computed the plain way: every kind of super-packet comes apart
 * into segments that are whole packets by themselves, and the segments grow together into what they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include "base/checksum.h"
#include "base/ip.h"
#include "base/wire.h"
#include "net/offload.h"
#include "unit/prng.h"

#define ROUNDS 400

static const struct merge_kinds all_kinds = { true, true };

struct super {
	struct vnet_header vnet;
	size_t len, transport, headers;
	uint8_t packet[OFFLOAD_SUPER_MAX];
};

static struct super super, other;
static uint8_t segments[OFFLOAD_MERGE_MAX + 1][2048];
static size_t lengths[OFFLOAD_MERGE_MAX + 1];
static uint8_t slab[MERGE_SLAB];

/* RFC 1071, two bytes at a time: the check on the fast one. */
static uint16_t plain_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t upper_sum(const uint8_t *packet, size_t len, size_t transport, uint8_t protocol)
{
	const bool v4 = packet[0] >> 4 == 4;
	uint32_t sum = plain_sum(packet + (v4 ? 12 : 8), v4 ? 8 : 32, 0);

	sum += protocol + (uint32_t)(len - transport);
	return plain_sum(packet + transport, len - transport, sum);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static size_t put_ip(uint8_t *p, bool v4, bool tcp, size_t len)
{
	static const uint8_t ip4[20] = { 0x45, 2, 0,  0, 0x12, 0xf0, 0x40, 0, 63, 0,
					 0,    0, 10, 8, 0,    2,    10,   8, 0,  1 };

	if (v4) {
		memcpy(p, ip4, sizeof(ip4));
		put16(p + 2, len);
		p[9] = tcp ? 6 : 17;
		put16(p + 10, (uint16_t)~plain_sum(p, 20, 0));
		return 20;
	}
	memset(p, 0, 40);
	p[0] = 0x60;
	p[1] = 0x20;
	p[3] = 9;
	put16(p + 4, len - 40);
	p[6] = tcp ? 6 : 17;
	p[7] = 64;
	p[8] = p[24] = 0xfd;
	p[23] = 2;
	p[39] = 1;
	return 40;
}

/* As the kernel hands it out: the checksum field holds the sum of the pseudo header. */
static void make(struct super *s, struct prng *rng, bool v4, bool tcp, size_t options, size_t payload,
		 uint16_t size)
{
	const size_t ip = v4 ? 20 : 40, upper = tcp ? 20 + options : 8;
	uint8_t *t = s->packet + ip;

	s->len = ip + upper + payload;
	s->transport = ip;
	s->headers = ip + upper;
	prng_fill(rng, t, upper + payload);
	put_ip(s->packet, v4, tcp, s->len);
	if (tcp) {
		t[12] = (uint8_t)((upper / 4) << 4);
		t[13] = TCP_ACK | TCP_PSH;
	} else {
		put16(t + 4, upper + payload);
	}
	put16(t + (tcp ? 16 : 6), 0);
	put16(t + (tcp ? 16 : 6), plain_sum(s->packet + (v4 ? 12 : 8), v4 ? 8 : 32,
					    (tcp ? 6u : 17u) + (uint32_t)(upper + payload)));
	s->vnet = (struct vnet_header){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !tcp ? 5
			    : v4 ? VIRTIO_NET_HDR_GSO_TCPV4
				 : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = (uint16_t)s->headers,
		.gso_size = size,
		.csum_start = (uint16_t)ip,
		.csum_offset = tcp ? 16 : 6,
	};
}

static void assert_whole(const uint8_t *packet, size_t len, size_t transport, bool tcp)
{
	if (packet[0] >> 4 == 4) {
		assert_int_equal(packet[2] << 8 | packet[3], len);
		assert_int_equal(plain_sum(packet, transport, 0), 0xffff);
	} else {
		assert_int_equal(packet[4] << 8 | packet[5], len - 40);
	}
	if (!tcp)
		assert_int_equal(packet[transport + 4] << 8 | packet[transport + 5], len - transport);
	assert_int_equal(upper_sum(packet, len, transport, tcp ? 6 : 17), 0xffff);
}

/* Splitting uses a super-packet up. */
static uint8_t *spare(const struct super *s)
{
	static uint8_t packet[OFFLOAD_SUPER_MAX];

	return memcpy(packet, s->packet, s->len);
}

static size_t split_all(const struct super *s)
{
	struct split sp;
	size_t n = 0, len;
	uint8_t *segment;

	assert_true(split_begin(&sp, &s->vnet, spare(s), s->len));
	while ((segment = split_next(&sp, &len))) {
		assert_in_range(len, 1, split_longest(&sp));
		memcpy(segments[n], segment, len);
		lengths[n++] = len;
	}
	return n;
}

/* As a caller has to: puts a packet into the room there is. Is it taken? */
static bool offer(struct merge *m, struct merge_kinds kinds, const uint8_t *packet, size_t len)
{
	if (merge_is_closed(m))
		return false;
	memcpy(merge_room(m), packet, len);
	return merge_add(m, kinds, len);
}

/* What is to be written, taken apart from its header. */
static size_t gather(struct merge *m, struct super *out)
{
	const uint8_t *at = merge_finish(m, &out->len);

	out->len -= sizeof(out->vnet);
	memcpy(&out->vnet, at, sizeof(out->vnet));
	memcpy(out->packet, at + sizeof(out->vnet), out->len);
	return out->len;
}

/* The path carries less than the sender's segments: TCP is cut otherwise, and all of it comes; UDP is as it is. */
static void test_split_to_fit(void **state)
{
	static const size_t fits[] = { 1400, 1300, 601, 100, 61 };

	for (unsigned int i = 0; i < 4 * 5; i++) {
		const bool v4 = i & 1, tcp = i & 2;
		struct prng rng = { i };
		struct split sp;
		struct super s;
		size_t n, sum = 0;
		uint8_t *segment;

		make(&s, &rng, v4, tcp, 0, 1500, 1340);
		assert_true(split_begin(&sp, &s.vnet, spare(&s), s.len));
		split_fit(&sp, fits[i / 4]);
		assert_int_equal(split_longest(&sp),
				 tcp && fits[i / 4] < s.headers + 1340 ? fits[i / 4] : s.headers + 1340);
		while ((segment = split_next(&sp, &n))) {
			assert_whole(segment, n, s.transport, tcp);
			assert_memory_equal(segment + s.headers, s.packet + s.headers + sum, n - s.headers);
			sum += n - s.headers;
		}
		assert_int_equal(sum, 1500);
		split_begin(&sp, &s.vnet, s.packet, s.len);
		split_fit(&sp, s.headers); /* no room for a single byte: left alone */
		assert_int_equal(sp.size, 1340);
	}
}

static void test_there_and_back(void **state)
{
	struct prng rng = { 2 };

	for (int i = 0; i < ROUNDS; i++) {
		const bool v4 = i & 1, tcp = i & 2;
		const size_t options = tcp ? prng_below(&rng, 11) * 4 : 0;
		const uint16_t size = (uint16_t)(1 + prng_below(&rng, 1400));
		const size_t most =
			(size_t)size * OFFLOAD_MERGE_MAX < 64000 ? (size_t)size * OFFLOAD_MERGE_MAX : 64000;
		const size_t payload = 1 + prng_below(&rng, most);
		struct merge m;
		size_t n, k;

		make(&super, &rng, v4, tcp, options, payload, size);
		n = split_all(&super);
		assert_int_equal(n, (payload + size - 1) / size);
		merge_init(&m, slab);
		for (k = 0; k < n; k++) {
			assert_whole(segments[k], lengths[k], super.transport, tcp);
			assert_true(offer(&m, all_kinds, segments[k], lengths[k]));
		}
		assert_int_equal(gather(&m, &other), super.len);
		if (n == 1) {
			assert_int_equal(other.vnet.gso_type, 0);
			assert_whole(other.packet, other.len, super.transport, tcp);
			continue;
		}
		assert_memory_equal(&other.vnet, &super.vnet, sizeof(super.vnet));
		assert_memory_equal(other.packet, super.packet, super.len);
	}
}

/* What a segment carries of its super-packet's flags and numbers. */
static void test_split_fields(void **state)
{
	struct prng rng = { 3 };

	make(&super, &rng, true, true, 12, 3000, 1000);
	super.packet[20 + 13] = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR;
	super.vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	put16(super.packet + 20 + 4, 0xffff); /* the sequence number wraps */
	put16(super.packet + 20 + 6, 0xff00);
	assert_int_equal(split_all(&super), 3);
	for (unsigned int i = 0; i < 3; i++) {
		const uint8_t *t = segments[i] + 20;

		assert_int_equal(segments[i][4] << 8 | segments[i][5], 0x12f0 + i);
		assert_int_equal(t[13], TCP_ACK | (i == 0 ? TCP_CWR : 0) | (i == 2 ? TCP_PSH | TCP_FIN : 0));
		assert_int_equal((uint32_t)t[4] << 24 | t[5] << 16 | t[6] << 8 | t[7], 0xffffff00 + 1000 * i);
		assert_whole(segments[i], lengths[i], 20, true);
	}
}

static void test_split_refuses(void **state)
{
	struct prng rng = { 4 };
	struct split s;

	make(&super, &rng, true, true, 0, 3000, 1000);
	assert_true(split_begin(&s, &super.vnet, super.packet, super.len));
#define REFUSED(change)                                                              \
	do {                                                                         \
		other = super;                                                       \
		change;                                                              \
		assert_false(split_begin(&s, &other.vnet, other.packet, other.len)); \
	} while (0)
	REFUSED(other.vnet.gso_size = 0);
	REFUSED(other.vnet.gso_type = 3);
	REFUSED(other.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6);
	REFUSED(other.vnet.flags = 0);
	REFUSED(other.vnet.csum_start = 24);
	REFUSED(other.vnet.csum_start = 65535);
	REFUSED(other.len = 0);
	REFUSED(other.len = 20);
	REFUSED(other.len = 40);
	REFUSED(other.packet[32] = 0x40);
	REFUSED(other.packet[0] = 0x55);
	make(&super, &rng, false, false, 0, 3000, 1000);
	REFUSED(other.len = 48);
	REFUSED(other.vnet.csum_start = 36);
	REFUSED(other.packet[0] = 0x45);
}

/* An extension header before the transport header, and IPv4 options, are carried along. */
static void test_split_odd_headers(void **state)
{
	struct prng rng = { 5 };
	size_t n;

	make(&super, &rng, false, true, 0, 2500, 1000);
	memmove(super.packet + 48, super.packet + 40, super.len - 40);
	memset(super.packet + 40, 0, 8);
	super.packet[40] = 6;
	super.packet[6] = 60;
	super.len += 8;
	super.vnet.csum_start = 48;
	n = split_all(&super);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(segments[i][6], 60);
		assert_whole(segments[i], lengths[i], 48, true);
	}
}

static void test_lone_checksum(void **state)
{
	struct prng rng = { 6 };

	for (int i = 0; i < 40; i++) {
		const bool v4 = i & 1, tcp = i & 2;

		make(&super, &rng, v4, tcp, 0, 1 + prng_below(&rng, 1000), 1);
		super.vnet.gso_type = 0;
		assert_true(offload_checksum(&super.vnet, super.packet, super.len));
		assert_whole(super.packet, super.len, super.transport, tcp);
		super.vnet.csum_offset = (uint16_t)(super.len - super.transport - 1);
		assert_false(offload_checksum(&super.vnet, super.packet, super.len));
	}
}

/* A UDP checksum that comes out as zero is sent as its other zero. */
static void test_udp_zero(void **state)
{
	struct prng rng = { 7 };
	uint16_t sum;

	make(&super, &rng, true, false, 0, 20, 10);
	sum = upper_sum(super.packet, super.len, 20, 17);
	super.vnet.gso_type = 0;
	other = super;
	assert_true(offload_checksum(&other.vnet, other.packet, other.len));
	sum = (uint16_t)(other.packet[26] << 8 | other.packet[27]);
	put16(super.packet + 28,
	      plain_sum(super.packet + 28, 2, sum)); /* what was the checksum goes into the data */
	assert_true(offload_checksum(&super.vnet, super.packet, super.len));
	assert_int_equal(super.packet[26] << 8 | super.packet[27], 0xffff);
}

/* Two good segments, `change` made to the second (with its checksums mended): do they join? */
static bool joins(bool v4, bool tcp, void (*change)(uint8_t *ip, uint8_t *t))
{
	struct prng rng = { 8 };
	const size_t transport = v4 ? 20 : 40;
	uint8_t *p = segments[1], *t = p + transport;
	struct merge m;

	make(&super, &rng, v4, tcp, tcp ? 12 : 0, 3000, 1000);
	split_all(&super);
	if (change) {
		change(p, t);
		if (v4) {
			put16(p + 10, 0);
			put16(p + 10, (uint16_t)~plain_sum(p, 20, 0));
		}
		put16(t + (tcp ? 16 : 6), 0);
		put16(t + (tcp ? 16 : 6), (uint16_t)~upper_sum(p, lengths[1], transport, tcp ? 6 : 17));
	}
	merge_init(&m, slab);
	assert_true(offer(&m, all_kinds, segments[0], lengths[0]));
	return offer(&m, all_kinds, p, lengths[1]);
}

static void change_tos(uint8_t *ip, uint8_t *t)
{
	ip[1] ^= 1;
}
static void change_class(uint8_t *ip, uint8_t *t)
{
	ip[1] ^= 0x10;
}
static void change_ttl4(uint8_t *ip, uint8_t *t)
{
	ip[8]--;
}
static void change_hops(uint8_t *ip, uint8_t *t)
{
	ip[7]--;
}
static void change_df(uint8_t *ip, uint8_t *t)
{
	ip[6] = 0;
}
static void change_source4(uint8_t *ip, uint8_t *t)
{
	ip[15]++;
}
static void change_target6(uint8_t *ip, uint8_t *t)
{
	ip[39]++;
}
static void change_port(uint8_t *ip, uint8_t *t)
{
	t[1]++;
}
static void change_target_port(uint8_t *ip, uint8_t *t)
{
	t[3]++;
}
static void change_seq(uint8_t *ip, uint8_t *t)
{
	t[7]++;
}
static void change_ack(uint8_t *ip, uint8_t *t)
{
	t[11]++;
}
static void change_window(uint8_t *ip, uint8_t *t)
{
	t[15]++;
}
static void change_option(uint8_t *ip, uint8_t *t)
{
	t[31]++;
}
static void set_fin(uint8_t *ip, uint8_t *t)
{
	t[13] |= TCP_FIN;
}
static void set_rst(uint8_t *ip, uint8_t *t)
{
	t[13] |= 4;
}
static void set_urg(uint8_t *ip, uint8_t *t)
{
	t[13] |= 0x20;
}
static void set_ece(uint8_t *ip, uint8_t *t)
{
	t[13] |= TCP_ECE;
}
static void set_cwr(uint8_t *ip, uint8_t *t)
{
	t[13] |= TCP_CWR;
}
static void set_push(uint8_t *ip, uint8_t *t)
{
	t[13] |= TCP_PSH;
}

static void test_merge_refuses(void **state)
{
	assert_true(joins(true, true, NULL) && joins(false, true, NULL) && joins(true, false, NULL) &&
		    joins(false, false, NULL));
	assert_true(joins(true, true, set_push));
	assert_false(joins(true, true, change_tos));
	assert_false(joins(true, false, change_tos));
	assert_false(joins(false, true, change_class));
	assert_false(joins(true, true, change_ttl4));
	assert_false(joins(false, false, change_hops));
	assert_false(joins(true, true, change_df));
	assert_false(joins(true, false, change_source4));
	assert_false(joins(false, true, change_target6));
	assert_false(joins(true, false, change_port));
	assert_false(joins(true, true, change_target_port));
	assert_false(joins(true, true, change_seq));
	assert_false(joins(true, true, change_ack));
	assert_false(joins(true, true, change_window));
	assert_false(joins(true, true, change_option));
	assert_false(joins(true, true, set_fin));
	assert_false(joins(true, true, set_rst));
	assert_false(joins(true, true, set_urg));
	assert_false(joins(true, true, set_ece));
	assert_false(joins(true, true, set_cwr));
}

/* A segment that came broken, in its data or its IPv4 header, is not made whole by its neighbours, whichever of the two
 * it is. */
static void test_merge_keeps_errors(void **state)
{
	static const size_t at[] = { 500, 10, 4 };

	for (int i = 0; i < 6; i++) {
		const int broken = i % 2;
		struct prng rng = { 9 };
		struct merge m;

		make(&super, &rng, true, true, 0, 3000, 1000);
		split_all(&super);
		segments[broken][at[i / 2]] ^= 1;
		merge_init(&m, slab);
		assert_true(offer(&m, all_kinds, segments[0], lengths[0]));
		assert_false(offer(&m, all_kinds, segments[1], lengths[1]));
		assert_int_equal(gather(&m, &other), lengths[0]);
		assert_memory_equal(other.packet, segments[0], lengths[0]);
		assert_int_equal(other.vnet.flags, 0);
	}
}

/* A short segment is the last, a pushed one too, and a longer one begins anew. */
static void test_merge_ends(void **state)
{
	struct prng rng = { 10 };
	struct merge m;

	make(&super, &rng, true, true, 0, 2500, 1000);
	assert_int_equal(split_all(&super), 3);
	merge_init(&m, slab);
	for (int i = 0; i < 3; i++)
		assert_true(offer(&m, all_kinds, segments[i], lengths[i]));
	memcpy(segments[3], segments[2], lengths[2]);
	assert_false(offer(&m, all_kinds, segments[3], lengths[2]));
	assert_int_equal(m.n, 3);
	assert_int_equal(gather(&m, &other), super.len);

	split_all(&super);
	merge_init(&m, slab);
	assert_true(offer(&m, all_kinds, segments[2], lengths[2]));
	assert_false(offer(&m, all_kinds, segments[0], lengths[0]));
}

/* Fragments, options, other protocols and kinds switched off travel alone. */
static void test_merge_alone(void **state)
{
	const struct merge_kinds none = { false, false };
	struct prng rng = { 11 };
	struct merge m;
	uint8_t scrap[64];

	make(&super, &rng, true, true, 0, 3000, 1000);
	split_all(&super);
	merge_init(&m, slab);
	assert_true(offer(&m, none, segments[0], lengths[0]));
	assert_false(offer(&m, none, segments[1], lengths[1]));
	for (size_t len = 0; len < sizeof(scrap); len++) {
		memcpy(scrap, segments[1], sizeof(scrap));
		merge_init(&m, slab);
		assert_true(offer(&m, all_kinds, scrap, len));
		assert_false(offer(&m, all_kinds, segments[1], lengths[1]));
	}
}

/* One segment of an endless stream. */
static size_t make_one(uint32_t seq, size_t size, uint8_t flags)
{
	struct prng rng = { 12 };

	make(&super, &rng, true, true, 0, size, 1);
	put16(super.packet + 24, seq >> 16);
	put16(super.packet + 26, seq & 0xffff);
	super.packet[20 + 13] = flags;
	super.vnet.gso_type = 0;
	assert_true(offload_checksum(&super.vnet, super.packet, super.len));
	return super.len;
}

/* How many of a stream come together, the `pushed`th with PSH. */
static size_t run_of(size_t size, size_t pushed)
{
	struct merge m;
	size_t n = 0;

	merge_init(&m, slab);
	for (bool taken = true; taken; n += taken)
		taken = offer(
			&m, all_kinds, super.packet,
			make_one((uint32_t)(n * size), size, n + 1 == pushed ? TCP_ACK | TCP_PSH : TCP_ACK));
	assert_in_range(gather(&m, &other), 40, OFFLOAD_SUPER_MAX);
	assert_int_equal(other.packet[20 + 13], n == pushed ? TCP_ACK | TCP_PSH : TCP_ACK);
	return n;
}

static void test_merge_bounds(void **state)
{
	assert_int_equal(run_of(100, 0), OFFLOAD_MERGE_MAX);
	assert_int_equal(run_of(1380, 0), (65535 - 40) / 1380);
	assert_int_equal(run_of(8960, 0), (65535 - 40) / 8960);
	for (size_t pushed = 1; pushed < 10; pushed++)
		assert_int_equal(run_of(500, pushed), pushed);
}

/* Two streams in turn: nothing joins, and each packet begins where the last one ended, until there is no more room. */
static void test_merge_stays_in(void **state)
{
	struct merge m;
	size_t most = 0;

	merge_init(&m, slab);
	for (uint32_t i = 0; i < 500; i++) {
		const size_t at = (size_t)(merge_room(&m) - slab), len = make_one(i % 2 << 20, 5000, TCP_ACK);

		assert_in_range(at, sizeof(super.vnet), MERGE_SLAB - MERGE_PACKET_MAX);
		most = at > most ? at : most;
		if (!offer(&m, all_kinds, super.packet, len)) {
			assert_int_equal(gather(&m, &other), len);
			assert_true(merge_add(&m, all_kinds, len));
		}
		if (merge_is_closed(&m))
			gather(&m, &other);
	}
	assert_in_range(most, MERGE_SLAB - 4 * MERGE_PACKET_MAX, MERGE_SLAB);
}

/* What the kernel makes of a super-packet has its short segment at the end, and nowhere else. */
static void test_merge_ends_short(void **state)
{
	static const size_t sizes[] = { 1000, 1000, 999, 1000 };
	struct merge m;
	uint32_t seq = 0;

	merge_init(&m, slab);
	for (int i = 0; i < 4; i++) {
		const size_t len = make_one(seq, sizes[i], TCP_ACK);

		assert_int_equal(offer(&m, all_kinds, super.packet, len), i < 3);
		seq += (uint32_t)sizes[i];
	}
}

#define FLOWS 3
#define MIXED 600

/* What came, in its order: packets of some flows, mixed, and what is no segment. */
struct mixed {
	struct prng rng;
	struct super flow[FLOWS];
	struct split split[FLOWS + 1];
	uint8_t packet[MIXED][2048];
	size_t len[MIXED], n, seen, alone;
};

static void next_of(struct mixed *x, unsigned int flow)
{
	const bool tcp = flow != 1, v4 = flow != 2;
	struct split *sp = &x->split[flow];
	uint8_t *segment;

	if (flow == FLOWS) { /* ICMP, or a fragment of whatever */
		x->len[x->n] = 21 + prng_below(&x->rng, 1400);
		prng_fill(&x->rng, x->packet[x->n], x->len[x->n]);
		put_ip(x->packet[x->n], true, prng_below(&x->rng, 2), x->len[x->n]);
		x->packet[x->n][6] = 0x20;
		x->n++;
		x->alone++;
		return;
	}
	segment = sp->packet ? split_next(sp, &x->len[x->n]) : NULL;
	if (!segment) {
		make(&x->flow[flow], &x->rng, v4, tcp, tcp ? prng_below(&x->rng, 11) * 4 : 0,
		     1 + prng_below(&x->rng, 60000), (uint16_t)(1000 + prng_below(&x->rng, 400)));
		assert_true(split_begin(sp, &x->flow[flow].vnet, x->flow[flow].packet, x->flow[flow].len));
		segment = split_next(sp, &x->len[x->n]);
	}
	memcpy(x->packet[x->n], segment, x->len[x->n]);
	if (prng_below(&x->rng, 20) == 0)
		x->packet[x->n][x->len[x->n] - 1] ^= 1; /* broken: to be passed on as it is */
	x->n++;
}

/* What is written is what came, one by one or together. */
static void see(struct mixed *x, struct merge *m)
{
	size_t n = 1;

	gather(m, &super);
	if (!vnet_is_super(&super.vnet)) {
		memcpy(segments[0], super.packet, super.len);
		lengths[0] = super.len;
	} else {
		n = split_all(&super);
	}
	for (size_t i = 0; i < n; i++, x->seen++) {
		assert_in_range(x->seen, 0, x->n - 1);
		assert_int_equal(lengths[i], x->len[x->seen]);
		assert_memory_equal(segments[i], x->packet[x->seen], lengths[i]);
	}
}

/* Flows that take turns, packets that do not come to be (another tag than they should have), pauses: nothing is lost,
 * changed or out of order, and what belongs together still finds together. */
static void test_merge_mixed(void **state)
{
	static struct mixed x;
	uint8_t *exact = malloc(MERGE_SLAB); /* nobody leaves it unnoticed */

	assert_non_null(exact);
	for (unsigned int seed = 0; seed < 20; seed++) {
		size_t written = 0;
		struct merge m;

		memset(&x, 0, sizeof(x));
		x.rng = (struct prng){ seed };
		merge_init(&m, exact);
		for (unsigned int flow = 0; x.n < MIXED;) {
			if (prng_below(&x.rng, seed % 2 ? 4 : 40) == 0)
				flow = prng_below(&x.rng, FLOWS + 1);
			next_of(&x, flow);
			if (merge_is_closed(&m) || prng_below(&x.rng, 50) == 0) {
				written += m.n > 0;
				if (m.n > 0)
					see(&x, &m);
			}
			if (prng_below(&x.rng, 10) == 0)
				prng_fill(&x.rng, merge_room(&m), 1 + prng_below(&x.rng, MERGE_PACKET_MAX));
			if (!offer(&m, all_kinds, x.packet[x.n - 1], x.len[x.n - 1])) {
				x.n--; /* it is not there yet */
				see(&x, &m);
				x.n++;
				written++;
				assert_true(merge_add(&m, all_kinds, x.len[x.n - 1]));
			}
		}
		see(&x, &m);
		assert_int_equal(x.seen, MIXED);
		assert_in_range(written, x.alone, x.alone + (seed % 2 ? MIXED / 2 : MIXED / 5));
	}
	free(exact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),     cmocka_unit_test(test_split_to_fit),
		cmocka_unit_test(test_split_fields),       cmocka_unit_test(test_split_refuses),
		cmocka_unit_test(test_split_odd_headers),  cmocka_unit_test(test_lone_checksum),
		cmocka_unit_test(test_udp_zero),           cmocka_unit_test(test_merge_refuses),
		cmocka_unit_test(test_merge_keeps_errors), cmocka_unit_test(test_merge_ends),
		cmocka_unit_test(test_merge_alone),        cmocka_unit_test(test_merge_bounds),
		cmocka_unit_test(test_merge_stays_in),     cmocka_unit_test(test_merge_ends_short),
		cmocka_unit_test(test_merge_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
