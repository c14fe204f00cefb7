/* Inner packets: what counts as whole, and ICMP errors checked by a checksum of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "prng.h"
#include "proto/inner.h"

/* RFC 1071 by arithmetic modulo 65535, as unlike the code under test as can be; 0 when the sum is right. */
static uint32_t sum_mod(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum + (i % 2 ? p[i] : p[i] * 256u)) % 65535;
	return sum;
}

static struct ip ip_of(const char *s)
{
	struct ip ip;

	assert_true(ip_parse(s, &ip));
	return ip;
}

static size_t make_v4(uint8_t *p, size_t len, uint8_t protocol)
{
	static const uint8_t header[20] = {
		0x45, 0xb8, 0, 0, 0x12, 0x34, 0, 0, 64, 0, 0, 0, 10, 8, 0, 2, 192, 0, 2, 1,
	};

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + 3);
	memcpy(p, header, sizeof(header));
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	p[9] = protocol;
	return len;
}

static size_t make_v6(uint8_t *p, size_t len, uint8_t next)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + 3);
	memset(p, 0, 40);
	p[0] = 0x6b; /* traffic class 0xb8 */
	p[1] = 0x80;
	p[4] = (uint8_t)((len - 40) >> 8);
	p[5] = (uint8_t)(len - 40);
	p[6] = next;
	p[7] = 64;
	p[8] = 0xfd;
	p[23] = 2;
	p[24] = 0x20;
	p[25] = 0x01;
	p[39] = 1;
	return len;
}

static void test_parse(void **state)
{
	uint8_t p[100];
	struct inner in;
	char buf[IP_STRLEN];
	size_t len;

	(void)state;
	len = make_v4(p, 60, 17);
	assert_true(inner_parse(p, len, &in));
	assert_string_equal(ip_format(&in.src, buf), "10.8.0.2");
	assert_string_equal(ip_format(&in.dst, buf), "192.0.2.1");
	assert_int_equal(in.tos, 0xb8);
	assert_int_equal(in.len, 60);
	len = make_v6(p, 60, 17);
	assert_true(inner_parse(p, len, &in));
	assert_string_equal(ip_format(&in.src, buf), "fd00::2");
	assert_string_equal(ip_format(&in.dst, buf), "2001::1");
	assert_int_equal(in.tos, 0xb8);
	assert_int_equal(in.len, 60);
	assert_true(inner_parse(p, make_v4(p, 20, 17), &in));
	assert_true(inner_parse(p, make_v6(p, 40, 59), &in));
}

static bool is_link(const char *src, const char *dst, uint8_t protocol, uint8_t type)
{
	const struct ip from = ip_of(src), to = ip_of(dst);
	const bool v4 = ip_is_v4(&from);
	uint8_t p[80];
	struct inner in;

	if (v4) {
		make_v4(p, sizeof(p), protocol);
		memcpy(p + 12, from.b + 12, 4);
		memcpy(p + 16, to.b + 12, 4);
		p[20] = type;
	} else {
		make_v6(p, sizeof(p), protocol);
		memcpy(p + 8, from.b, 16);
		memcpy(p + 24, to.b, 16);
		p[40] = type;
	}
	assert_true(inner_parse(p, sizeof(p), &in));
	return in.link;
}

