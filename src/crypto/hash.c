/*
 * SHA-256, HMAC and the two forms of HKDF, by mbedTLS.
 *
 * Through its generic digest interface, whose names are the same in 2.28 and 3.6; those of the
 * SHA-256 module are not.
 */
#include "crypto/crypto.h"

#include <string.h>

#include <mbedtls/md.h>

#include "base/log.h"

#define HASH_LEN 32

/* Hashing in memory cannot fail but for want of memory, and a half-made key must not be used. */
static void must(int rc)
{
	if (rc)
		bug("SHA-256 failed: mbedTLS error -0x%04x", (unsigned int)-rc);
}

static void digest_begin(mbedtls_md_context_t *md, int hmac)
{
	mbedtls_md_init(md);
	must(mbedtls_md_setup(md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), hmac));
}

void sha256_2(uint8_t out[32], const void *a, size_t alen, const void *b, size_t blen)
{
	mbedtls_md_context_t md;

	digest_begin(&md, 0);
	must(mbedtls_md_starts(&md));
	if (alen)
		must(mbedtls_md_update(&md, a, alen));
	if (blen)
		must(mbedtls_md_update(&md, b, blen));
	must(mbedtls_md_finish(&md, out));
	mbedtls_md_free(&md); /* wipes */
}

void hmac_sha256_2(uint8_t out[32], const uint8_t *key, size_t klen, const void *a, size_t alen,
		   const void *b, size_t blen)
{
	static const uint8_t empty[1];
	mbedtls_md_context_t md;

	digest_begin(&md, 1);
	must(mbedtls_md_hmac_starts(&md, klen ? key : empty, klen));
	if (alen)
		must(mbedtls_md_hmac_update(&md, a, alen));
	if (blen)
		must(mbedtls_md_hmac_update(&md, b, blen));
	must(mbedtls_md_hmac_finish(&md, out));
	mbedtls_md_free(&md);
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
