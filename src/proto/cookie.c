/* What a server judges without any state of the sender's: see cookie.h for the formulas. */
#include "proto/cookie.h"

#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "base/wire.h"

static_assert(PROTO_TOKEN_LEN == PROTO_MAC_LEN, "both are a shortened HMAC");

static void label_key(uint8_t key[32], const char *label, const uint8_t server_public[32])
{
	sha256_2(key, label, strlen(label), server_public, 32);
}

/* HMAC-SHA-256 of a || b, first 16 bytes. */
static void mac(uint8_t out[PROTO_MAC_LEN], const uint8_t *key, size_t klen, const void *a, size_t alen,
		const void *b, size_t blen)
{
	uint8_t full[32];

	hmac_sha256_2(full, key, klen, a, alen, b, blen);
	memcpy(out, full, PROTO_MAC_LEN);
	crypto_wipe(full, sizeof(full));
}

static void make_mac1(uint8_t out[PROTO_MAC_LEN], const struct cookie_keys *k, const struct packet_hello *h)
{
	hash_mac(out, k->mac1, h, offsetof(struct packet_hello, payload));
}

static void make_mac2(uint8_t out[PROTO_MAC_LEN], const uint8_t cookie[PROTO_MAC_LEN],
		      const struct packet_hello *h)
{
	hash_mac(out, cookie, h->mac1, sizeof(h->mac1));
}

static void make_cookie(uint8_t out[PROTO_MAC_LEN], const uint8_t secret[PROTO_MAC_LEN],
			const struct endpoint *from)
{
	const be16 port = put_be16(from->port);
	uint8_t where[sizeof(from->ip.b) + sizeof(port)];

	memcpy(where, from->ip.b, sizeof(from->ip.b));
	memcpy(where + sizeof(from->ip.b), port.b, sizeof(port));
	hash_mac(out, secret, where, sizeof(where));
}

/* The key seals one cookie only: it depends on the nonce. */
static void make_seal_key(uint8_t key[32], const struct cookie_keys *k, const uint8_t mac1[PROTO_MAC_LEN],
			  const uint8_t nonce[16])
{
	hmac_sha256_2(key, k->cookie, sizeof(k->cookie), mac1, PROTO_MAC_LEN, nonce, 16);
}

void cookie_keys_derive(struct cookie_keys *k, const uint8_t server_public[32])
{
	uint8_t key[32];

	label_key(key, "JumpVPN/1 mac1", server_public);
	memcpy(k->mac1, key, sizeof(k->mac1));
	label_key(k->cookie, "JumpVPN/1 cookie", server_public);
}

void cookie_sign_hello(const struct cookie_keys *k, struct packet_hello *h, const uint8_t *cookie)
{
	make_mac1(h->mac1, k, h);
	if (cookie)
		make_mac2(h->mac2, cookie, h);
	else
		memset(h->mac2, 0, sizeof(h->mac2));
}

bool cookie_check_mac1(const struct cookie_keys *k, const struct packet_hello *h)
{
	uint8_t expected[PROTO_MAC_LEN];

	make_mac1(expected, k, h);
	return crypto_equal(expected, h->mac1, sizeof(expected));
}

void cookie_jar_init(struct cookie_jar *j, const uint8_t seed[32])
{
	memset(j, 0, sizeof(*j));
	memcpy(j->seed, seed, sizeof(j->seed));
}

static void make_secret(uint8_t out[PROTO_MAC_LEN], const struct cookie_jar *j, uint64_t period)
{
	const be64 number = put_be64(period);

	mac(out, j->seed, sizeof(j->seed), number.b, sizeof(number.b), NULL, 0);
}

void cookie_jar_set(struct cookie_jar *j, struct jv_time now)
{
	const uint64_t period = (uint64_t)now.us / (PROTO_COOKIE_SECRET_MS * UINT64_C(1000)) + 1;

	if (period == j->period)
		return;
	j->period = period;
	make_secret(j->secret[0], j, period);
	make_secret(j->secret[1], j, period - 1);
}

bool cookie_check_mac2(const struct cookie_jar *j, const struct packet_hello *h, const struct endpoint *from,
		       uint8_t used[PROTO_MAC_LEN])
{
	static const uint8_t none[PROTO_MAC_LEN];
	uint8_t cookie[PROTO_MAC_LEN], expected[PROTO_MAC_LEN];
	bool ok = false;

	memset(used, 0, PROTO_MAC_LEN);
	/* Most HELLOs carry none: that is seen without four hashes. The zeroes of an empty jar are no secret. */
	if (j->period == 0 || crypto_equal(h->mac2, none, sizeof(none)))
		return false;
	for (int i = 0; i < 2; i++) {
		make_cookie(cookie, j->secret[i], from);
		make_mac2(expected, cookie, h);
		if (!crypto_equal(expected, h->mac2, sizeof(expected)))
			continue;
		memcpy(used, cookie, PROTO_MAC_LEN);
		ok = true;
	}
	crypto_wipe(cookie, sizeof(cookie));
	crypto_wipe(expected, sizeof(expected));
	return ok;
}