/* What no router forwards, and what any may. */
static void test_link(void **state)
{
	(void)state;
	assert_true(is_link("10.8.0.2", "224.0.0.251", 17, 0)); /* mDNS */
	assert_true(is_link("10.8.0.2", "224.0.0.22", 2, 0x22)); /* IGMP */
	assert_true(is_link("10.8.0.2", "239.255.255.250", 2, 0x16));
	assert_true(is_link("10.8.0.2", "255.255.255.255", 17, 0));
	assert_true(is_link("0.0.0.0", "10.8.0.1", 17, 0));
	assert_true(is_link("10.8.0.1", "10.8.0.2", 1, 5)); /* redirect */
	assert_false(is_link("10.8.0.1", "10.8.0.2", 1, 8));
	assert_false(is_link("10.8.0.1", "10.8.0.2", 17, 5));
	assert_false(is_link("10.8.0.2", "224.0.1.1", 17, 0));
	assert_false(is_link("10.8.0.2", "239.255.255.250", 17, 0));
	assert_false(is_link("10.8.0.2", "10.8.0.255", 17, 0)); /* whose network it is, the packet does not say */

	assert_true(is_link("fd00:8::2", "ff02::16", 0, 58)); /* MLD */
	assert_true(is_link("fd00:8::2", "ff02::fb", 17, 0));
	assert_true(is_link("fd00:8::2", "ff01::1", 17, 0));
	assert_true(is_link("fe80::1", "fd00:8::2", 17, 0));
	assert_true(is_link("fd00:8::2", "fe80::1", 17, 0));
	assert_true(is_link("::", "fd00:8::2", 17, 0));
	for (uint8_t type = 133; type <= 137; type++)
		assert_true(is_link("fd00:8::1", "fd00:8::2", 58, type));
	assert_false(is_link("fd00:8::1", "fd00:8::2", 58, 128));
	assert_false(is_link("fd00:8::1", "fd00:8::2", 17, 135));
	assert_false(is_link("fd00:8::2", "ff05::c", 17, 0));
}

static void test_parse_refuses(void **state)
{
	uint8_t p[100];
	struct inner in;

	(void)state;
	for (size_t len = 0; len < 100; len++) { /* any length but the header's own */
		make_v4(p, 60, 17);
		assert_int_equal(inner_parse(p, len, &in), len == 60);
		make_v6(p, 60, 17);
		assert_int_equal(inner_parse(p, len, &in), len == 60);
	}
	for (unsigned int version = 0; version < 16; version++) {
		make_v4(p, 60, 17);
		p[0] = (uint8_t)(version << 4 | 5);
		p[4] = 0; /* as IPv6 this would be a length of 20 */
		p[5] = 20;
		assert_int_equal(inner_parse(p, 60, &in), version == 4 || version == 6);
	}
	for (uint8_t ihl = 0; ihl < 16; ihl++) {
		make_v4(p, 40, 17);
		p[0] = 0x40 | ihl;
		assert_int_equal(inner_parse(p, 40, &in), ihl >= 5 && ihl <= 10);
	}
	for (int at = 8; at <= 24; at += 16) { /* ::ffff:10.8.0.2 in an IPv6 header is no IPv4 address */
		make_v6(p, 60, 17);
		memset(p + at, 0, 10);
		memset(p + at + 10, 0xff, 2);
		assert_false(inner_parse(p, 60, &in));
	}
}

static void test_checksum(void **state)
{
	static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	struct prng rng = { 5 };
	static uint8_t big[65535];
	uint8_t p[64];

	(void)state;
	assert_int_equal(inner_checksum(rfc1071, 8, 0), (uint16_t)~0xddf2);
	assert_int_equal(inner_checksum(p, 0, 0), 0xffff);
	memset(big, 0xff, sizeof(big));
	assert_int_equal(inner_checksum(big, sizeof(big), UINT32_MAX), (uint16_t)~0xff00);
	for (int i = 0; i < 1000; i++) {
		size_t len = prng_below(&rng, sizeof(p));
		uint32_t start = (uint32_t)prng_next(&rng);

		prng_fill(&rng, p, len);
		assert_int_equal((uint16_t)~inner_checksum(p, len, start) % 65535,
				 sum_mod(p, len, start % 65535));
	}
}

