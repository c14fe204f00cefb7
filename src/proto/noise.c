/*
 * Noise_IKpsk2_25519_{AESGCM,ChaChaPoly}_SHA256, Noise revision 34:
 *
 *     IKpsk2:
 *       <- s
 *       ...
 *       -> e, es, s, ss
 *       <- e, ee, se, psk
 *
 * Each message function carries its tokens in this order. In a pattern with a psk an "e" is mixed into the
 * chaining key too (section 9.2).
 */
#include "proto/noise.h"

#include <string.h>

#include "base/log.h"

static const char *protocol_name(enum suite suite)
{
	switch (suite) {
	case SUITE_AES_256_GCM:
		return "Noise_IKpsk2_25519_AESGCM_SHA256";
	case SUITE_CHACHA20_POLY1305:
		return "Noise_IKpsk2_25519_ChaChaPoly_SHA256";
	}
	bug("noise: no suite %d", (int)suite);
}

/* --- CipherState and SymmetricState, section 5 --- */

static void mix_hash(struct noise *n, const void *data, size_t len)
{
	sha256_2(n->h, n->h, sizeof(n->h), data, len);
}

static void mix_key(struct noise *n, const uint8_t *ikm, size_t len)
{
	noise_hkdf(n->ck, n->k, NULL, n->ck, ikm, len);
}

static void mix_key_and_hash(struct noise *n, const uint8_t ikm[32])
{
	uint8_t temp[32];

	noise_hkdf(n->ck, temp, n->k, n->ck, ikm, 32);
	mix_hash(n, temp, sizeof(temp));
	crypto_wipe(temp, sizeof(temp));
}

/*
 * In this pattern a MixKey stands before every message that is sealed, and resets n: each key seals once, and
 * the nonce is zero, which both suites write the same way (section 12).
 */
static const uint8_t nonce_zero[PROTO_NONCE_LEN];

/* False: no memory. */
static bool encrypt_and_hash(struct noise *n, uint8_t *out, const void *in, size_t len)
{
	if (!aead_seal_once(n->suite, n->k, out, nonce_zero, n->h, sizeof(n->h), in, len))
		return false;
	mix_hash(n, out, len + PROTO_TAG_LEN);
	return true;
}

/* `len` is of the ciphertext with its tag. It is hashed before `out`, which may be `in`, is written. */
static bool decrypt_and_hash(struct noise *n, uint8_t *out, const uint8_t *in, size_t len)
{
	uint8_t ad[32];

	if (len < PROTO_TAG_LEN)
		return false;
	memcpy(ad, n->h, sizeof(ad));
	mix_hash(n, in, len);
	return aead_open_once(n->suite, n->k, out, nonce_zero, ad, sizeof(ad), in, len);
}

/* --- HandshakeState, section 5.3: the tokens --- */

static bool send_e(struct noise *n, const uint8_t e_priv[32], uint8_t e_pub[32])
{
	memcpy(n->e_priv, e_priv, 32);
	if (!x25519_public(e_pub, e_priv))
		return false;
	mix_hash(n, e_pub, 32);
	mix_key(n, e_pub, 32);
	return true;
}

static void receive_e(struct noise *n, const uint8_t e_pub[32])
{
	memcpy(n->re, e_pub, 32);
	mix_hash(n, e_pub, 32);
	mix_key(n, e_pub, 32);
}

/* False: a low-order public key, which would let its sender choose the secret. */
static bool mix_dh(struct noise *n, const uint8_t private_key[32], const uint8_t public_key[32])
{
	uint8_t dh[32];
	bool ok = x25519(dh, private_key, public_key);

	if (ok)
		mix_key(n, dh, sizeof(dh));
	crypto_wipe(dh, sizeof(dh));
	return ok;
}

bool noise_ss(uint8_t ss[32], const uint8_t s_priv[32], const uint8_t rs[32])
{
	return x25519(ss, s_priv, rs);
}

static bool mix_ss(struct noise *n)
{
	if (!n->ss)
		return mix_dh(n, n->s_priv, n->rs);
	mix_key(n, n->ss, 32);
	return true;
}

static void split_keys(const struct noise *n, struct noise_split *split)
{
	noise_hkdf(split->i2r, split->r2i, NULL, n->ck, NULL, 0);
	memcpy(split->h, n->h, sizeof(split->h));
}

static void init(struct noise *n, enum suite suite, const void *prologue, size_t plen,
		 const uint8_t s_priv[32], const uint8_t s_pub[32])
{
	const char *name = protocol_name(suite);
	size_t len = strlen(name);

	memset(n, 0, sizeof(*n));
	n->suite = suite;
	if (len <= sizeof(n->h))
		memcpy(n->h, name, len);
	else
		sha256_2(n->h, name, len, NULL, 0);
	memcpy(n->ck, n->h, sizeof(n->ck));
	mix_hash(n, prologue, plen);
	memcpy(n->s_priv, s_priv, sizeof(n->s_priv));
	memcpy(n->s_pub, s_pub, sizeof(n->s_pub));
}

