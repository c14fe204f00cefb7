/* Header protection masks (RFC 9001 section 5.4), by mbedTLS, which uses AES instructions by itself. */
#include "crypto/crypto.h"

#include <string.h>

#include <mbedtls/aes.h>
#include <mbedtls/chacha20.h>

#include "base/log.h"

#define SAMPLE_LEN 16
#define CHACHA_COUNTER_LEN 4 /* of the sample; the other 12 bytes are the nonce */

struct mask_key {
	enum suite suite;
	union {
		mbedtls_aes_context aes;
		mbedtls_chacha20_context chacha;
	};
};

static void must(int rc)
{
	if (rc)
		bug("mask failed: mbedTLS error -0x%04x", (unsigned int)-rc);
}

size_t mask_key_size(void)
{
	return sizeof(struct mask_key);
}

void mask_key_init(struct mask_key *k, enum suite suite, const uint8_t key[PROTO_KEY_LEN])
{
	k->suite = suite;
	switch (suite) {
	case SUITE_AES_256_GCM:
		mbedtls_aes_init(&k->aes);
		must(mbedtls_aes_setkey_enc(&k->aes, key, PROTO_KEY_LEN * 8));
		return;
	case SUITE_CHACHA20_POLY1305:
		mbedtls_chacha20_init(&k->chacha);
		must(mbedtls_chacha20_setkey(&k->chacha, key));
		return;
	}
	bug("mask_key_init: no suite %d", (int)suite);
}

void mask_key_clear(struct mask_key *k)
{
	if (k->suite == SUITE_AES_256_GCM)
		mbedtls_aes_free(&k->aes);
	else
		mbedtls_chacha20_free(&k->chacha);
	crypto_wipe(k, sizeof(*k));
}

static void mask_chacha(mbedtls_chacha20_context *chacha, uint8_t mask[SAMPLE_LEN],
			const uint8_t sample[SAMPLE_LEN])
{
	static const uint8_t zero[SAMPLE_LEN];
	uint32_t counter =
		(uint32_t)sample[3] << 24 | (uint32_t)sample[2] << 16 | (uint32_t)sample[1] << 8 | sample[0];

	must(mbedtls_chacha20_starts(chacha, sample + CHACHA_COUNTER_LEN, counter));
	must(mbedtls_chacha20_update(chacha, SAMPLE_LEN, zero, mask));
}

void mask_make(struct mask_key *k, uint8_t mask[16], const uint8_t sample[16])
{
	if (k->suite == SUITE_AES_256_GCM)
		must(mbedtls_aes_crypt_ecb(&k->aes, MBEDTLS_AES_ENCRYPT, sample, mask));
	else
		mask_chacha(&k->chacha, mask, sample);
}
