/*
 * Split and merge, held to each other and to checksums computed the plain way: every kind of super-packet comes apart
 * into segments that are whole packets by themselves, and the segments grow together into what they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

/* Puts a super-packet together again from what is to be written. */
static size_t gather(struct merge *m, struct super *out)
{
	size_t len = 0, n;
	const struct iovec *iov = merge_finish(m, &n);

	assert_int_equal(iov[0].iov_len, sizeof(out->vnet));
	memcpy(&out->vnet, iov[0].iov_base, sizeof(out->vnet));
	for (size_t i = 1; i < n; i++) {
		memcpy(out->packet + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return out->len = len;
}

static void test_checksum(void **state)
{
	struct prng rng = { 1 };
	uint8_t data[300];

	prng_fill(&rng, data, sizeof(data));
	for (size_t len = 0; len <= sizeof(data); len++) {
		const uint16_t folded = checksum_fold(checksum_add(0, data, len));
		uint8_t bytes[2];

		memcpy(bytes, &folded, 2);
		assert_int_equal(bytes[0] << 8 | bytes[1], plain_sum(data, len, 0));
	}
	memset(data, 0xff, sizeof(data));
	assert_int_equal(checksum_fold(checksum_add(UINT64_MAX, data, sizeof(data))), 0xffff);
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
		assert_int_equal(split_longest(&sp), tcp && fits[i / 4] < s.headers + 1340 ? fits[i / 4]
											   : s.headers + 1340);
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
		merge_init(&m);
		for (k = 0; k < n; k++) {
			assert_whole(segments[k], lengths[k], super.transport, tcp);
			assert_true(merge_add(&m, all_kinds, segments[k], lengths[k]));
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
	merge_init(&m);
	assert_true(merge_add(&m, all_kinds, segments[0], lengths[0]));
	return merge_add(&m, all_kinds, p, lengths[1]);
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

/* A segment that came broken is not made whole by its neighbours, whichever of the two it is. */
static void test_merge_keeps_errors(void **state)
{
	for (int broken = 0; broken < 2; broken++) {
		struct prng rng = { 9 };
		struct merge m;

		make(&super, &rng, true, true, 0, 3000, 1000);
		split_all(&super);
		segments[broken][500] ^= 1;
		merge_init(&m);
		assert_true(merge_add(&m, all_kinds, segments[0], lengths[0]));
		assert_false(merge_add(&m, all_kinds, segments[1], lengths[1]));
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
	size_t n;

	make(&super, &rng, true, true, 0, 2500, 1000);
	assert_int_equal(split_all(&super), 3);
	merge_init(&m);
	for (int i = 0; i < 3; i++)
		assert_true(merge_add(&m, all_kinds, segments[i], lengths[i]));
	memcpy(segments[3], segments[2], lengths[2]);
	assert_false(merge_add(&m, all_kinds, segments[3], lengths[2]));
	merge_finish(&m, &n);
	assert_int_equal(n, 4);

	split_all(&super);
	merge_init(&m);
	assert_true(merge_add(&m, all_kinds, segments[2], lengths[2]));
	assert_false(merge_add(&m, all_kinds, segments[0], lengths[0]));
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
	merge_init(&m);
	assert_true(merge_add(&m, none, segments[0], lengths[0]));
	assert_false(merge_add(&m, none, segments[1], lengths[1]));
	for (size_t len = 0; len < sizeof(scrap); len++) {
		memcpy(scrap, segments[1], sizeof(scrap));
		merge_init(&m);
		assert_true(merge_add(&m, all_kinds, scrap, len));
		assert_false(merge_add(&m, all_kinds, segments[1], lengths[1]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),           cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_split_to_fit),
		cmocka_unit_test(test_split_fields),       cmocka_unit_test(test_split_refuses),
		cmocka_unit_test(test_split_odd_headers),  cmocka_unit_test(test_lone_checksum),
		cmocka_unit_test(test_udp_zero),           cmocka_unit_test(test_merge_refuses),
		cmocka_unit_test(test_merge_keeps_errors), cmocka_unit_test(test_merge_ends),
		cmocka_unit_test(test_merge_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
