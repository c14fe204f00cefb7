/* The formulas of cookie.h, checked against their own words; and who gets no cookie, and when. */
#include "proto/cookie.h"

#include <stddef.h>

#include "base/hash.h"
#include "base/wire.h"
#include "crypto_util.h"

#define T0 ((struct jv_time){ INT64_C(1000000000) })

static const uint8_t server_public[32] = { 0x42, 1, 2, 3 };
static const uint8_t seed[32] = { 0xaa, 1, 2, 3 };
static const uint8_t nonce[16] = { 0x99, 8, 7 };
static const struct endpoint client = { .ip.b = { 0x20, 1, 0xd, 0xb8, [15] = 7 }, .port = 0x1234 };

struct world {
	struct cookie_keys keys;
	struct cookie_jar jar;
	struct packet_hello hello;
};

static void world_init(struct world *w)
{
	uint64_t random = 9;

	cookie_keys_derive(&w->keys, server_public);
	cookie_jar_init(&w->jar, seed);
	fill(&random, (uint8_t *)&w->hello, sizeof(w->hello));
	w->hello.type = PACKET_HELLO;
	w->hello.suite = SUITE_AES_256_GCM;
	cookie_sign_hello(&w->keys, &w->hello, NULL);
}

/* The cookie that the client gets from a COOKIE packet made now. */
static void fetch(struct world *w, const struct endpoint *from, uint8_t cookie[16])
{
	struct packet_cookie c;

	cookie_create(&w->jar, &w->keys, &w->hello, from, nonce, &c);
	assert_true(cookie_consume(&w->keys, &c, w->hello.mac1, cookie));
}

static bool accepted(struct world *w, const uint8_t cookie[16], const struct endpoint *from)
{
	static const uint8_t none[16];
	struct packet_hello h = w->hello;
	uint8_t used[16] = { 1 };
	bool ok;

	cookie_sign_hello(&w->keys, &h, cookie);
	ok = cookie_check_mac2(&w->jar, &h, from, used);
	assert_memory_equal(used, ok ? cookie : none, sizeof(used));
	return ok;
}

static void test_formulas(void **state)
{
	uint8_t key[32], full[32], cookie[16], where[18], secret[32];
	be64 number;
	struct packet_cookie c;
	struct world w;

	world_init(&w);
	sha256_2(key, "JumpVPN/1 mac1", 14, server_public, 32);
	assert_memory_equal(w.keys.mac1, key, 16);
	hash_mac(full, key, &w.hello, 96);
	assert_memory_equal(w.hello.mac1, full, 16);
	assert_true(is_all(w.hello.mac2, 16, 0));
	sha256_2(key, "JumpVPN/1 cookie", 16, server_public, 32);
	assert_memory_equal(w.keys.cookie, key, 32);

	cookie_jar_set(&w.jar, T0);
	number = put_be64((uint64_t)T0.us / 120000000 + 1);
	hmac_sha256_2(secret, seed, 32, number.b, 8, NULL, 0);
	memcpy(where, client.ip.b, 16);
	where[16] = 0x12;
	where[17] = 0x34;
	hash_mac(full, secret, where, 18);
	fetch(&w, &client, cookie);
	assert_memory_equal(cookie, full, 16);

	cookie_create(&w.jar, &w.keys, &w.hello, &client, nonce, &c);
	assert_int_equal(c.type, PACKET_COOKIE);
	assert_int_equal(c.suite, SUITE_AES_256_GCM);
	assert_true(is_all(c.zero, sizeof(c.zero), 0));
	assert_memory_equal(c.handshake_id, w.hello.handshake_id, 8);
	assert_memory_equal(c.nonce, nonce, 16);
	hmac_sha256_2(key, w.keys.cookie, 32, w.hello.mac1, 16, nonce, 16);
	assert_true(
		aead_open_once(SUITE_AES_256_GCM, key, full, (const uint8_t[12]){ 0 }, &c, 16, c.sealed, 32));
	assert_memory_equal(cookie, full, 16);

	cookie_sign_hello(&w.keys, &w.hello, cookie);
	hash_mac(full, cookie, w.hello.mac1, 16);
	assert_memory_equal(w.hello.mac2, full, 16);
}

