/* Published vectors, by every implementation; then all implementations against each other. */
#include "crypto/crypto.h"

#include <stdlib.h>

#include "crypto_util.h"

#define LEN_MAX 2000

static const enum suite suites[] = { SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305 };

static uint8_t *key_memory(size_t size)
{
	uint8_t *p = aligned_alloc(64, (size + 63) / 64 * 64);

	assert_non_null(p);
	memset(p, 0xee, size); /* init must not rely on zeroes */
	return p;
}

static void test_describe(void **state)
{
	assert_non_null(strstr(crypto_describe(), "AES-256-GCM by "));
	assert_non_null(strstr(crypto_describe(), "X25519 by "));
	assert_int_equal(crypto_init(), 0); /* again: harmless */
}

static void test_equal_and_wipe(void **state)
{
	uint8_t a[33], b[33];

	memset(a, 7, sizeof(a));
	memset(b, 7, sizeof(b));
	assert_true(crypto_equal(a, b, sizeof(a)));
	assert_true(crypto_equal(a, b, 0));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		assert_false(crypto_equal(a, b, sizeof(a)));
		assert_true(crypto_equal(a, b, i));
		b[i] ^= 0x80;
	}
	crypto_wipe(a, sizeof(a) - 1);
	assert_true(is_all(a, sizeof(a) - 1, 0));
	assert_int_equal(a[sizeof(a) - 1], 7);
}

