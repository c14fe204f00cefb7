/* The suites' AEADs: picks the implementation of a key, and keeps the promises all of them share. */
#include "crypto/aead.h"

#include "base/log.h"

#define ALIGNMENT 64

/* Numbered from the complete one to the fastest one; NULL where there is no such. */
static const struct aead_ops *implementation_of(unsigned int implementation, enum suite suite)
{
	switch (implementation) {
	case 0:
		return aead_mbedtls(suite);
	case 1:
		return aead_ipsec_mb(suite);
	default:
		return NULL;
	}
}

static const struct aead_ops *fastest(enum suite suite)
{
	const struct aead_ops *ops = aead_ipsec_mb(suite);

	return ops ? ops : aead_mbedtls(suite);
}

size_t aead_key_size(void)
{
	size_t a = fastest(SUITE_AES_256_GCM)->size;
	size_t b = fastest(SUITE_CHACHA20_POLY1305)->size;
	size_t size = a > b ? a : b;

	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

bool aead_key_init(struct aead_key *k, enum suite suite, const uint8_t key[PROTO_KEY_LEN])
{
	const struct aead_ops *ops = fastest(suite);

	if (!ops)
		bug("aead_key_init: no suite %d", (int)suite);
	if (!ops->init(k, key, PROTO_KEY_LEN))
		return false;
	k->ops = ops;
	return true;
}

void aead_key_clear(struct aead_key *k)
{
	size_t size = k->ops->size;

	k->ops->clear(k);
	crypto_wipe(k, size);
}

void aead_seal(struct aead_key *k, uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad,
	       size_t adlen, const uint8_t *in, size_t len)
{
	k->ops->seal(k, out, nonce, ad, adlen, in, len);
}

bool aead_open(struct aead_key *k, uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad,
	       size_t adlen, const uint8_t *in, size_t len)
{
	if (len < PROTO_TAG_LEN)
		return false;
	len -= PROTO_TAG_LEN;
	if (k->ops->open(k, out, nonce, ad, adlen, in, len))
		return true;
	crypto_wipe(out, len);
	return false;
}

bool aead_seal_once(enum suite suite, const uint8_t key[PROTO_KEY_LEN], uint8_t *out,
		    const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen, const uint8_t *in,
		    size_t len)
{
	_Alignas(ALIGNMENT) uint8_t room[AEAD_KEY_MAX];
	struct aead_key *k = (void *)room;

	if (!aead_key_init(k, suite, key))
		return false;
	aead_seal(k, out, nonce, ad, adlen, in, len);
	aead_key_clear(k);
	return true;
}

bool aead_open_once(enum suite suite, const uint8_t key[PROTO_KEY_LEN], uint8_t *out,
		    const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen, const uint8_t *in,
		    size_t len)
{
	_Alignas(ALIGNMENT) uint8_t room[AEAD_KEY_MAX];
	struct aead_key *k = (void *)room;
	bool authentic;

	if (!aead_key_init(k, suite, key))
		return false;
	authentic = aead_open(k, out, nonce, ad, adlen, in, len);
	aead_key_clear(k);
	return authentic;
}

const char *aead_vector_name(unsigned int implementation, enum suite suite)
{
	const struct aead_ops *ops = implementation_of(implementation, suite);

	return ops ? ops->name : NULL;
}

/* A key of any length in `k`; false where the implementation lacks it. */
static bool vector_key(struct aead_key *k, unsigned int implementation, enum suite suite, const uint8_t *key,
		       size_t klen)
{
	const struct aead_ops *ops = implementation_of(implementation, suite);

	if (!ops)
		bug("aead_vector: no implementation %u of suite %d", implementation, (int)suite);
	if (!ops->init(k, key, klen))
		return false;
	k->ops = ops;
	return true;
}

bool aead_vector_open(unsigned int implementation, enum suite suite, const uint8_t *key, size_t klen,
		      uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen,
		      const uint8_t *in, size_t len, bool *lacks)
{
	_Alignas(ALIGNMENT) uint8_t room[AEAD_KEY_MAX];
	struct aead_key *k = (void *)room;
	bool authentic;

	*lacks = !vector_key(k, implementation, suite, key, klen);
	if (*lacks)
		return false;
	authentic = aead_open(k, out, nonce, ad, adlen, in, len);
	aead_key_clear(k);
	return authentic;
}

bool aead_vector_seal(unsigned int implementation, enum suite suite, const uint8_t *key, size_t klen,
		      uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen,
		      const uint8_t *in, size_t len, bool *lacks)
{
	_Alignas(ALIGNMENT) uint8_t room[AEAD_KEY_MAX];
	struct aead_key *k = (void *)room;

	*lacks = !vector_key(k, implementation, suite, key, klen);
	if (*lacks)
		return false;
	aead_seal(k, out, nonce, ad, adlen, in, len);
	aead_key_clear(k);
	return true;
}
