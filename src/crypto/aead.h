/*
 * What an implementation of an AEAD answers; private to this room.
 *
 * An implementation's key begins with struct aead_key and holds all that seal and open need, so neither
 * of them allocates, and no state is shared between keys. A key may point into itself: it is never moved.
 */
#pragma once

#include "config.h"
#include "crypto/crypto.h"

#define AEAD_KEY_MAX 1536 /* no implementation's key is larger; a multiple of its alignment */

struct aead_ops {
	const char *name;
	size_t size; /* of the key, head included */
	/* False: this implementation lacks keys of that length, and there is nothing to clear. */
	bool (*init)(struct aead_key *k, const uint8_t *key, size_t klen);
	void (*clear)(struct aead_key *k); /* frees; the caller wipes */
	void (*seal)(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
		     const uint8_t *in, size_t len);
	/* `len` is of the plaintext; the tag lies behind it. On false the caller wipes `out`. */
	bool (*open)(struct aead_key *k, uint8_t *out, const uint8_t *nonce, const void *ad, size_t adlen,
		     const uint8_t *in, size_t len);
};

struct aead_key {
	const struct aead_ops *ops;
};

/* NULL for a suite that is not in the protocol. */
const struct aead_ops *aead_mbedtls(enum suite suite);

#ifdef HAVE_IPSEC_MB
/* Once, before the first thread. 0 also where this CPU lacks what the library needs. */
int aead_ipsec_mb_init(void);
/* NULL also where the CPU lacks what the suite needs. */
const struct aead_ops *aead_ipsec_mb(enum suite suite);
/* Which instructions it runs on: "AVX512". */
const char *aead_ipsec_mb_arch(void);
/* The round keys of AES-256, where there is a GCM. */
void aead_ipsec_mb_expand(uint8_t rounds[15][16], const uint8_t key[32]);
#else
static inline int aead_ipsec_mb_init(void)
{
	return 0;
}

static inline const struct aead_ops *aead_ipsec_mb(enum suite suite)
{
	(void)suite;
	return NULL;
}

static inline const char *aead_ipsec_mb_arch(void)
{
	return "none";
}

static inline void aead_ipsec_mb_expand(uint8_t rounds[15][16], const uint8_t key[32])
{
	(void)rounds;
	(void)key;
}
#endif
