/* What the tunnel changes in an inner packet: MSS of SYNs, ECN, fragments; and that it changes nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "base/ip.h"
#include "base/wire.h"
#include "prng.h"
#include "proto/carry.h"

#define V4 20
#define V6 40
#define TCP 20

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned int v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void ipv4_sum(uint8_t *p)
{
	uint16_t sum;

	put16(p + 10, 0);
	sum = (uint16_t)~checksum_fold(checksum_add(0, p, (p[0] & 15u) * 4));
	memcpy(p + 10, &sum, 2);
}

static bool ipv4_sum_is_right(const uint8_t *p)
{
	return checksum_fold(checksum_add(0, p, (p[0] & 15u) * 4)) == 0xffff;
}

/* An IP packet of `payload` bytes, with `options` bytes of zero in the IPv4 header. */
static size_t ip_packet(uint8_t *p, bool v4, size_t options, uint8_t protocol, size_t payload)
{
	const size_t hlen = v4 ? V4 + options : V6;
	struct prng rng = { .state = payload + 1 };

	memset(p, 0, hlen);
	prng_fill(&rng, p + (v4 ? 12 : 8), v4 ? 8 : 32);
	prng_fill(&rng, p + hlen, payload);
	if (v4) {
		p[0] = (uint8_t)(0x40 | hlen / 4);
		put16(p + 2, (unsigned int)(hlen + payload));
		put16(p + 4, 0xbeef);
		p[8] = 64;
		p[9] = protocol;
		ipv4_sum(p);
	} else {
		p[0] = 0x60;
		put16(p + 4, (unsigned int)payload);
		p[6] = protocol;
		p[7] = 64;
	}
	return hlen + payload;
}

/* --- MSS --- */

static uint64_t tcp_sum(const uint8_t *p, size_t len, size_t at)
{
	const bool v4 = p[0] >> 4 == 4;
	uint64_t sum = checksum_add(0, p + (v4 ? 12 : 8), v4 ? 8 : 32);

	sum = checksum_add16(checksum_add16(sum, 6), (uint16_t)(len - at));
	return checksum_add(sum, p + at, len - at);
}

static size_t syn(uint8_t *p, bool v4, uint8_t flags, const uint8_t *options, size_t n, size_t data)
{
	const size_t at = v4 ? V4 : V6, len = ip_packet(p, v4, 0, 6, TCP + n + data);
	uint16_t sum;

	p[at + 12] = (uint8_t)((TCP + n) / 4 << 4);
	p[at + 13] = flags;
	memcpy(p + at + TCP, options, n);
	put16(p + at + 16, 0);
	sum = (uint16_t)~checksum_fold(tcp_sum(p, len, at));
	memcpy(p + at + 16, &sum, 2);
	return len;
}

#define SYN 0x02
#define SYN_ACK 0x12
static const uint8_t plain[] = { 2, 4, 0x05, 0xb4 };           /* 1460 */
static const uint8_t odd[] = { 1, 2, 4, 0x05, 0xb4, 0, 0, 0 }; /* at an odd place */
static const uint8_t later[] = { 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0x05, 0xb4, 1, 3, 3, 7 };

/* Changed to `want` (0: not), the sum stays right, and nothing else is touched. */
static void mss_case(bool v4, uint8_t flags, const uint8_t *options, size_t n, size_t place, size_t mtu,
		     unsigned int want)
{
	const size_t at = v4 ? V4 : V6;
	uint8_t p[256], before[256];
	const size_t len = syn(p, v4, flags, options, n, 33);
	uint8_t *copy = malloc(len);

	memcpy(before, p, len);
	memcpy(copy, p, len);
	assert_int_equal(carry_mss(copy, len, mtu), want != 0);
	if (want) {
		assert_int_equal(get16(copy + at + TCP + place), want);
		assert_int_equal(checksum_fold(tcp_sum(copy, len, at)), 0xffff);
		memcpy(copy + at + 16, before + at + 16, 2);
		memcpy(copy + at + TCP + place, before + at + TCP + place, 2);
	}
	assert_memory_equal(copy, before, len);
	free(copy);
}

