/*
 * The one door to the crypto libraries.
 *
 * mbedTLS does all of it; libsodium does X25519 and ipsec-mb the bulk AEAD where configure found them. All
 * answer the same bytes. Nothing here keeps state between calls but the expanded keys a caller
 * holds, so any thread may call with keys of its own. No function draws randomness.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jumpvpn/proto.h"

/* Once, before the first thread: picks the implementations for this CPU. 0 or -errno. */
int crypto_init(void);
/* "AES-256-GCM by ipsec-mb (AVX512), ChaCha20-Poly1305 by ..., X25519 by ...": for logs and status. */
const char *crypto_describe(void);
/* The version of the nth library behind this room as it runs, and its name; NULL behind the last. Any time. */
const char *crypto_library(unsigned int n, const char **name);
/* Does this CPU have AES instructions (which decides the suite a client asks for)? */
bool crypto_has_aes(void);

/* Clears memory in a way the compiler does not remove. */
void crypto_wipe(void *p, size_t len);
/* Equal? In constant time. */
bool crypto_equal(const void *a, const void *b, size_t len);

/* --- X25519 (RFC 7748) and hashes --- */

/* False: no memory. */
bool x25519_public(uint8_t public_key[32], const uint8_t private_key[32]);
/* False when the result is all zero (a low-order point), or for want of memory, which only mbedTLS takes: the caller must
 * refuse. */
bool x25519(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32]);

void sha256_2(uint8_t out[32], const void *a, size_t alen, const void *b, size_t blen); /* of a || b */
void hmac_sha256_2(uint8_t out[32], const uint8_t *key, size_t klen, const void *a, size_t alen,
		   const void *b, size_t blen);
/* HKDF as Noise section 4.3 has it: `n` outputs (1..3) of 32 bytes each; absent ones may be NULL. */
void noise_hkdf(uint8_t *o1, uint8_t *o2, uint8_t *o3, const uint8_t ck[32], const void *ikm, size_t len);
/* RFC 5869. */
void hkdf_extract(uint8_t prk[32], const void *salt, size_t slen, const void *ikm, size_t len);
void hkdf_expand(uint8_t *out, size_t len, const uint8_t prk[32], const char *info);

/* --- AEAD: an expanded key of a suite --- */

struct aead_key; /* opaque: size is aead_key_size(), alignment 64 */

size_t aead_key_size(void);
/* Expands; any one thread at a time may use it afterwards. `key` is not kept, and `k` may not be moved. False: no
 * memory (mbedTLS's AES-GCM takes some, the others none). */
bool aead_key_init(struct aead_key *k, enum suite suite, const uint8_t key[PROTO_KEY_LEN]);
/* Frees what the library holds and wipes. */
void aead_key_clear(struct aead_key *k);

/* out (len bytes, then a 16-byte tag) may be `in`. */
void aead_seal(struct aead_key *k, uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad,
	       size_t adlen, const uint8_t *in, size_t len);
/* `in` is len bytes with the tag (len >= 16); out gets len - 16 bytes and may be `in`. False: not
 * authentic, and out is zeroed or unchanged, never plaintext. */
bool aead_open(struct aead_key *k, uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad,
	       size_t adlen, const uint8_t *in, size_t len);

/* The same with a key that is used once and not kept: handshakes, cookies. False also without memory. */
bool aead_seal_once(enum suite suite, const uint8_t key[PROTO_KEY_LEN], uint8_t *out,
		    const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen, const uint8_t *in,
		    size_t len);
bool aead_open_once(enum suite suite, const uint8_t key[PROTO_KEY_LEN], uint8_t *out,
		    const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen, const uint8_t *in,
		    size_t len);

/*
 * Any key size that AES-GCM has (16, 24, 32), for test vectors only, by each implementation built in:
 * implementation 0, 1, ... until aead_vector_name() answers NULL. Same contract as above; false also when
 * the implementation lacks that size (*lacks is set then).
 */
const char *aead_vector_name(unsigned int implementation, enum suite suite);
bool aead_vector_open(unsigned int implementation, enum suite suite, const uint8_t *key, size_t klen,
		      uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen,
		      const uint8_t *in, size_t len, bool *lacks);
bool aead_vector_seal(unsigned int implementation, enum suite suite, const uint8_t *key, size_t klen,
		      uint8_t *out, const uint8_t nonce[PROTO_NONCE_LEN], const void *ad, size_t adlen,
		      const uint8_t *in, size_t len, bool *lacks);
const char *x25519_vector_name(unsigned int implementation);
bool x25519_vector(unsigned int implementation, uint8_t shared[32], const uint8_t private_key[32],
		   const uint8_t public_key[32]);

/* --- Header protection (RFC 9001 sections 5.4.3 and 5.4.4) --- */

struct mask_key; /* opaque, as aead_key */

size_t mask_key_size(void);
void mask_key_init(struct mask_key *k, enum suite suite, const uint8_t key[PROTO_KEY_LEN]);
void mask_key_clear(struct mask_key *k);
/* 16 bytes of mask; callers use as many as they need. */
void mask_make(struct mask_key *k, uint8_t mask[16], const uint8_t sample[16]);
/* mask_key_init() for AES by mbedTLS, whatever else there is: for tests, which hold one to the other. */
void mask_vector(struct mask_key *k, const uint8_t key[PROTO_KEY_LEN]);
