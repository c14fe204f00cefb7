/*
 * Header protection masks (RFC 9001 section 5.4): by mbedTLS, and AES, one block a packet, by the instructions
 * themselves where ipsec-mb expands the key: the way to them through a library costs several times what they do.
 */
#include "crypto/crypto.h"

#include <string.h>

#include <mbedtls/aes.h>
#include <mbedtls/chacha20.h>

#include "base/log.h"
#include "crypto/aead.h"
#ifdef HAVE_IPSEC_MB
#include <immintrin.h>
#endif

#define SAMPLE_LEN 16
#define CHACHA_COUNTER_LEN 4 /* of the sample; the other 12 bytes are the nonce */

#define ROUND_KEYS 15

enum kind { KIND_AES_INSTRUCTIONS, KIND_AES_MBEDTLS, KIND_CHACHA };

struct mask_key {
	enum kind kind;
	union {
		_Alignas(16) uint8_t rounds[ROUND_KEYS][16];
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

static void init(struct mask_key *k, enum kind kind, const uint8_t key[PROTO_KEY_LEN])
{
	k->kind = kind;
	switch (kind) {
	case KIND_AES_INSTRUCTIONS:
		aead_ipsec_mb_expand(k->rounds, key);
		return;
	case KIND_AES_MBEDTLS:
		mbedtls_aes_init(&k->aes);
		must(mbedtls_aes_setkey_enc(&k->aes, key, PROTO_KEY_LEN * 8));
		return;
	case KIND_CHACHA:
		mbedtls_chacha20_init(&k->chacha);
		must(mbedtls_chacha20_setkey(&k->chacha, key));
		return;
	}
}

void mask_key_init(struct mask_key *k, enum suite suite, const uint8_t key[PROTO_KEY_LEN])
{
	switch (suite) {
	case SUITE_AES_256_GCM:
		init(k, aead_ipsec_mb(suite) ? KIND_AES_INSTRUCTIONS : KIND_AES_MBEDTLS, key);
		return;
	case SUITE_CHACHA20_POLY1305:
		init(k, KIND_CHACHA, key);
		return;
	}
	bug("mask_key_init: no suite %d", (int)suite);
}

void mask_key_clear(struct mask_key *k)
{
	if (k->kind == KIND_AES_MBEDTLS)
		mbedtls_aes_free(&k->aes);
	else if (k->kind == KIND_CHACHA)
		mbedtls_chacha20_free(&k->chacha);
	crypto_wipe(k, sizeof(*k));
}

#ifdef HAVE_IPSEC_MB
__attribute__((target("aes,sse2"))) static void mask_instructions(const uint8_t rounds[ROUND_KEYS][16],
								  uint8_t mask[SAMPLE_LEN],
								  const uint8_t sample[SAMPLE_LEN])
{
	const __m128i *key = (const __m128i *)(const void *)rounds;
	__m128i block = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)sample), key[0]);

#pragma GCC unroll 16
	for (int i = 1; i < ROUND_KEYS - 1; i++)
		block = _mm_aesenc_si128(block, key[i]);
	_mm_storeu_si128((__m128i *)(void *)mask, _mm_aesenclast_si128(block, key[ROUND_KEYS - 1]));
}
#else
static void mask_instructions(const uint8_t rounds[ROUND_KEYS][16], uint8_t mask[SAMPLE_LEN],
			      const uint8_t sample[SAMPLE_LEN])
{
	(void)rounds;
	(void)mask;
	(void)sample;
	bug("a mask without the instructions for it");
}
#endif

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
	if (k->kind == KIND_AES_INSTRUCTIONS)
		mask_instructions(k->rounds, mask, sample);
	else if (k->kind == KIND_AES_MBEDTLS)
		must(mbedtls_aes_crypt_ecb(&k->aes, MBEDTLS_AES_ENCRYPT, sample, mask));
	else
		mask_chacha(&k->chacha, mask, sample);
}

void mask_vector(struct mask_key *k, const uint8_t key[PROTO_KEY_LEN])
{
	init(k, KIND_AES_MBEDTLS, key);
}