bool cookie_create(const struct cookie_jar *j, const struct cookie_keys *k, const struct packet_hello *h,
		   const struct endpoint *from, const uint8_t nonce[16], struct packet_cookie *out)
{
	static const uint8_t zero[PROTO_NONCE_LEN];
	/* A stranger's byte: whatever it is, it must not reach the AEAD unchecked. */
	enum suite suite = h->suite == SUITE_AES_256_GCM ? SUITE_AES_256_GCM : SUITE_CHACHA20_POLY1305;
	uint8_t cookie[PROTO_MAC_LEN], key[32];
	bool ok;

	memset(out, 0, sizeof(*out));
	out->type = PACKET_COOKIE;
	out->suite = (uint8_t)suite;
	memcpy(out->handshake_id, h->handshake_id, sizeof(out->handshake_id));
	memcpy(out->nonce, nonce, sizeof(out->nonce));
	make_cookie(cookie, j->secret[0], from);
	make_seal_key(key, k, h->mac1, nonce);
	ok = aead_seal_once(suite, key, out->sealed, zero, out, PROTO_HEADER_LEN, cookie, sizeof(cookie));
	crypto_wipe(cookie, sizeof(cookie));
	crypto_wipe(key, sizeof(key));
	return ok;
}

bool cookie_consume(const struct cookie_keys *k, const struct packet_cookie *c,
		    const uint8_t mac1[PROTO_MAC_LEN], uint8_t cookie[PROTO_MAC_LEN])
{
	static const uint8_t zero[PROTO_NONCE_LEN];
	uint8_t opened[PROTO_MAC_LEN], key[32];
	bool ok;

	if (c->type != PACKET_COOKIE ||
	    (c->suite != SUITE_AES_256_GCM && c->suite != SUITE_CHACHA20_POLY1305))
		return false;
	make_seal_key(key, k, mac1, c->nonce);
	ok = aead_open_once((enum suite)c->suite, key, opened, zero, c, PROTO_HEADER_LEN, c->sealed,
			    sizeof(c->sealed));
	if (ok)
		memcpy(cookie, opened, sizeof(opened));
	crypto_wipe(opened, sizeof(opened));
	crypto_wipe(key, sizeof(key));
	return ok;
}

/* What must be the same in every worker, and after a restart. */
static void derive(void *key, size_t len, const uint8_t server_private[32], const char *label)
{
	uint8_t prk[32];

	hkdf_extract(prk, "", 0, server_private, 32);
	hkdf_expand(key, len, prk, label);
	crypto_wipe(prk, sizeof(prk));
}

void reset_key_derive(uint8_t key[32], const uint8_t server_private[32], const uint8_t machine[32])
{
	uint8_t prk[32];

	hkdf_extract(prk, machine, 32, server_private, 32);
	hkdf_expand(key, 32, prk, "JumpVPN/1 reset");
	crypto_wipe(prk, sizeof(prk));
}

uint32_t steer_key_derive(const uint8_t server_private[32])
{
	be32 key;

	derive(&key, sizeof(key), server_private, "JumpVPN/1 steer");
	return get_be32(key) | 1;
}

void reset_token(uint8_t token[PROTO_TOKEN_LEN], const uint8_t key[32], const uint8_t locator[8])
{
	mac(token, key, 32, locator, 8, NULL, 0);
}

#define MARKED 6 /* bytes of a locator, the mark behind them */

void locator_key_derive(struct hash_key *key, const uint8_t server_private[32])
{
	derive(key->b, sizeof(key->b), server_private, "JumpVPN/1 locator");
}

void locator_mark(uint8_t locator[8], const struct hash_key *key)
{
	const uint64_t mark = hash_bytes(key, locator, MARKED);

	locator[MARKED] = (uint8_t)(mark >> 8);
	locator[MARKED + 1] = (uint8_t)mark;
}

bool locator_is_marked(const uint8_t locator[8], const struct hash_key *key)
{
	uint8_t same[8];

	memcpy(same, locator, sizeof(same));
	locator_mark(same, key);
	return memcmp(same, locator, sizeof(same)) == 0;
}