static void test_reset(void **state)
{
	static const uint8_t locator[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t machine[32] = { 0 }, prk[32], key[32], other[32], expected[32], token[16];

	hkdf_extract(prk, NULL, 0, server_public, 32);
	hkdf_expand(expected, 32, prk, "JumpVPN/1 reset");
	reset_key_derive(key, server_public, machine);
	assert_memory_equal(key, expected, 32);
	machine[31] = 1;
	reset_key_derive(other, server_public, machine);
	assert_memory_not_equal(key, other, 32);
	hmac_sha256_2(expected, key, 32, locator, 8, NULL, 0);
	reset_token(token, key, locator);
	assert_memory_equal(token, expected, 16);
}

/* mac1: itself and all before the payload, which Noise covers. */
static void test_mac1_covers(void **state)
{
	struct world w;
	uint8_t *bytes = (uint8_t *)&w.hello;

	world_init(&w);
	assert_true(cookie_check_mac1(&w.keys, &w.hello));
	for (size_t i = 0; i < sizeof(w.hello); i++) {
		bytes[i] ^= 1;
		assert_int_equal(cookie_check_mac1(&w.keys, &w.hello),
				 i >= offsetof(struct packet_hello, payload) &&
					 (i < offsetof(struct packet_hello, mac1) ||
					  i >= offsetof(struct packet_hello, mac2)));
		bytes[i] ^= 1;
	}
	w.keys.mac1[0] ^= 1;
	assert_false(cookie_check_mac1(&w.keys, &w.hello));
}

/* mac2: mac1, and so what that covers once it is right. */
static void test_mac2_covers(void **state)
{
	struct world w;
	uint8_t *bytes = (uint8_t *)&w.hello, cookie[16], used[16];

	world_init(&w);
	cookie_jar_set(&w.jar, T0);
	assert_false(cookie_check_mac2(&w.jar, &w.hello, &client, used)); /* zeroes */
	fetch(&w, &client, cookie);
	cookie_sign_hello(&w.keys, &w.hello, cookie);
	assert_true(cookie_check_mac2(&w.jar, &w.hello, &client, used));
	for (size_t i = offsetof(struct packet_hello, mac1); i < sizeof(w.hello); i++) {
		bytes[i] ^= 1;
		assert_false(cookie_check_mac2(&w.jar, &w.hello, &client, used));
		bytes[i] ^= 1;
	}
}

static void test_cookie_is_of_one_address(void **state)
{
	struct endpoint other = client;
	uint8_t cookie[16];
	struct world w;

	world_init(&w);
	cookie_jar_set(&w.jar, T0);
	fetch(&w, &client, cookie);
	assert_true(accepted(&w, cookie, &client));
	other.port ^= 0x100;
	assert_false(accepted(&w, cookie, &other));
	other = client;
	other.ip.b[15] ^= 1;
	assert_false(accepted(&w, cookie, &other));
}

/* The zeroes in an empty place of the jar are known to everybody. */
static void test_empty_jar_accepts_nothing(void **state)
{
	struct world w, stranger;
	uint8_t cookie[16];

	world_init(&w);
	world_init(&stranger);
	stranger.jar.period = 1; /* secrets: zero */
	fetch(&stranger, &client, cookie);
	assert_false(accepted(&w, cookie, &client));
	cookie_jar_set(&w.jar, T0);
	assert_false(accepted(&w, cookie, &client));
}

/* Good in the two minutes it was made in and the two behind, however often the jar is asked meanwhile. */
static void rotated(uint64_t later_ms, bool good)
{
	uint8_t cookie[16];
	struct world w;

	world_init(&w);
	cookie_jar_set(&w.jar, T0);
	fetch(&w, &client, cookie);
	cookie_jar_set(&w.jar, time_add_ms(T0, later_ms / 2));
	cookie_jar_set(&w.jar, time_add_ms(T0, later_ms));
	assert_int_equal(accepted(&w, cookie, &client), good);
	fetch(&w, &client, cookie);
	assert_true(accepted(&w, cookie, &client));
}

static void test_rotation(void **state)
{
	const uint64_t left = PROTO_COOKIE_SECRET_MS - (uint64_t)T0.us / 1000 % PROTO_COOKIE_SECRET_MS;

	rotated(0, true);
	rotated(left, true);
	rotated(left + PROTO_COOKIE_SECRET_MS - 1, true);
	rotated(left + PROTO_COOKIE_SECRET_MS, false);
	rotated(100 * PROTO_COOKIE_SECRET_MS, false);
}

/* Every worker takes the cookie of every other; those of another run of the daemon, none. */
static void test_one_seed(void **state)
{
	struct world w, other;
	uint8_t cookie[16];

	world_init(&w);
	world_init(&other);
	cookie_jar_set(&w.jar, T0);
	cookie_jar_set(&other.jar, time_add_ms(T0, 1));
	fetch(&w, &client, cookie);
	assert_true(accepted(&other, cookie, &client));
	other.jar.seed[31] ^= 1;
	other.jar.period = 0;
	cookie_jar_set(&other.jar, T0);
	assert_false(accepted(&other, cookie, &client));
}

/* Only the answer to one's own HELLO, unchanged, is taken; else the caller's cookie stays as it was. */
static void test_consume(void **state)
{
	uint8_t cookie[16], mac1[16];
	struct packet_cookie c;
	uint8_t *bytes = (uint8_t *)&c;
	struct world w;

	world_init(&w);
	cookie_jar_set(&w.jar, T0);
	cookie_create(&w.jar, &w.keys, &w.hello, &client, nonce, &c);
	memset(cookie, 0x5a, sizeof(cookie));
	for (size_t i = 0; i < sizeof(c); i++) {
		bytes[i] ^= 3; /* of the suite: makes the other one */
		assert_false(cookie_consume(&w.keys, &c, w.hello.mac1, cookie));
		bytes[i] ^= 0x83;
		assert_false(cookie_consume(&w.keys, &c, w.hello.mac1, cookie));
		bytes[i] ^= 0x80;
	}
	memcpy(mac1, w.hello.mac1, 16);
	mac1[0] ^= 1;
	assert_false(cookie_consume(&w.keys, &c, mac1, cookie));
	assert_true(is_all(cookie, sizeof(cookie), 0x5a));
	assert_true(cookie_consume(&w.keys, &c, w.hello.mac1, cookie));
}

/* Whatever a stranger writes into the suite. */
static void test_any_suite(void **state)
{
	struct packet_cookie c;
	uint8_t cookie[16];
	struct world w;

	world_init(&w);
	cookie_jar_set(&w.jar, T0);
	for (unsigned int suite = 0; suite < 256; suite++) {
		w.hello.suite = (uint8_t)suite;
		cookie_create(&w.jar, &w.keys, &w.hello, &client, nonce, &c);
		assert_true(cookie_consume(&w.keys, &c, w.hello.mac1, cookie));
	}
}

static int start(void **state)
{
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formulas),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_mac1_covers),
		cmocka_unit_test(test_mac2_covers),
		cmocka_unit_test(test_cookie_is_of_one_address),
		cmocka_unit_test(test_empty_jar_accepts_nothing),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_one_seed),
		cmocka_unit_test(test_consume),
		cmocka_unit_test(test_any_suite),
	};

	return cmocka_run_group_tests_name("cookie", tests, start, NULL);
}