void noise_init_initiator(struct noise *n, enum suite suite, const void *prologue, size_t plen,
			  const uint8_t s_priv[32], const uint8_t s_pub[32], const uint8_t rs[32],
			  const uint8_t psk[32])
{
	init(n, suite, prologue, plen, s_priv, s_pub);
	memcpy(n->rs, rs, sizeof(n->rs));
	memcpy(n->psk, psk, sizeof(n->psk));
	mix_hash(n, n->rs, sizeof(n->rs)); /* <- s */
}

void noise_init_responder(struct noise *n, enum suite suite, const void *prologue, size_t plen,
			  const uint8_t s_priv[32], const uint8_t s_pub[32])
{
	init(n, suite, prologue, plen, s_priv, s_pub);
	mix_hash(n, n->s_pub, sizeof(n->s_pub)); /* <- s */
}

bool noise_create_hello(struct noise *n, const uint8_t e_priv[32], uint8_t *e_out, uint8_t *s_out,
			uint8_t *payload_out, const void *payload, size_t len)
{
	struct noise t = *n;
	bool ok = false;

	/* e */
	if (!send_e(&t, e_priv, e_out))
		goto out;
	/* es */
	if (!mix_dh(&t, t.e_priv, t.rs))
		goto out;
	/* s */
	if (!encrypt_and_hash(&t, s_out, t.s_pub, sizeof(t.s_pub)))
		goto out;
	/* ss */
	if (!mix_ss(&t))
		goto out;
	if (!encrypt_and_hash(&t, payload_out, payload, len))
		goto out;
	*n = t;
	ok = true;
out:
	noise_clear(&t);
	return ok;
}

bool noise_read_static(struct noise *n, const uint8_t *e, const uint8_t *s)
{
	struct noise t = *n;
	bool ok = false;

	/* e */
	receive_e(&t, e);
	/* es */
	if (!mix_dh(&t, t.s_priv, t.re))
		goto out;
	/* s */
	if (!decrypt_and_hash(&t, t.rs, s, sizeof(t.rs) + PROTO_TAG_LEN))
		goto out;
	*n = t;
	ok = true;
out:
	noise_clear(&t);
	return ok;
}

bool noise_read_payload(struct noise *n, const uint8_t *payload, size_t len, uint8_t *payload_out)
{
	struct noise t = *n;
	bool ok = false;

	/* ss */
	if (!mix_ss(&t))
		goto out;
	if (!decrypt_and_hash(&t, payload_out, payload, len))
		goto out;
	*n = t;
	ok = true;
out:
	noise_clear(&t);
	return ok;
}

bool noise_consume_hello(struct noise *n, const uint8_t *e, const uint8_t *s, const uint8_t *payload,
			 size_t len, uint8_t *payload_out)
{
	struct noise t = *n;
	const bool ok = noise_read_static(&t, e, s) && noise_read_payload(&t, payload, len, payload_out);

	if (ok)
		*n = t;
	noise_clear(&t);
	return ok;
}

bool noise_create_welcome(struct noise *n, const uint8_t e_priv[32], const uint8_t psk[32], uint8_t *e_out,
			  uint8_t *payload_out, const void *payload, size_t len, struct noise_split *split)
{
	struct noise t = *n;
	bool ok = false;

	memcpy(t.psk, psk, sizeof(t.psk));
	/* e */
	if (!send_e(&t, e_priv, e_out))
		goto out;
	/* ee */
	if (!mix_dh(&t, t.e_priv, t.re))
		goto out;
	/* se */
	if (!mix_dh(&t, t.e_priv, t.rs))
		goto out;
	/* psk */
	mix_key_and_hash(&t, t.psk);
	if (!encrypt_and_hash(&t, payload_out, payload, len))
		goto out;
	split_keys(&t, split);
	*n = t;
	ok = true;
out:
	noise_clear(&t);
	return ok;
}

bool noise_consume_welcome(struct noise *n, const uint8_t *e, const uint8_t *payload, size_t len,
			   uint8_t *payload_out, struct noise_split *split)
{
	struct noise t = *n;
	bool ok = false;

	/* e */
	receive_e(&t, e);
	/* ee */
	if (!mix_dh(&t, t.e_priv, t.re))
		goto out;
	/* se */
	if (!mix_dh(&t, t.s_priv, t.re))
		goto out;
	/* psk */
	mix_key_and_hash(&t, t.psk);
	if (!decrypt_and_hash(&t, payload_out, payload, len))
		goto out;
	split_keys(&t, split);
	*n = t;
	ok = true;
out:
	noise_clear(&t);
	return ok;
}

void noise_clear(struct noise *n)
{
	crypto_wipe(n, sizeof(*n));
}
