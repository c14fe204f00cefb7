/* Addresses: strict parsing, canonical texts, masks, and families that stay apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct ip ip_of(const char *s)
{
	struct ip ip;

	assert_true(ip_parse(s, &ip));
	return ip;
}

static struct prefix prefix_of(const char *s)
{
	struct prefix p;

	assert_true(prefix_parse(s, &p));
	return p;
}

static void test_ip(void **state)
{
	static const char *const good[][2] = {
		{ "1.2.3.4", "1.2.3.4" },
		{ "::ffff:1.2.3.4", "1.2.3.4" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "::", "::" },
		{ "FD00:8::0002", "fd00:8::2" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
	};
	static const char *const bad[] = {
		"", "1.2.3", "1.2.3.4 ", " 1.2.3.4", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", ":", ":::",
		"fe80::1%1",
		"[::1]", "1.2.3.4:5", "1:2:3:4:5:6:7:8:9", "g::", "::ffff:1.2.3",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};
	char buf[IP_STRLEN];
	struct ip ip, before;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ip = ip_of(good[i][0]);
		assert_string_equal(ip_format(&ip, buf), good[i][1]);
	}
	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ip = before;
		assert_false(ip_parse(bad[i], &ip));
		assert_memory_equal(&ip, &before, sizeof(ip));
	}
}

static void test_ip_questions(void **state)
{
	struct ip a = ip_of("10.8.0.2");
	struct ip b = ip_from_v4((const uint8_t[]){ 10, 8, 0, 2 });
	struct ip c = ip_of("::10.8.0.2");

	(void)state;
	assert_true(ip_equal(&a, &b));
	assert_false(ip_equal(&a, &c));
	assert_true(ip_is_v4(&a));
	assert_false(ip_is_v4(&c));
	assert_true(ip_is_zero(&(struct ip){ { 0 } }));
	b = ip_of("0.0.0.0");
	assert_true(ip_is_zero(&b));
	assert_false(ip_is_zero(&a));
	b = ip_of("::1");
	assert_false(ip_is_zero(&b));
}

static void test_prefix(void **state)
{
	static const struct {
		const char *in;
		const char *out;
		uint8_t len;
	} good[] = {
		{ "10.8.0.1/24", "10.8.0.1/24", 120 },
		{ "10.8.0.1", "10.8.0.1", 128 },
		{ "10.8.0.1/32", "10.8.0.1", 128 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },
		{ "::/0", "::/0", 0 },
		{ "fd00:8::1/64", "fd00:8::1/64", 64 },
		{ "fd00:8::1", "fd00:8::1", 128 },
		{ "fd00:8::1/128", "fd00:8::1", 128 },
		{ "::ffff:10.8.0.1/120", "10.8.0.1/24", 120 },
		{ "1234:1234:1234:1234:1234:1234:1234:1234/127",
		  "1234:1234:1234:1234:1234:1234:1234:1234/127",
		  127 },
	};
	static const char *const bad[] = {
		"", "/", "/24", "10.8.0.1/", "10.8.0.1/33", "10.8.0.1/-1", "10.8.0.1/+1", "10.8.0.1/ 1",
		"10.8.0.1/024", "10.8.0.1/24/", "::/129", "::/1x", "::ffff:1.2.3.4/95",
		"10.8.0.1/255.255.255.0",
		"::/99999999999999999999",
	};
	char buf[PREFIX_STRLEN];
	struct prefix p, before;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		p = prefix_of(good[i].in);
		assert_int_equal(p.len, good[i].len);
		assert_string_equal(prefix_format(&p, buf), good[i].out);
	}
	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p = before;
		assert_false(prefix_parse(bad[i], &p));
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

static void test_endpoint(void **state)
{
	static const char *const good[] = {
		"1.2.3.4:5", "255.255.255.255:65535", "0.0.0.0:0", "[::1]:4433", "[fe80::1%3]:1",
		"[fe80:1234:1234:1234:1234:1234:1234:1234%4294967295]:65535",
	};
	static const char *const bad[] = {
		"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:05",
		"1.2.3.4:5 ", "::1:4433",
		"[::1]", "[::1]4433", "[::1]:", "[::1:4433", "::1]:4433", "[]:1", "[", "[:1", "]:1",
		"[1.2.3.4]:5",
		"[::1%1]:5", "[fe80::1%]:5", "[fe80::1%0]:5", "[fe80::1%eth0]:5", "[fe80::1%4294967296]:5",
		"1.2.3.4%1:5", "[::1]]:5", "vpn.example.net:5",
	};
	char buf[ENDPOINT_STRLEN];
	struct endpoint e, before;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(endpoint_parse(good[i], &e));
		assert_string_equal(endpoint_format(&e, buf), good[i]);
	}
	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = before;
		assert_false(endpoint_parse(bad[i], &e));
		assert_memory_equal(&e, &before, sizeof(e));
	}
	assert_true(endpoint_parse("[::ffff:1.2.3.4]:5", &e));
	assert_string_equal(endpoint_format(&e, buf), "1.2.3.4:5");
}

static void test_endpoint_equal(void **state)
{
	struct endpoint a = { .scope = 1, .port = 2 }, b = a;

	(void)state;
	assert_true(endpoint_equal(&a, &b));
	b.port = 3;
	assert_false(endpoint_equal(&a, &b));
	b = a;
	b.scope = 2;
	assert_false(endpoint_equal(&a, &b));
	b = a;
	b.ip.b[15] = 1;
	assert_false(endpoint_equal(&a, &b));
}

static void test_masked_bit_by_bit(void **state)
{
	struct ip ones, m;

	(void)state;
	memset(&ones, 0xff, sizeof(ones));
	for (unsigned int len = 0; len <= 128; len++) {
		m = ip_masked(&ones, (uint8_t)len);
		for (unsigned int bit = 0; bit < 128; bit++)
			assert_int_equal(m.b[bit / 8] >> (7 - bit % 8) & 1, bit < len);
	}
}

static void test_contains(void **state)
{
	static const struct {
		const char *prefix;
		const char *ip;
		bool yes;
	} rows[] = {
		{ "10.8.0.1/24", "10.8.0.255", true },
		{ "10.8.0.1/24", "10.8.1.0", false },
		{ "10.8.0.128/25", "10.8.0.127", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "fd00::1", true },
		{ "::/0", "10.0.0.1", false },
		{ "::/64", "10.0.0.1", false },
		{ "fd00::/8", "fdff::1", true },
		{ "fd00::/8", "fe00::1", false },
		{ "fd00::1", "fd00::1", true },
		{ "fd00::1", "fd00::2", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix p = prefix_of(rows[i].prefix);
		struct ip ip = ip_of(rows[i].ip);

		assert_int_equal(prefix_contains(&p, &ip), rows[i].yes);
	}
}

static bool is_broadcast(const char *network, const char *address)
{
	struct prefix p;
	struct ip ip;

	assert_true(prefix_parse(network, &p) && ip_parse(address, &ip));
	return prefix_is_broadcast(&p, &ip);
}

static void test_broadcast(void **state)
{
	(void)state;
	assert_true(is_broadcast("10.8.0.1/24", "10.8.0.255"));
	assert_true(is_broadcast("10.8.0.1/30", "10.8.0.3"));
	assert_true(is_broadcast("10.8.0.1/23", "10.8.1.255"));
	assert_false(is_broadcast("10.8.0.1/23", "10.8.0.255"));
	assert_false(is_broadcast("10.8.0.1/24", "10.8.1.255"));
	assert_false(is_broadcast("10.8.0.0/31", "10.8.0.1"));
	assert_false(is_broadcast("10.8.0.255/32", "10.8.0.255"));
	assert_false(is_broadcast("fd00:8::1/64", "fd00:8::ffff:ffff:ffff:ffff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broadcast),
		cmocka_unit_test(test_ip),
		cmocka_unit_test(test_ip_questions),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_endpoint_equal),
		cmocka_unit_test(test_masked_bit_by_bit),
		cmocka_unit_test(test_contains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