static void test_mss(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		const unsigned int headers = v4 ? 40 : 60;

		for (size_t mtu = 600; mtu < 1420; mtu += 11) {
			mss_case(v4, SYN, plain, sizeof(plain), 2, mtu, (unsigned int)mtu - headers);
			mss_case(v4, SYN_ACK, odd, sizeof(odd), 3, mtu, (unsigned int)mtu - headers);
			mss_case(v4, SYN, later, sizeof(later), 14, mtu, (unsigned int)mtu - headers);
		}
		mss_case(v4, SYN, plain, sizeof(plain), 2, 1460 + headers, 0);
		mss_case(v4, SYN, plain, sizeof(plain), 2, 1459 + headers, 1459);
		mss_case(v4, 0x10, plain, sizeof(plain), 2, 1000, 0); /* no SYN */
		mss_case(v4, SYN, plain, sizeof(plain), 2, headers, 0);
	}
}

/* Options that are broken, or end before the MSS: nothing is touched, and nothing read behind the end. */
static void test_mss_broken(void **state)
{
	static const uint8_t bad[][8] = {
		{ 8, 0, 2, 4, 5, 180, 0, 0 }, { 8, 1, 2, 4, 5, 180, 0, 0 },   { 8, 9, 2, 4, 5, 180, 0, 0 },
		{ 1, 1, 1, 1, 1, 1, 1, 2 },   { 1, 1, 1, 1, 1, 2, 4, 5 },     { 0, 2, 4, 5, 180, 0, 0, 0 },
		{ 2, 3, 5, 2, 4, 5, 180, 0 }, { 2, 6, 5, 180, 5, 180, 0, 0 }, { 1, 1, 1, 1, 1, 1, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mss_case(true, SYN, bad[i], 8, 0, 1000, 0);
		mss_case(false, SYN, bad[i], 8, 0, 1000, 0);
	}
	/* Cut off anywhere, and with any length of header. */
	for (size_t cut = 0; cut < 60; cut++) {
		for (unsigned int words = 0; words < 16; words++) {
			uint8_t p[256];
			size_t len = syn(p, true, SYN, later, sizeof(later), 0);
			uint8_t *copy;

			if (cut > len - V4)
				continue;
			p[V4 + 12] = (uint8_t)(words << 4);
			copy = malloc(len - cut);
			memcpy(copy, p, len - cut);
			if (words != 10 || cut > 0)
				(void)carry_mss(copy, len - cut, 1000);
			free(copy);
		}
	}
}

static void test_mss_fragment(void **state)
{
	uint8_t p[256], before[256];
	const size_t len = syn(p, true, SYN, plain, sizeof(plain), 0);

	(void)state;
	put16(p + 6, 3); /* not the first: these bytes are no header */
	memcpy(before, p, len);
	assert_false(carry_mss(p, len, 1000));
	assert_memory_equal(p, before, len);
	put16(p + 6, 0x4000);
	p[9] = 17;
	assert_false(carry_mss(p, len, 1000));
}

/* --- ECN --- */

static void test_ecn(void **state)
{
	/* RFC 6040 figure 4: what is delivered, by inner (rows) and outer; -1: dropped. */
	static const int table[4][4] = {
		[ECN_NOT_ECT] = { [ECN_NOT_ECT] = 0, [ECN_ECT0] = 0, [ECN_ECT1] = 0, [ECN_CE] = -1 },
		[ECN_ECT0] = { [ECN_NOT_ECT] = 2, [ECN_ECT0] = 2, [ECN_ECT1] = 1, [ECN_CE] = 3 },
		[ECN_ECT1] = { [ECN_NOT_ECT] = 1, [ECN_ECT0] = 1, [ECN_ECT1] = 1, [ECN_CE] = 3 },
		[ECN_CE] = { [ECN_NOT_ECT] = 3, [ECN_ECT0] = 3, [ECN_ECT1] = 3, [ECN_CE] = 3 },
	};

	(void)state;
	for (unsigned int i = 0; i < 4 * 4 * 64; i++) {
		const unsigned int inner = i % 4, outer = i / 4 % 4, dscp = i / 16;
		const int want = table[inner][outer];
		uint8_t four[100], six[100], before[100];
		size_t len = ip_packet(four, true, 0, 17, 50);

		four[1] = (uint8_t)(dscp << 2 | inner);
		ipv4_sum(four);
		memcpy(before, four, len);
		assert_int_equal(carry_ecn(four, outer), want >= 0);
		if (want >= 0) {
			assert_int_equal(four[1], dscp << 2 | (unsigned int)want);
			assert_true(ipv4_sum_is_right(four));
			four[1] = before[1];
			memcpy(four + 10, before + 10, 2);
		}
		assert_memory_equal(four, before, len);

		len = ip_packet(six, false, 0, 17, 50);
		put16(six, 0x6000 | dscp << 6 | inner << 4 | 0x0a);
		memcpy(before, six, len);
		assert_int_equal(carry_ecn(six, outer), want >= 0);
		if (want >= 0) {
			assert_int_equal(get16(six), 0x6000 | dscp << 6 | (unsigned int)want << 4 | 0x0a);
			six[1] = before[1];
		}
		assert_memory_equal(six, before, len);
	}
}

/* --- fragments --- */

/* Puts the fragments of `p` together and holds each to what it must be. */
static void reassemble(const uint8_t *p, size_t len, size_t mtu)
{
	const size_t hlen = (p[0] & 15u) * 4;
	const unsigned int began = get16(p + 6);
	uint8_t *out = malloc(mtu), whole[4096];
	size_t at = 0, n, sum = 0;

	assert_true(carry_may_fragment(p, len, mtu));
	while ((n = carry_fragment(out, p, len, mtu, &at)) > 0) {
		assert_true(n <= mtu && n > hlen);
		assert_int_equal(get16(out + 2), n);
		assert_int_equal(get16(out + 4), 0xbeef);
		assert_true(ipv4_sum_is_right(out));
		assert_int_equal((get16(out + 6) & 0x1fff) * 8u, (began & 0x1fff) * 8u + sum);
		assert_int_equal((get16(out + 6) & 0x2000) != 0,
				 sum + n - hlen < len - hlen || began & 0x2000);
		memcpy(whole + sum, out + hlen, n - hlen);
		sum += n - hlen;
		assert_int_equal(at, sum);
	}
	assert_int_equal(sum, len - hlen);
	assert_memory_equal(whole, p + hlen, sum);
	free(out);
}

static void test_fragments(void **state)
{
	uint8_t p[4096];

	(void)state;
	for (size_t payload = 1; payload < 1500; payload += 7) {
		for (size_t mtu = 68; mtu < 1400; mtu += 131) {
			reassemble(p, ip_packet(p, true, 0, 17, payload), mtu);
		}
	}
}

static void test_fragment_of_fragment(void **state)
{
	uint8_t p[4096];
	const size_t len = ip_packet(p, true, 0, 17, 1200);

	(void)state;
	put16(p + 6, 0x2000 | 100);
	ipv4_sum(p);
	reassemble(p, len, 600);
	put16(p + 6, 100);
	ipv4_sum(p);
	reassemble(p, len, 600);
}

/* An option without the copied bit stands in the first fragment alone. */
static void test_fragment_options(void **state)
{
	uint8_t p[4096], out[600];
	const size_t len = ip_packet(p, true, 12, 17, 1000);
	static const uint8_t options[12] = {
		7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0
	}; /* record route, alert */
	size_t at = 0;

	(void)state;
	memcpy(p + V4, options, sizeof(options));
	ipv4_sum(p);
	assert_int_equal(carry_fragment(out, p, len, sizeof(out), &at), 32 + 568);
	assert_memory_equal(out + V4, options, sizeof(options));
	assert_int_equal(carry_fragment(out, p, len, sizeof(out), &at), 32 + 432);
	assert_memory_equal(out + V4, ((const uint8_t[]){ 1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 0 }), 12);
	assert_int_equal(carry_fragment(out, p, len, sizeof(out), &at), 0);
	reassemble(p, len, 68);
}

static void test_may_not_fragment(void **state)
{
	uint8_t p[4096];
	size_t len = ip_packet(p, true, 0, 17, 1000);

	(void)state;
	assert_true(carry_may_fragment(p, len, 600));
	assert_false(carry_may_fragment(p, len, 27)); /* no eight bytes in each */
	assert_false(carry_may_fragment(p, len, 10));
	put16(p + 6, IPV4_DF);
	assert_false(carry_may_fragment(p, len, 600));
	len = ip_packet(p, false, 0, 17, 1000);
	assert_false(carry_may_fragment(p, len, 600));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_mss_broken),
		cmocka_unit_test(test_mss_fragment),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_fragment_of_fragment),
		cmocka_unit_test(test_fragment_options),
		cmocka_unit_test(test_may_not_fragment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
