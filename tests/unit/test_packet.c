/* DATA and CONTROL: bytes that are pinned, every bit that is bound, and the locator that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "proto/packet.h"

static const uint8_t iv[PROTO_NONCE_LEN] = {
	0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b,
};
static const uint8_t locator[8] = { 1, 2, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5 };
static const uint8_t elsewhere[8] = { 1, 2, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5 };
static const char text[] = "what the inner packet says";

#define EPOCH 0x41
#define COUNTER UINT64_C(0x0a0b0c0d0e0f)

struct keys {
	struct aead_key *aead;
	struct mask_key *mask;
};

static void *key_alloc(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) / 64 * 64);

	assert_non_null(p);
	return p;
}

static struct keys keys_new(enum suite suite)
{
	struct keys k = { key_alloc(aead_key_size()), key_alloc(mask_key_size()) };
	uint8_t raw[32];

	for (int i = 0; i < 32; i++)
		raw[i] = (uint8_t)i;
	aead_key_init(k.aead, suite, raw);
	for (int i = 0; i < 32; i++)
		raw[i] = (uint8_t)(0x80 + i);
	mask_key_init(k.mask, suite, raw);
	return k;
}

static void keys_free(struct keys *k)
{
	aead_key_clear(k->aead);
	mask_key_clear(k->mask);
	free(k->aead);
	free(k->mask);
}

static size_t seal(uint8_t *packet, enum sealed_kind kind, struct keys *k)
{
	memcpy(packet + PROTO_HEADER_LEN, text, sizeof(text));
	return packet_seal(packet, packet + PROTO_HEADER_LEN, sizeof(text), kind, EPOCH, COUNTER, locator,
			   k->aead, iv, k->mask);
}

static bool opens(const uint8_t *packet, size_t len, struct keys *k)
{
	uint8_t copy[256];
	struct packet_id id = packet_unmask(packet, k->mask);
	bool ok;

	memcpy(copy, packet, len);
	ok = packet_open(copy + PROTO_HEADER_LEN, copy, len, &id, k->aead, iv);
	/* it opens as what was sealed, or shows nothing of it */
	assert_int_equal(memcmp(copy + PROTO_HEADER_LEN, text, sizeof(text)) == 0, ok);
	return ok;
}

static const enum suite suites[] = { SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305 };
static const enum sealed_kind kinds[] = { SEALED_DATA, SEALED_CONTROL };

/* By suite and type; made with another implementation of both ciphers (pyca/cryptography). */
static const char *const pinned[2][2] = {
	{ "14e3ef608880603e0102f0f1f2f3f4f5af077691cffeb3fa20dfaa3df8289a6f4120b6beba07d610"
	  "96009fab1fa3c121463495d961803e4acb1e18",
	  "1463ef608880603e0102f0f1f2f3f4f5af077691cffeb3fa20dfaa3df8289a6f4120b6beba07d610"
	  "96009f91a0d50f46c6681c05135a43df90b9e6" },
	{ "141511452ba837770102f0f1f2f3f4f56648cb509810b1f09eda253addbafb593756600ce19f9210"
	  "699e5e2df4c0ad44f7f595ae451e149205115f",
	  "149511452ba837770102f0f1f2f3f4f56648cb509810b1f09eda253addbafb593756600ce19f9210"
	  "699e5e3c12a896fbde963f19e4190fe40733c1" },
};

static void test_pinned_bytes(void **state)
{
	uint8_t packet[256];
	char hex[513];

	(void)state;
	for (int s = 0; s < 2; s++) {
		struct keys k = keys_new(suites[s]);

		for (int t = 0; t < 2; t++) {
			size_t len = seal(packet, kinds[t], &k);

			assert_int_equal(len, sizeof(text) + PROTO_OVERHEAD);
			hex_encode(hex, packet, len);
			assert_string_equal(hex, pinned[s][t]);
		}
		keys_free(&k);
	}
}

