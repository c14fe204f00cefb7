/*
 * SHA-256, HMAC and the two forms of HKDF, by mbedTLS.
 *
 * Hashing takes no memory but the stack, so it cannot fail: the library's generic interface would allocate a context
 * each time, and what a stranger's datagram makes us hash must not need any.
 */
#include "crypto/crypto.h"

#include <string.h>

#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

#include "base/log.h"

#define HASH_LEN 32
#define BLOCK_LEN 64

/* The names of 3.6; 2.28 has functions without a result by these, and calls those with one otherwise. */
#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define mbedtls_sha256_starts mbedtls_sha256_starts_ret
#define mbedtls_sha256_update mbedtls_sha256_update_ret
#define mbedtls_sha256_finish mbedtls_sha256_finish_ret
#endif

static void must(int rc)
{
	if (rc)
		bug("SHA-256 failed: mbedTLS error -0x%04x", (unsigned int)-rc);
}

static void begin(mbedtls_sha256_context *sha)
{
	mbedtls_sha256_init(sha);
	must(mbedtls_sha256_starts(sha, 0));
}

static void add(mbedtls_sha256_context *sha, const void *data, size_t len)
{
	if (len)
		must(mbedtls_sha256_update(sha, data, len));
}

static void end(mbedtls_sha256_context *sha, uint8_t out[HASH_LEN])
{
	must(mbedtls_sha256_finish(sha, out));
	mbedtls_sha256_free(sha); /* wipes */
}

void sha256_2(uint8_t out[32], const void *a, size_t alen, const void *b, size_t blen)
{
	mbedtls_sha256_context sha;

	begin(&sha);
	add(&sha, a, alen);
	add(&sha, b, blen);
	end(&sha, out);
}

/* RFC 2104: the key, filled up with zeroes to a block, is combined with `pad`, and stands before what is hashed. */
static void begin_with_key(mbedtls_sha256_context *sha, const uint8_t *key, size_t klen, uint8_t pad)
{
	uint8_t block[BLOCK_LEN];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < klen; i++)
		block[i] ^= key[i];
	begin(sha);
	add(sha, block, sizeof(block));
	crypto_wipe(block, sizeof(block));
}

void hmac_sha256_2(uint8_t out[32], const uint8_t *key, size_t klen, const void *a, size_t alen,
		   const void *b, size_t blen)
{
	mbedtls_sha256_context sha;
	uint8_t hashed[HASH_LEN], inner[HASH_LEN];

	if (klen > BLOCK_LEN) {
		sha256_2(hashed, key, klen, NULL, 0);
		key = hashed;
		klen = sizeof(hashed);
	}
	begin_with_key(&sha, key, klen, 0x36);
	add(&sha, a, alen);
	add(&sha, b, blen);
	end(&sha, inner);
	begin_with_key(&sha, key, klen, 0x5c);
	add(&sha, inner, sizeof(inner));
	end(&sha, out);
	crypto_wipe(inner, sizeof(inner));
	crypto_wipe(hashed, sizeof(hashed));
}

void noise_hkdf(uint8_t *o1, uint8_t *o2, uint8_t *o3, const uint8_t ck[32], const void *ikm, size_t len)
{
	uint8_t *out[] = { o1, o2, o3 };
	uint8_t temp[HASH_LEN], t[HASH_LEN];
	size_t tlen = 0;

	hmac_sha256_2(temp, ck, HASH_LEN, ikm, len, NULL, 0);
	for (uint8_t i = 0; i < 3; i++) {
		uint8_t n = i + 1;

		if (!o3 && i == 2)
			break;
		hmac_sha256_2(t, temp, HASH_LEN, t, tlen, &n, 1);
		tlen = HASH_LEN;
		if (out[i])
			memcpy(out[i], t, HASH_LEN);
	}
	crypto_wipe(temp, sizeof(temp));
	crypto_wipe(t, sizeof(t));
}

void hkdf_extract(uint8_t prk[32], const void *salt, size_t slen, const void *ikm, size_t len)
{
	hmac_sha256_2(prk, salt, slen, ikm, len, NULL, 0);
}

/* T(n) = HMAC(prk, T(n - 1) || info || n): info and n are joined here, since hmac takes two parts. */
void hkdf_expand(uint8_t *out, size_t len, const uint8_t prk[32], const char *info)
{
	uint8_t tail[256], t[HASH_LEN];
	size_t ilen = strlen(info), tlen = 0;

	if (len > 255 * HASH_LEN || ilen >= sizeof(tail))
		bug("hkdf_expand: %zu bytes with an info of %zu", len, ilen);
	memcpy(tail, info, ilen);
	for (uint8_t n = 1; len; n++) {
		size_t part = len < HASH_LEN ? len : HASH_LEN;

		tail[ilen] = n;
		hmac_sha256_2(t, prk, HASH_LEN, t, tlen, tail, ilen + 1);
		tlen = HASH_LEN;
		memcpy(out, t, part);
		out += part;
		len -= part;
	}
	crypto_wipe(t, sizeof(t));
}