static void test_sha256(void **state)
{
	uint8_t out[32];

	/* FIPS 180-4: "abc", in all its cuts */
	for (size_t cut = 0; cut <= 3; cut++) {
		sha256_2(out, "abc", cut, &"abc"[cut], 3 - cut);
		assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	}
	sha256_2(out, NULL, 0, NULL, 0);
	assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_hmac(void **state)
{
	uint8_t out[32], key[131];

	/* RFC 4231, case 2 */
	hmac_sha256_2(out, (const uint8_t *)"Jefe", 4, "what do ya want ", 16, "for nothing?", 12);
	assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	/* RFC 4231, case 6: a key longer than a block */
	memset(key, 0xaa, sizeof(key));
	hmac_sha256_2(out, key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54,
		      NULL, 0);
	assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_hkdf(void **state)
{
	uint8_t ikm[22], salt[13], prk[32], okm[42];

	/* RFC 5869, A.1 */
	memset(ikm, 0x0b, sizeof(ikm));
	UNHEX(salt, "000102030405060708090a0b0c");
	hkdf_extract(prk, salt, sizeof(salt), ikm, sizeof(ikm));
	assert_hex(prk, 32, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
	hkdf_expand(okm, sizeof(okm), prk, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
	assert_hex(okm, 42,
		   "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	/* RFC 5869, A.3: no salt, no info */
	hkdf_extract(prk, NULL, 0, ikm, sizeof(ikm));
	assert_hex(prk, 32, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
	hkdf_expand(okm, sizeof(okm), prk, "");
	assert_hex(okm, 42,
		   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

/* Noise's HKDF is RFC 5869's with the chaining key as salt and no info. */
static void test_noise_hkdf(void **state)
{
	uint8_t ck[32], ikm[32], prk[32], all[96], o[3][32];
	uint64_t seed = 1;

	fill(&seed, ck, sizeof(ck));
	fill(&seed, ikm, sizeof(ikm));
	hkdf_extract(prk, ck, sizeof(ck), ikm, sizeof(ikm));
	hkdf_expand(all, sizeof(all), prk, "");
	noise_hkdf(o[0], o[1], o[2], ck, ikm, sizeof(ikm));
	assert_memory_equal(o, all, sizeof(all));
	noise_hkdf(NULL, o[1], NULL, ck, ikm, sizeof(ikm));
	assert_memory_equal(o[1], all + 32, 32);
	noise_hkdf(ck, o[1], NULL, ck, ikm, sizeof(ikm)); /* as MixKey does: onto its own input */
	assert_memory_equal(ck, all, 32);
	assert_memory_equal(o[1], all + 32, 32);
}

static void check_x25519(const char *private_key, const char *public_key, const char *shared)
{
	uint8_t k[32], u[32], out[32], expected[32];

	UNHEX(k, private_key);
	UNHEX(u, public_key);
	UNHEX(expected, shared);
	assert_true(x25519(out, k, u));
	assert_memory_equal(out, expected, 32);
	for (unsigned int i = 0; x25519_vector_name(i); i++) {
		memset(out, 0xee, sizeof(out));
		assert_true(x25519_vector(i, out, k, u));
		assert_memory_equal(out, expected, 32);
	}
}

static void test_x25519(void **state)
{
	uint8_t k[32], out[32];

	/* RFC 7748, 5.2; the second has the top bit of u set */
	check_x25519("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	check_x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		     "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		     "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
	/* RFC 7748, 6.1 */
	check_x25519("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	x25519_public(out, UNHEX(k, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
	assert_hex(out, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	x25519_public(out, UNHEX(k, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
	assert_hex(out, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	/* Not below p, alone and with the top bit set: RFC 7748, 5 (Wycheproof X25519, tcId 89 and 99) */
	check_x25519("88dd14e2711ebd0b0026c651264ca965e7e3da5082789fbab7e24425e7b4377e",
		     "f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		     "6919992d6a591e77b3f2bacbd74caf3aea4be4802b18b2bc07eb09ade3ad6662");
	check_x25519("c85f08e60c845f82099141a66dc4583d2b1040462c544d33d0453b20b1a6377e",
		     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		     "e9db74bc88d0d9bf046ddd13f943bccbe6dbb47d49323f8dfeedc4a694991a3c");
}

/* RFC 7748, 5.2: the output is the next scalar, the scalar the next point. */
static void test_x25519_iterated(void **state)
{
	for (unsigned int i = 0; x25519_vector_name(i); i++) {
		uint8_t k[32] = { 9 }, u[32] = { 9 }, out[32];

		for (int round = 0; round < 1000; round++) {
			assert_true(x25519_vector(i, out, k, u));
			memcpy(u, k, 32);
			memcpy(k, out, 32);
			if (round == 0)
				assert_hex(
					k, 32,
					"422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
		}
		assert_hex(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
	}
}

static void test_x25519_low_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	uint8_t k[32], u[32], out[32];

	memset(k, 0x77, sizeof(k));
	for (size_t p = 0; p < sizeof(points) / sizeof(points[0]); p++)
		for (unsigned int i = 0; x25519_vector_name(i); i++) {
			memset(out, 0xee, sizeof(out));
			assert_false(x25519_vector(i, out, k, UNHEX(u, points[p])));
			assert_true(is_all(out, sizeof(out), 0));
		}
}

static void test_x25519_agree(void **state)
{
	uint8_t k[32], u[32], first[32], out[32];
	uint64_t seed = 2;

	for (int round = 0; round < 50; round++) {
		fill(&seed, k, sizeof(k));
		fill(&seed, u, sizeof(u));
		assert_true(x25519_vector(0, first, k, u));
		for (unsigned int i = 1; x25519_vector_name(i); i++) {
			assert_true(x25519_vector(i, out, k, u));
			assert_memory_equal(out, first, 32);
		}
	}
}

struct aead_figure {
	enum suite suite;
	const char *key, *nonce, *ad, *plain, *sealed;
};

static const struct aead_figure figures[] = {
	/* RFC 8439, 2.8.2 */
	{ SUITE_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	  "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492063"
	  "6f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	  "637265656e20776f756c642062652069742e",
	  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
	  "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	  "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691" },
	/* The Galois/Counter Mode of Operation (McGrew, Viega), test cases 13, 14 and 16 */
	{ SUITE_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ SUITE_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ SUITE_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
	  "b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
	  "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b" },
	/* Wycheproof AES-GCM, tcId 91 and 102 */
	{ SUITE_AES_256_GCM, "92ace3e348cd821092cd921aa3546374299ab46209691bc28b8752d17f123c20",
	  "00112233445566778899aabb", "00000000ffffffff", "00010203040506070809",
	  "e27abdd2d2a53d2f136b9a4a2579529301bcfb71c78d4060f52c" },
	{ SUITE_AES_256_GCM, "f32364b1d339d82e4f132d8f4a0ec1ff7e746517fa07ef1a7f422f4e25a48194",
	  "5a86a50a0e8a179c734b996d", "ab2ac7c44c60bdf8228c7884adb20184",
	  "43891bccb522b1e72a6b53cf31c074e9d6c2df8e",
	  "43dda832e942e286da314daa99bef5071d9d2c78c3922583476ced575404ddb85dd8cd44" },
};

static void check_figure(const struct aead_figure *f)
{
	uint8_t key[32], nonce[12], ad[32], plain[128], sealed[144], out[144];
	size_t adlen = strlen(f->ad) / 2, len = strlen(f->plain) / 2;
	bool lacks;

	UNHEX(key, f->key);
	UNHEX(nonce, f->nonce);
	unhex(ad, adlen, f->ad);
	unhex(plain, len, f->plain);
	unhex(sealed, len + 16, f->sealed);
	aead_seal_once(f->suite, key, out, nonce, ad, adlen, plain, len);
	assert_memory_equal(out, sealed, len + 16);
	assert_true(aead_open_once(f->suite, key, out, nonce, ad, adlen, sealed, len + 16));
	assert_memory_equal(out, plain, len);
	assert_non_null(aead_vector_name(0, f->suite));
	for (unsigned int i = 0; aead_vector_name(i, f->suite); i++) {
		assert_true(
			aead_vector_seal(i, f->suite, key, 32, out, nonce, ad, adlen, plain, len, &lacks));
		assert_memory_equal(out, sealed, len + 16);
		assert_true(aead_vector_open(i, f->suite, key, 32, out, nonce, ad, adlen, sealed, len + 16,
					     &lacks));
		assert_memory_equal(out, plain, len);
	}
}

static void test_aead_figures(void **state)
{
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		check_figure(&figures[i]);
}

struct text {
	enum suite suite;
	size_t klen, adlen, len;
	uint8_t key[32], nonce[12], ad[64], plain[LEN_MAX];
};

static void draw(struct text *t, uint64_t *seed, enum suite suite, size_t len)
{
	static const size_t klens[] = { 16, 24, 32 };

	t->suite = suite;
	t->klen = suite == SUITE_AES_256_GCM ? klens[next_number(seed) % 3] : 32;
	t->adlen = next_number(seed) % (sizeof(t->ad) + 1);
	t->len = len;
	fill(seed, t->key, sizeof(t->key));
	fill(seed, t->nonce, sizeof(t->nonce));
	fill(seed, t->ad, t->adlen);
	fill(seed, t->plain, len);
}

/* One byte more than what is asked for stands behind each buffer and must survive. */
static void seal_and_compare(const struct text *t, unsigned int i, const uint8_t *expected, bool in_place)
{
	uint8_t out[LEN_MAX + 17];
	bool lacks;

	memset(out, 0x5a, sizeof(out));
	if (in_place)
		memcpy(out, t->plain, t->len);
	assert_true(aead_vector_seal(i, t->suite, t->key, t->klen, out, t->nonce, t->ad, t->adlen,
				     in_place ? out : t->plain, t->len, &lacks));
	assert_memory_equal(out, expected, t->len + 16);
	assert_int_equal(out[t->len + 16], 0x5a);
}

static void open_and_compare(const struct text *t, unsigned int i, const uint8_t *sealed, bool in_place)
{
	uint8_t out[LEN_MAX + 17];
	bool lacks;

	memset(out, 0x5a, sizeof(out));
	if (in_place)
		memcpy(out, sealed, t->len + 16);
	assert_true(aead_vector_open(i, t->suite, t->key, t->klen, out, t->nonce, t->ad, t->adlen,
				     in_place ? out : sealed, t->len + 16, &lacks));
	assert_memory_equal(out, t->plain, t->len);
	assert_int_equal(out[t->len + 16], 0x5a);
	if (!in_place)
		assert_int_equal(out[t->len], 0x5a);
}

static void test_aead_agree(void **state)
{
	static struct text t;
	uint8_t sealed[LEN_MAX + 16];
	uint64_t seed = 3;
	bool lacks;

	for (size_t round = 0; round < 1000; round++) {
		size_t len = round < 600 ? round / 2 : next_number(&seed) % (LEN_MAX + 1);

		draw(&t, &seed, suites[round % 2], len);
		assert_true(aead_vector_seal(0, t.suite, t.key, t.klen, sealed, t.nonce, t.ad, t.adlen,
					     t.plain, t.len, &lacks));
		for (unsigned int i = 0; aead_vector_name(i, t.suite); i++) {
			seal_and_compare(&t, i, sealed, false);
			seal_and_compare(&t, i, sealed, true);
			open_and_compare(&t, i, sealed, false);
			open_and_compare(&t, i, sealed, true);
		}
	}
}

static void expect_refusal(const struct text *t, unsigned int i, const uint8_t *sealed, size_t len)
{
	size_t plain = len < 16 ? 0 : len - 16;
	uint8_t out[LEN_MAX + 16];
	bool lacks;

	memset(out, 0x5a, sizeof(out));
	assert_false(aead_vector_open(i, t->suite, t->key, t->klen, out, t->nonce, t->ad, t->adlen, sealed,
				      len, &lacks));
	assert_true(is_all(out, plain, 0) || is_all(out, plain, 0x5a));
	assert_true(is_all(out + plain, sizeof(out) - plain, 0x5a));
	memcpy(out, sealed, len);
	assert_false(aead_vector_open(i, t->suite, t->key, t->klen, out, t->nonce, t->ad, t->adlen, out, len,
				      &lacks));
	assert_true(is_all(out, plain, 0) || !memcmp(out, sealed, plain));
}

/* Every bit of ciphertext, tag and associated data counts, and so does the length. */
static void check_forgeries(struct text *t, unsigned int i)
{
	uint8_t sealed[LEN_MAX + 16];
	bool lacks;

	assert_true(aead_vector_seal(i, t->suite, t->key, t->klen, sealed, t->nonce, t->ad, t->adlen,
				     t->plain, t->len, &lacks));
	for (size_t bit = 0; bit < 8 * (t->len + 16); bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_refusal(t, i, sealed, t->len + 16);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * t->adlen; bit++) {
		t->ad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_refusal(t, i, sealed, t->len + 16);
		t->ad[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	t->nonce[11] ^= 1;
	expect_refusal(t, i, sealed, t->len + 16);
	t->nonce[11] ^= 1;
	for (size_t len = 0; len < t->len + 16; len++)
		expect_refusal(t, i, sealed, len);
}

static void test_aead_forged(void **state)
{
	static struct text t;
	uint64_t seed = 4;

	for (size_t s = 0; s < 2; s++)
		for (size_t len = 0; len <= 65; len += 13)
			for (unsigned int i = 0; aead_vector_name(i, suites[s]); i++) {
				draw(&t, &seed, suites[s], len);
				check_forgeries(&t, i);
			}
}

static void test_aead_key_sizes(void **state)
{
	uint8_t key[32] = { 0 }, nonce[12] = { 0 }, out[16];
	bool lacks;

	for (size_t s = 0; s < 2; s++)
		for (unsigned int i = 0; aead_vector_name(i, suites[s]); i++)
			for (size_t klen = 0; klen <= 32; klen++) {
				bool has = klen == 32 || (s == 0 && (klen == 16 || klen == 24));

				assert_int_equal(has, aead_vector_seal(i, suites[s], key, klen, out, nonce,
								       NULL, 0, key, 0, &lacks));
				assert_int_equal(has, !lacks);
			}
}

/* A key is used again and again, forgets nothing but what it should, and leaves nothing behind. */
static void test_aead_key_life(void **state)
{
	static struct text t;
	uint8_t *memory = key_memory(aead_key_size()), expected[LEN_MAX + 16], out[LEN_MAX + 16];
	struct aead_key *k = (void *)memory;
	uint64_t seed = 5;
	uint8_t key[32];

	assert_true(aead_key_size() % 64 == 0);
	for (size_t s = 0; s < 2; s++) {
		fill(&seed, key, sizeof(key));
		aead_key_init(k, suites[s], key);
		for (int round = 0; round < 50; round++) {
			draw(&t, &seed, suites[s], next_number(&seed) % 300);
			aead_seal_once(t.suite, key, expected, t.nonce, t.ad, t.adlen, t.plain, t.len);
			aead_seal(k, out, t.nonce, t.ad, t.adlen, t.plain, t.len);
			assert_memory_equal(out, expected, t.len + 16);
			out[t.len] ^= 1;
			assert_false(aead_open(k, out, t.nonce, t.ad, t.adlen, out, t.len + 16));
			assert_true(aead_open(k, out, t.nonce, t.ad, t.adlen, expected, t.len + 16));
			assert_memory_equal(out, t.plain, t.len);
		}
		aead_key_clear(k);
		assert_false(memmem(memory, aead_key_size(), key, 16));
		assert_true(is_all(memory, 8, 0));
	}
	free(memory);
}

static void hold_to_mbedtls(struct mask_key *fast, const uint8_t key[32])
{
	struct mask_key *plain = (void *)key_memory(mask_key_size());
	uint8_t sample[16] = { 1 }, a[16], b[16];

	mask_vector(plain, key);
	for (int i = 0; i < 1000; i++) {
		mask_make(fast, a, sample);
		mask_make(plain, b, sample);
		assert_memory_equal(a, b, sizeof(a));
		memcpy(sample, a, sizeof(sample));
	}
	mask_key_clear(plain);
	free(plain);
}

static void check_mask(enum suite suite, const char *key, const char *sample, const char *mask, size_t len)
{
	uint8_t *memory = key_memory(mask_key_size()), k[32], s[16], out[16];
	struct mask_key *m = (void *)memory;

	mask_key_init(m, suite, UNHEX(k, key));
	for (int again = 0; again < 2; again++) {
		mask_make(m, out, UNHEX(s, sample));
		assert_hex(out, len, mask);
	}
	if (suite == SUITE_AES_256_GCM)
		hold_to_mbedtls(m, k);
	mask_key_clear(m);
	assert_true(is_all(memory, mask_key_size(), 0));
	free(memory);
}

static void test_mask(void **state)
{
	/* RFC 9001, A.5 */
	check_mask(SUITE_CHACHA20_POLY1305,
		   "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
		   "5e5cd55c41f69080575d7999c25a5bfb", "aefefe7d03", 5);
	/* RFC 8439, 2.3.2: the block function, counter 1 */
	check_mask(SUITE_CHACHA20_POLY1305,
		   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		   "01000000000000090000004a00000000", "10f1e7e4d13b5915500fdd1fa32071c4", 16);
	/* FIPS 197, C.3: RFC 9001 has AES-128 only, and the mask is ECB of the sample */
	check_mask(SUITE_AES_256_GCM, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		   "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089", 16);
}

static int start(void **state)
{
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_equal_and_wipe),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_hkdf),
		cmocka_unit_test(test_noise_hkdf),
		cmocka_unit_test(test_x25519),
		cmocka_unit_test(test_x25519_iterated),
		cmocka_unit_test(test_x25519_low_order),
		cmocka_unit_test(test_x25519_agree),
		cmocka_unit_test(test_aead_figures),
		cmocka_unit_test(test_aead_agree),
		cmocka_unit_test(test_aead_forged),
		cmocka_unit_test(test_aead_key_sizes),
		cmocka_unit_test(test_aead_key_life),
		cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests_name("crypto", tests, start, NULL);
}
