/* Published handshakes byte for byte; that each key matters; and that a failure leaves no trace. */
#include "proto/noise.h"

#include "crypto_util.h"

struct handshake { /* keys and payloads are the same in both figures below */
	enum suite suite;
	const char *hello, *welcome, *hash, *i2r, *r2i;
};

#define PROLOGUE "John Galt"
#define PAYLOAD1 "Ludwig von Mises"
#define PAYLOAD2 "Murray Rothbard"
#define LEN1 (sizeof(PAYLOAD1) - 1)
#define LEN2 (sizeof(PAYLOAD2) - 1)

static const struct handshake handshakes[] = {
	/* cacophony, Noise_IKpsk2_25519_AESGCM_SHA256; the keys are those its transport messages open with */
	{ SUITE_AES_256_GCM,
	  "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79445a1baf339186d7867062b0dd31f5de32"
	  "2d370165d217939b2b7ed9e2bae7840458ea65c2ce1554e0e8077fe7334c4bd514c658fd04d97b86d216f58f59714a7e"
	  "24144155045c8f36bed85a2cb0fd9af7",
	  "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432fe8d675e949799d2a968211a66cc7ba"
	  "2b0f4cad8eda3c2bd37eae737bbf88",
	  "48c3f1eb397c797af6b139032c6074cb41282ff033ee25d5aee4a4badd3a2c3f",
	  "e1072fe21ba85fdd0869fc3d78cbf5ac171619cf3cb12bd04e7a32d6982c601e",
	  "0d720f4a483e2c51eac1aef4dddbd01fddcb0401cbe6f16a93236c025199d4b4" },
	/* The same with ChaChaPoly, by a second, independent implementation, which also makes the above */
	{ SUITE_CHACHA20_POLY1305,
	  "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79442ec9b09893d0f510791784c10cbc959f"
	  "25b1766e0def6e301d14fbca1c7790ac829b8b3674f5f649a5f0e98479662cbfbf2b2c47cd4b09fcd266cd29d7cb675f"
	  "1808849707847840f6d178ec4d3733aa",
	  "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088439a1b3cebf680b2c74217fcb5eba4ff58"
	  "a9468cd90c4aca6194f57479b379a7",
	  "8310f86394dc0dabb40beb8210031556db4403ab1202db7034c526232147a700",
	  "0882b54e8defe5862312fac614327fd1a7e1573c07aaf02043d0c67c106c790c",
	  "2b0bc072be4059025a2f3ed8c0417abcfc6312d22e1f4a8b5727be4d3bce6852" },
};

struct pair {
	uint8_t psk[32], si[32], sr[32], ei[32], er[32];
	uint8_t si_pub[32], sr_pub[32];
	struct noise i, r;
	uint8_t hello[32 + 48 + LEN1 + 16];
	uint8_t welcome[32 + LEN2 + 16];
	uint8_t opened[32];
	struct noise_split is, rs;
};