static void check_error_v4(const uint8_t *out, size_t n, const uint8_t *packet, size_t len, uint8_t code,
			   uint16_t mtu)
{
	size_t quote = len < 548 ? len : 548;
	struct inner in;
	char buf[IP_STRLEN];

	assert_int_equal(n, 28 + quote);
	assert_true(n <= 576);
	assert_true(inner_parse(out, n, &in));
	assert_string_equal(ip_format(&in.src, buf), "10.8.0.1");
	assert_string_equal(ip_format(&in.dst, buf), "10.8.0.2");
	assert_int_equal(out[0], 0x45);
	assert_int_equal(out[9], 1);
	assert_true(out[8] >= 64);
	assert_int_equal(sum_mod(out, 20, 0), 0);
	assert_int_equal(sum_mod(out + 20, n - 20, 0), 0);
	assert_int_equal(out[20], 3);
	assert_int_equal(out[21], code);
	assert_int_equal(out[24] << 24 | out[25] << 16 | out[26] << 8 | out[27], mtu);
	assert_memory_equal(out + 28, packet, quote);
}

static void test_errors_v4(void **state)
{
	static const size_t lengths[] = { 28, 29, 547, 548, 549, 1420, 9000 };
	static uint8_t packet[9000];
	uint8_t out[INNER_ICMP_MAX];
	struct ip self = ip_of("10.8.0.1");

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t len = make_v4(packet, lengths[i], 17), n;

		n = inner_unreachable(out, packet, len, INNER_NO_ROUTE, &self, 1400);
		check_error_v4(out, n, packet, len, 0, 0);
		n = inner_unreachable(out, packet, len, INNER_HOST_DOWN, &self, 1400);
		check_error_v4(out, n, packet, len, 1, 0);
		n = inner_unreachable(out, packet, len, INNER_TOO_BIG, &self, 1400);
		check_error_v4(out, n, packet, len, 4, 1400);
	}
}

static void check_error_v6(const uint8_t *out, size_t n, const uint8_t *packet, size_t len, uint8_t type,
			   uint8_t code, uint16_t mtu)
{
	size_t quote = len < 1232 ? len : 1232;
	struct inner in;
	char buf[IP_STRLEN];
	uint32_t sum;

	assert_int_equal(n, 48 + quote);
	assert_true(n <= 1280);
	assert_true(inner_parse(out, n, &in));
	assert_string_equal(ip_format(&in.src, buf), "fd00::1");
	assert_string_equal(ip_format(&in.dst, buf), "fd00::2");
	assert_int_equal(out[6], 58);
	sum = sum_mod(out + 8, 32, (uint32_t)(n - 40 + 58) % 65535); /* the pseudo header */
	assert_int_equal(sum_mod(out + 40, n - 40, sum), 0);
	assert_int_equal(out[40], type);
	assert_int_equal(out[41], code);
	assert_int_equal(out[44] << 24 | out[45] << 16 | out[46] << 8 | out[47], mtu);
	assert_memory_equal(out + 48, packet, quote);
}

static void test_errors_v6(void **state)
{
	static const size_t lengths[] = { 48, 49, 1231, 1232, 1233, 1420, 9000 };
	static uint8_t packet[9000];
	uint8_t out[INNER_ICMP_MAX];
	struct ip self = ip_of("fd00::1");

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t len = make_v6(packet, lengths[i], 17), n;

		n = inner_unreachable(out, packet, len, INNER_NO_ROUTE, &self, 1400);
		check_error_v6(out, n, packet, len, 1, 0, 0);
		n = inner_unreachable(out, packet, len, INNER_HOST_DOWN, &self, 1400);
		check_error_v6(out, n, packet, len, 1, 3, 0);
		n = inner_unreachable(out, packet, len, INNER_TOO_BIG, &self, 1400);
		check_error_v6(out, n, packet, len, 2, 0, 1400);
	}
}

static bool answers(const uint8_t *packet, size_t len, enum inner_unreachable why)
{
	struct ip self = packet[0] >> 4 == 4 ? ip_of("10.8.0.1") : ip_of("fd00::1");
	uint8_t out[INNER_ICMP_MAX];

	return inner_unreachable(out, packet, len, why, &self, 1400) > 0;
}