static void test_round_trip(void **state)
{
	uint8_t packet[256], before[256];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct keys k = keys_new(suites[i / 2]);
		size_t len = seal(packet, kinds[i % 2], &k);
		struct packet_id id;

		memcpy(before, packet, sizeof(before));
		id = packet_unmask(packet, k.mask);
		assert_memory_equal(before, packet, sizeof(before));
		assert_int_equal(id.kind, kinds[i % 2]);
		assert_int_equal(id.epoch, EPOCH);
		assert_true(id.counter == COUNTER);
		assert_true(packet_open(packet + PROTO_HEADER_LEN, packet, len, &id, k.aead, iv));
		assert_string_equal((char *)packet + PROTO_HEADER_LEN, text);
		keys_free(&k);
	}
}

/* One flipped bit anywhere, and it does not open; only DATA does not bind the locator. */
static void test_every_bit(void **state)
{
	uint8_t packet[256];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct keys k = keys_new(suites[i / 2]);
		size_t len = seal(packet, kinds[i % 2], &k);

		assert_true(opens(packet, len, &k));
		for (size_t bit = 0; bit < 8 * len; bit++) {
			bool in_locator = bit / 8 >= 8 && bit / 8 < 16;

			packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(opens(packet, len, &k), in_locator && kinds[i % 2] == SEALED_DATA);
			packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t n = PROTO_OVERHEAD; n < len; n++)
			assert_false(opens(packet, n, &k));
		keys_free(&k);
	}
}

/* A packet too short for a tag is refused, not read. */
static void test_too_short(void **state)
{
	struct keys k = keys_new(SUITE_AES_256_GCM);
	struct packet_id id = { .kind = SEALED_DATA };
	uint8_t *packet = calloc(1, PROTO_OVERHEAD);

	(void)state;
	for (size_t len = 0; len < PROTO_OVERHEAD; len++)
		assert_false(packet_open(packet + PROTO_HEADER_LEN, packet, len, &id, k.aead, iv));
	assert_int_equal(packet_seal(packet, packet + PROTO_HEADER_LEN, 0, SEALED_CONTROL, 0, 0, locator,
				     k.aead, iv, k.mask),
			 PROTO_OVERHEAD);
	id = packet_unmask(packet, k.mask);
	assert_true(packet_open(packet + PROTO_HEADER_LEN, packet, PROTO_OVERHEAD, &id, k.aead, iv));
	free(packet);
	keys_free(&k);
}

/* Whoever turns the masked bit on the way turns it behind the mask: the receiver takes one for the other. */
static void test_kind_is_bound(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct keys k = keys_new(suites[i / 2]);
		uint8_t packet[256];
		size_t len = seal(packet, kinds[i % 2], &k);

		packet[1] ^= SEALED_CONTROL;
		assert_int_equal(packet_unmask(packet, k.mask).kind, kinds[1 - i % 2]);
		assert_int_equal(packet_unmask(packet, k.mask).epoch, EPOCH);
		assert_false(opens(packet, len, &k));
		packet[1] ^= SEALED_CONTROL;
		assert_true(opens(packet, len, &k));
		packet[0] ^= 1;
		assert_false(opens(packet, len, &k));
		keys_free(&k);
	}
}

/* In clear both have the same first byte, and what is masked does not give them away. */
static void test_kinds_look_alike(void **state)
{
	struct keys k = keys_new(SUITE_AES_256_GCM);
	unsigned int top[2] = { 0 };
	uint8_t packet[256];

	(void)state;
	for (unsigned int i = 0; i < 4000; i++) {
		memcpy(packet + PROTO_HEADER_LEN, text, sizeof(text));
		packet_seal(packet, packet + PROTO_HEADER_LEN, sizeof(text), kinds[i % 2], 0, i, locator, k.aead, iv,
			    k.mask);
		assert_int_equal(packet[0], PACKET_SEALED);
		top[i % 2] += packet[1] >> 7;
	}
	assert_in_range(top[0], 900, 1100);
	assert_in_range(top[1], 900, 1100);
	keys_free(&k);
}