static void pair_init(struct pair *p, enum suite suite)
{
	memset(p, 0, sizeof(*p));
	UNHEX(p->psk, "54686973206973206d7920417573747269616e20706572737065637469766521");
	UNHEX(p->si, "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
	UNHEX(p->sr, "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
	UNHEX(p->ei, "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
	UNHEX(p->er, "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");
	x25519_public(p->si_pub, p->si);
	x25519_public(p->sr_pub, p->sr);
	noise_init_initiator(&p->i, suite, PROLOGUE, strlen(PROLOGUE), p->si, p->si_pub, p->sr_pub, p->psk);
	noise_init_responder(&p->r, suite, PROLOGUE, strlen(PROLOGUE), p->sr, p->sr_pub);
}

static bool create_hello(struct pair *p)
{
	return noise_create_hello(&p->i, p->ei, p->hello, p->hello + 32, p->hello + 80, PAYLOAD1, LEN1);
}

static bool consume_hello(struct pair *p)
{
	return noise_consume_hello(&p->r, p->hello, p->hello + 32, p->hello + 80, LEN1 + 16, p->opened);
}

static bool create_welcome(struct pair *p)
{
	return noise_create_welcome(&p->r, p->er, p->psk, p->welcome, p->welcome + 32, PAYLOAD2, LEN2,
				    &p->rs);
}

static bool consume_welcome(struct pair *p)
{
	return noise_consume_welcome(&p->i, p->welcome, p->welcome + 32, LEN2 + 16, p->opened, &p->is);
}

/* `keeps`: both have the secret of their static keys from before. */
static void check_handshake(const struct handshake *h, bool keeps)
{
	uint8_t i_ss[32], r_ss[32];
	struct pair p;

	pair_init(&p, h->suite);
	if (keeps) {
		assert_true(noise_ss(i_ss, p.si, p.sr_pub));
		assert_true(noise_ss(r_ss, p.sr, p.si_pub));
		p.i.ss = i_ss;
		p.r.ss = r_ss;
	}
	assert_true(create_hello(&p));
	assert_hex(p.hello, sizeof(p.hello), h->hello);
	assert_true(consume_hello(&p));
	assert_memory_equal(p.opened, PAYLOAD1, LEN1);
	assert_memory_equal(p.r.rs, p.si_pub, 32);
	assert_true(create_welcome(&p));
	assert_hex(p.welcome, sizeof(p.welcome), h->welcome);
	assert_true(consume_welcome(&p));
	assert_memory_equal(p.opened, PAYLOAD2, LEN2);
	assert_memory_equal(&p.is, &p.rs, sizeof(p.is));
	assert_hex(p.is.h, 32, h->hash);
	assert_hex(p.is.i2r, 32, h->i2r);
	assert_hex(p.is.r2i, 32, h->r2i);
	noise_clear(&p.i);
	assert_true(is_all((const uint8_t *)&p.i, sizeof(p.i), 0));
}

static void test_figures(void **state)
{
	for (size_t n = 0; n < sizeof(handshakes) / sizeof(handshakes[0]); n++)
		for (int keeps = 0; keeps < 2; keeps++)
			check_handshake(&handshakes[n], keeps);
}

/* Plaintext may be opened where the ciphertext lies. */
static void test_in_place(void **state)
{
	struct pair p;

	pair_init(&p, SUITE_AES_256_GCM);
	assert_true(create_hello(&p));
	assert_true(noise_consume_hello(&p.r, p.hello, p.hello + 32, p.hello + 80, LEN1 + 16, p.hello + 80));
	assert_memory_equal(p.hello + 80, PAYLOAD1, LEN1);
	assert_true(create_welcome(&p));
	assert_true(noise_consume_welcome(&p.i, p.welcome, p.welcome + 32, LEN2 + 16, p.welcome + 32, &p.is));
	assert_memory_equal(p.welcome + 32, PAYLOAD2, LEN2);
	assert_memory_equal(&p.is, &p.rs, sizeof(p.is));
}

/* Every bit of a HELLO counts, but bit 255 of e, which counts in the hash. */
static void test_forged_hello(void **state)
{
	struct noise before;
	struct pair p;

	pair_init(&p, SUITE_CHACHA20_POLY1305);
	assert_true(create_hello(&p));
	before = p.r;
	for (size_t bit = 0; bit < 8 * sizeof(p.hello); bit++) {
		p.hello[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(consume_hello(&p));
		assert_memory_equal(&p.r, &before, sizeof(before));
		assert_true(is_all(p.opened, sizeof(p.opened), 0));
		p.hello[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < LEN1 + 16; len++) {
		assert_false(noise_consume_hello(&p.r, p.hello, p.hello + 32, p.hello + 80, len, p.opened));
		assert_memory_equal(&p.r, &before, sizeof(before));
	}
	assert_true(consume_hello(&p)); /* and it still works */
}

static void test_forged_welcome(void **state)
{
	struct noise_split none;
	struct noise before;
	struct pair p;

	pair_init(&p, SUITE_AES_256_GCM);
	assert_true(create_hello(&p) && consume_hello(&p) && create_welcome(&p));
	before = p.i;
	none = p.is;
	memset(p.opened, 0, sizeof(p.opened));
	for (size_t bit = 0; bit < 8 * sizeof(p.welcome); bit++) {
		p.welcome[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(consume_welcome(&p));
		assert_memory_equal(&p.i, &before, sizeof(before));
		assert_memory_equal(&p.is, &none, sizeof(none));
		assert_true(is_all(p.opened, sizeof(p.opened), 0));
		p.welcome[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(consume_welcome(&p));
}

/* Who holds another static key, PSK or prologue than agreed does not get through. */
static void test_wrong_keys(void **state)
{
	uint8_t other[32], other_pub[32];
	struct pair p;

	memset(other, 0x33, sizeof(other));
	x25519_public(other_pub, other);

	pair_init(&p, SUITE_AES_256_GCM); /* the responder is not the one meant */
	noise_init_responder(&p.r, SUITE_AES_256_GCM, PROLOGUE, strlen(PROLOGUE), other, other_pub);
	assert_true(create_hello(&p));
	assert_false(consume_hello(&p));

	pair_init(&p, SUITE_AES_256_GCM); /* the initiator does not own the public key it shows */
	noise_init_initiator(&p.i, SUITE_AES_256_GCM, PROLOGUE, strlen(PROLOGUE), other, p.si_pub, p.sr_pub,
			     p.psk);
	assert_true(create_hello(&p));
	assert_false(consume_hello(&p));

	pair_init(&p, SUITE_AES_256_GCM); /* another prologue */
	noise_init_responder(&p.r, SUITE_AES_256_GCM, "John Gald", 9, p.sr, p.sr_pub);
	assert_true(create_hello(&p));
	assert_false(consume_hello(&p));

	pair_init(&p, SUITE_AES_256_GCM); /* another PSK */
	assert_true(create_hello(&p) && consume_hello(&p));
	p.psk[31] ^= 1;
	assert_true(create_welcome(&p));
	assert_false(consume_welcome(&p));

	pair_init(&p, SUITE_AES_256_GCM); /* another suite */
	noise_init_responder(&p.r, SUITE_CHACHA20_POLY1305, PROLOGUE, strlen(PROLOGUE), p.sr, p.sr_pub);
	assert_true(create_hello(&p));
	assert_false(consume_hello(&p));
}

/* A low-order key would make the secret known to everybody: refused wherever it can come in. */
static void test_low_order(void **state)
{
	static const uint8_t zero[32];
	struct noise before;
	struct pair p;

	pair_init(&p, SUITE_AES_256_GCM); /* server key in the client's configuration */
	noise_init_initiator(&p.i, SUITE_AES_256_GCM, PROLOGUE, strlen(PROLOGUE), p.si, p.si_pub, zero,
			     p.psk);
	before = p.i;
	assert_false(create_hello(&p));
	assert_memory_equal(&p.i, &before, sizeof(before));

	pair_init(&p, SUITE_AES_256_GCM); /* e of HELLO */
	assert_true(create_hello(&p));
	memset(p.hello, 0, 32);
	before = p.r;
	assert_false(consume_hello(&p));
	assert_memory_equal(&p.r, &before, sizeof(before));

	pair_init(&p, SUITE_AES_256_GCM); /* s of HELLO, well sealed */
	noise_init_initiator(&p.i, SUITE_AES_256_GCM, PROLOGUE, strlen(PROLOGUE), p.si, zero, p.sr_pub,
			     p.psk);
	assert_true(create_hello(&p));
	before = p.r;
	assert_false(consume_hello(&p));
	assert_memory_equal(&p.r, &before, sizeof(before));

	pair_init(&p, SUITE_AES_256_GCM); /* e of WELCOME */
	assert_true(create_hello(&p) && consume_hello(&p) && create_welcome(&p));
	memset(p.welcome, 0, 32);
	before = p.i;
	assert_false(consume_welcome(&p));
	assert_memory_equal(&p.i, &before, sizeof(before));
}

static int start(void **state)
{
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures),      cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_forged_hello), cmocka_unit_test(test_forged_welcome),
		cmocka_unit_test(test_wrong_keys),   cmocka_unit_test(test_low_order),
	};

	return cmocka_run_group_tests_name("noise", tests, start, NULL);
}