static void test_silence_v4(void **state)
{
	static const struct {
		uint8_t address[4];
		bool as_source, as_destination;
	} rows[] = {
		{ { 10, 8, 0, 9 }, true, true },        { { 0, 0, 0, 0 }, false, false },
		{ { 0, 1, 2, 3 }, false, false },       { { 127, 0, 0, 1 }, false, true },
		{ { 224, 0, 0, 1 }, false, false },     { { 239, 255, 255, 255 }, false, false },
		{ { 240, 0, 0, 1 }, false, false },     { { 255, 255, 255, 255 }, false, false },
		{ { 223, 255, 255, 254 }, true, true },
	};
	static const uint8_t queries[] = { 0, 8, 9, 10, 13, 14, 15, 16, 17, 18 };
	uint8_t p[60];
	struct ip v6 = ip_of("fd00::1");
	uint8_t out[INNER_ICMP_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_v4(p, 60, 17);
		memcpy(p + 12, rows[i].address, 4);
		assert_int_equal(answers(p, 60, INNER_NO_ROUTE), rows[i].as_source);
		make_v4(p, 60, 17);
		memcpy(p + 16, rows[i].address, 4);
		assert_int_equal(answers(p, 60, INNER_NO_ROUTE), rows[i].as_destination);
	}
	for (unsigned int type = 0; type < 256; type++) {
		make_v4(p, 60, 1);
		p[20] = (uint8_t)type;
		assert_int_equal(answers(p, 60, INNER_NO_ROUTE),
				 memchr(queries, (int)type, sizeof(queries)) != NULL);
		make_v4(p, 60, 17);
		p[20] = (uint8_t)type;
		assert_true(answers(p, 60, INNER_NO_ROUTE));
	}
	make_v4(p, 20, 1); /* ICMP without a type */
	assert_false(answers(p, 20, INNER_NO_ROUTE));
	make_v4(p, 60, 1); /* behind options */
	p[0] = 0x46;
	p[20] = 8;
	p[24] = 3;
	assert_false(answers(p, 60, INNER_NO_ROUTE));
	for (unsigned int bit = 0; bit < 16; bit++) { /* offset bits silence, flags do not */
		make_v4(p, 60, 17);
		p[6] = (uint8_t)(1u << bit >> 8);
		p[7] = (uint8_t)(1u << bit);
		assert_int_equal(answers(p, 60, INNER_TOO_BIG), bit >= 13);
	}
	make_v4(p, 60, 17);
	assert_int_equal(inner_unreachable(out, p, 60, INNER_NO_ROUTE, &v6, 0), 0);
	assert_false(answers(p, 59, INNER_NO_ROUTE));
}

static void test_silence_v6(void **state)
{
	uint8_t p[80], out[INNER_ICMP_MAX];
	struct ip v4 = ip_of("10.8.0.1");

	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		make_v6(p, 60, 58);
		p[40] = (uint8_t)type;
		assert_int_equal(answers(p, 60, INNER_NO_ROUTE), type >= 128 && type != 137);
	}
	assert_false(answers(p, make_v6(p, 40, 58), INNER_NO_ROUTE));
	make_v6(p, 60, 17);
	memset(p + 8, 0, 16); /* from :: */
	assert_false(answers(p, 60, INNER_NO_ROUTE));
	p[23] = 1; /* from ::1 */
	assert_false(answers(p, 60, INNER_NO_ROUTE));
	p[8] = 0xff; /* from multicast */
	assert_false(answers(p, 60, INNER_NO_ROUTE));
	make_v6(p, 60, 17);
	memset(p + 24, 0, 16); /* to :: */
	assert_false(answers(p, 60, INNER_NO_ROUTE));
	p[24] = 0xff; /* to multicast: only for path MTU discovery */
	assert_false(answers(p, 60, INNER_HOST_DOWN));
	assert_true(answers(p, 60, INNER_TOO_BIG));
	make_v6(p, 60, 17);
	assert_int_equal(inner_unreachable(out, p, 60, INNER_NO_ROUTE, &v4, 0), 0);
}

