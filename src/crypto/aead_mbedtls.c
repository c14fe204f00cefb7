/*
 * AES-GCM and ChaCha20-Poly1305 by mbedTLS: complete by itself, on any CPU.
 *
 * Its AES-GCM allocates when a key is expanded, never when it is used.
 */
#include "crypto/aead.h"

#include <mbedtls/chachapoly.h>
#include <mbedtls/gcm.h>

#include "base/log.h"

struct gcm_key {
	struct aead_key head;
	mbedtls_gcm_context gcm;
};

struct chacha_key {
	struct aead_key head;
	mbedtls_chachapoly_context chacha;
};

static_assert(sizeof(struct gcm_key) <= AEAD_KEY_MAX, "gcm_key");
static_assert(sizeof(struct chacha_key) <= AEAD_KEY_MAX, "chacha_key");

/* A key that was expanded takes no more memory: what is asked of the library here cannot fail. */
static void must(int rc)
{
	if (rc)
		bug("AEAD failed: mbedTLS error -0x%04x", (unsigned int)-rc);
}

static bool gcm_init(struct aead_key *k, const uint8_t *key, size_t klen)
{
	struct gcm_key *g = (struct gcm_key *)k;

	if (klen != 16 && klen != 24 && klen != 32)
		return false;
	mbedtls_gcm_init(&g->gcm);
	if (mbedtls_gcm_setkey(&g->gcm, MBEDTLS_CIPHER_ID_AES, key, (unsigned int)klen * 8) == 0)
		return true;
	mbedtls_gcm_free(&g->gcm);
	return false;
}

static void gcm_clear(struct aead_key *k)
{
	mbedtls_gcm_free(&((struct gcm_key *)k)->gcm);
}

static void gcm_seal(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
		     const uint8_t *in, size_t len)
{
	struct gcm_key *g = (struct gcm_key *)k;

	must(mbedtls_gcm_crypt_and_tag(&g->gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, PROTO_NONCE_LEN, ad, adlen,
				       in, out, PROTO_TAG_LEN, out + len));
}

static bool gcm_open(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
		     const uint8_t *in, size_t len)
{
	struct gcm_key *g = (struct gcm_key *)k;

	return !mbedtls_gcm_auth_decrypt(&g->gcm, len, nonce, PROTO_NONCE_LEN, ad, adlen, in + len,
					 PROTO_TAG_LEN, in, out);
}

static bool chacha_init(struct aead_key *k, const uint8_t *key, size_t klen)
{
	struct chacha_key *c = (struct chacha_key *)k;

	if (klen != 32)
		return false;
	mbedtls_chachapoly_init(&c->chacha);
	must(mbedtls_chachapoly_setkey(&c->chacha, key));
	return true;
}

static void chacha_clear(struct aead_key *k)
{
	mbedtls_chachapoly_free(&((struct chacha_key *)k)->chacha);
}

static void chacha_seal(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
			const uint8_t *in, size_t len)
{
	struct chacha_key *c = (struct chacha_key *)k;

	must(mbedtls_chachapoly_encrypt_and_tag(&c->chacha, len, nonce, ad, adlen, in, out, out + len));
}

static bool chacha_open(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
			const uint8_t *in, size_t len)
{
	struct chacha_key *c = (struct chacha_key *)k;

	return !mbedtls_chachapoly_auth_decrypt(&c->chacha, len, nonce, ad, adlen, in + len, in, out);
}

static const struct aead_ops gcm_ops = {
	"mbedTLS", sizeof(struct gcm_key), gcm_init, gcm_clear, gcm_seal, gcm_open,
};
static const struct aead_ops chacha_ops = {
	"mbedTLS", sizeof(struct chacha_key), chacha_init, chacha_clear, chacha_seal, chacha_open,
};

const struct aead_ops *aead_mbedtls(enum suite suite)
{
	switch (suite) {
	case SUITE_AES_256_GCM:
		return &gcm_ops;
	case SUITE_CHACHA20_POLY1305:
		return &chacha_ops;
	}
	return NULL;
}