/* Of a number beyond the header's bits, these are told. */
static void test_late_epoch(void **state)
{
	struct keys k = keys_new(SUITE_AES_256_GCM);
	uint8_t packet[256], nonce[12], want[12];

	(void)state;
	for (int i = 0; i < 2; i++) {
		memcpy(packet + PROTO_HEADER_LEN, text, sizeof(text));
		packet_seal(packet, packet + PROTO_HEADER_LEN, sizeof(text), kinds[i], 0x80 | EPOCH, COUNTER, locator,
			    k.aead, iv, k.mask);
		assert_int_equal(packet_unmask(packet, k.mask).kind, kinds[i]);
		assert_int_equal(packet_unmask(packet, k.mask).epoch, EPOCH);
		assert_true(opens(packet, sizeof(text) + PROTO_OVERHEAD, &k));
	}
	packet_nonce(nonce, iv, 0x80 | EPOCH, COUNTER);
	packet_nonce(want, iv, EPOCH, COUNTER);
	assert_memory_equal(nonce, want, 12);
	keys_free(&k);
}

static void test_again_elsewhere(void **state)
{
	struct keys k = keys_new(SUITE_CHACHA20_POLY1305);
	uint8_t packet[256], before[256];
	size_t len;

	(void)state;
	len = seal(packet, SEALED_DATA, &k);
	memcpy(before, packet, sizeof(before));
	packet_set_locator(packet, elsewhere);
	assert_memory_equal(packet + 8, elsewhere, 8);
	memcpy(before + 8, elsewhere, 8);
	assert_memory_equal(packet, before, sizeof(before));
	assert_true(opens(packet, len, &k));
	len = seal(packet, SEALED_CONTROL, &k);
	packet_set_locator(packet, elsewhere);
	assert_false(opens(packet, len, &k));
	keys_free(&k);
}

/* Type and locator stand in clear (the kernel steers by them), the rest of the header does not. */
static void test_masked(void **state)
{
	static const uint8_t clear[7] = { EPOCH, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };
	uint8_t packet[256];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct keys k = keys_new(suites[i]);
		uint8_t m[16];

		seal(packet, SEALED_DATA, &k);
		mask_make(k.mask, m, packet + 16);
		assert_int_equal(packet[0], PACKET_SEALED);
		assert_memory_equal(packet + 8, locator, 8);
		for (int b = 0; b < 7; b++)
			assert_int_equal(packet[1 + b] ^ m[b], clear[b]);
		keys_free(&k);
	}
}

static void test_nonce(void **state)
{
	static const uint8_t want[12] = {
		0x40,        0x41,        0x42,        0x43,        0x44,        0x45 ^ EPOCH,
		0x46 ^ 0x0a, 0x47 ^ 0x0b, 0x48 ^ 0x0c, 0x49 ^ 0x0d, 0x4a ^ 0x0e, 0x4b ^ 0x0f,
	};
	uint8_t nonce[12];

	(void)state;
	packet_nonce(nonce, iv, EPOCH, COUNTER);
	assert_memory_equal(nonce, want, 12);
	packet_nonce(nonce, iv, 0, 0);
	assert_memory_equal(nonce, iv, 12);
}

static void test_classify(void **state)
{
	static const struct {
		uint8_t type;
		size_t least, most;
	} rows[] = {
		{ PACKET_HELLO, 1200, 1200 },
		{ PACKET_WELCOME, 1200, 1200 },
		{ PACKET_COOKIE, 64, 64 },
		{ PACKET_SEALED, 32, 2000 },
		{ PACKET_RESET, 32, 32 },
	};
	static uint8_t datagram[2000];

	(void)state;
	assert_int_equal(packet_classify(datagram, 0), 0);
	for (unsigned int type = 0; type < 256; type++) {
		size_t least = SIZE_MAX, most = 0;

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (rows[i].type == type) {
				least = rows[i].least;
				most = rows[i].most;
			}
		}
		datagram[0] = (uint8_t)type;
		for (size_t len = 1; len <= sizeof(datagram); len++)
			assert_int_equal(packet_classify(datagram, len),
					 len >= least && len <= most ? type : 0);
	}
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned_bytes),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_kind_is_bound),
		cmocka_unit_test(test_kinds_look_alike),
		cmocka_unit_test(test_late_epoch),
		cmocka_unit_test(test_again_elsewhere),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_classify),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