static void test_extension_headers(void **state)
{
	uint8_t p[80];

	(void)state;
	make_v6(p, 80, 0); /* hop by hop of 16, destination options of 8, ICMPv6 */
	p[40] = 60;
	p[41] = 1;
	p[56] = 58;
	p[57] = 0;
	p[64] = 1; /* destination unreachable */
	assert_false(answers(p, 80, INNER_NO_ROUTE));
	p[64] = 128; /* echo request */
	assert_true(answers(p, 80, INNER_NO_ROUTE));
	p[57] = 200; /* longer than the packet, whatever should follow */
	assert_false(answers(p, 80, INNER_NO_ROUTE));
	p[56] = 17;
	assert_false(answers(p, 80, INNER_NO_ROUTE));
	p[56] = 60;
	assert_false(answers(p, 80, INNER_NO_ROUTE));
	make_v6(p, 80, 44); /* fragments: the first is answered, a later one is not */
	p[40] = 17;
	p[42] = 0;
	p[43] = 1;
	assert_true(answers(p, 80, INNER_NO_ROUTE));
	p[43] = 8;
	assert_false(answers(p, 80, INNER_NO_ROUTE));
	p[42] = 1;
	p[43] = 0;
	assert_false(answers(p, 80, INNER_NO_ROUTE));
	make_v6(p, 44, 43); /* a header cut short */
	assert_false(answers(p, 44, INNER_NO_ROUTE));
	make_v6(p, 48, 43); /* nothing behind the last header */
	p[40] = 58;
	p[41] = 0;
	assert_false(answers(p, 48, INNER_NO_ROUTE));
}

/* Whatever the bytes: no read or write out of bounds (the sanitizers watch), and no longer than allowed. */
/* The last 8 bytes that a packet can have are at 65,527; beyond that a fragment can only do harm. */
static void test_overlong_fragments(void **state)
{
	uint8_t p[200];
	struct inner in;

	make_v4(p, 28, 17);
	p[6] = 0x1f;
	p[7] = 0xff; /* 65,528 and 28 */
	assert_false(inner_parse(p, 28, &in));
	p[7] = 0xfc; /* 65,504 and 28 */
	assert_true(inner_parse(p, 28, &in));
	p[7] = 0xfd; /* 65,512 and 28 */
	assert_false(inner_parse(p, 28, &in));
	make_v6(p, 40 + 8 + 8, 44);
	p[42] = 0xff;
	p[43] = 0xf1; /* 65,520 and 8, more to come */
	assert_true(inner_parse(p, 56, &in));
	p[43] = 0xf8; /* 65,528 and 8 */
	assert_false(inner_parse(p, 56, &in));
	make_v6(p, 40 + 4, 44); /* no room for the header */
	assert_false(inner_parse(p, 44, &in));
}

static void test_random_bytes(void **state)
{
	struct prng rng = { 6 };
	uint8_t p[128], out[INNER_ICMP_MAX];
	struct ip self[2] = { ip_of("10.8.0.1"), ip_of("fd00::1") };

	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t len = 40 + prng_below(&rng, 88);
		size_t v6 = prng_below(&rng, 2), n;

		if (v6)
			make_v6(p, len, (uint8_t)prng_below(&rng, 64));
		else
			make_v4(p, len, 1);
		for (int k = 0; k < 3; k++)
			p[40 + prng_below(&rng, len - 40 + 1) % (len - 39)] = (uint8_t)prng_below(&rng, 64);
		if (prng_below(&rng, 4) == 0)
			p[prng_below(&rng, 40)] ^= (uint8_t)prng_next(&rng);
		n = inner_unreachable(out, p, len, (enum inner_unreachable)prng_below(&rng, INNER_TOO_BIG + 1), &self[v6],
				      1280);
		assert_true(n == 0 || n == len + (v6 ? 48 : 28));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_errors_v4),
		cmocka_unit_test(test_errors_v6),
		cmocka_unit_test(test_silence_v4),
		cmocka_unit_test(test_silence_v6),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_overlong_fragments),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
