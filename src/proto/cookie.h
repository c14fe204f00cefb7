/*
 * mac1, mac2, COOKIE and RESET tokens: what a server judges without any state of the sender's.
 *
 *     mac1 key   = SHA-256("JumpVPN/1 mac1"   || server public key), first 16 bytes
 *     cookie key = SHA-256("JumpVPN/1 cookie" || server public key)
 *     mac1       = SipHash(mac1 key, HELLO bytes 0 to 95)
 *     mac2       = SipHash(cookie, mac1)
 *     cookie     = SipHash(secret of these two minutes, ip || port)
 *     secret     = HMAC-SHA-256(seed of this run of the daemon, number of the two minutes), first 16 bytes
 *     sealed     = AEAD of the HELLO's suite, key HMAC-SHA-256(cookie key, mac1 || nonce),
 *                  nonce zero, associated data the 16-byte header, of the cookie
 *     reset key  = HKDF-Expand(HKDF-Extract(machine, server private key), "JumpVPN/1 reset")
 *     token      = HMAC-SHA-256(reset key, locator), first 16 bytes
 *
 * SipHash is SipHash-2-4 with 128 bits: a flood of rubbish costs the thread that carries data some 0.1 us a HELLO. mac1
 * leaves the payload out for the same reason. Nobody gains by changing it: it then does not open, and whoever may
 * send HELLOs that do not open (all who know the server's public key) can make his own.
 */
#pragma once

#include "base/addr.h"
#include "base/hash.h"
#include "base/time.h"
#include "crypto/crypto.h"

struct cookie_keys { /* of one server, derived from its static key once */
	uint8_t mac1[PROTO_MAC_LEN];
	uint8_t cookie[32];
};

void cookie_keys_derive(struct cookie_keys *k, const uint8_t server_public[32]);

/* Fills mac1, and mac2 with the cookie or with zeroes when `cookie` is NULL. */
void cookie_sign_hello(const struct cookie_keys *k, struct packet_hello *h, const uint8_t *cookie);
bool cookie_check_mac1(const struct cookie_keys *k, const struct packet_hello *h);

/* A server's secrets. They follow from seed and time alone: what one worker's COOKIE proves, all take. */
struct cookie_jar {
	uint8_t seed[32];
	uint64_t period; /* number of the two minutes that secret[0] is of; 0: no secret was made yet */
	uint8_t secret[2][PROTO_MAC_LEN]; /* of these and of those before */
};

/* `seed` is random, and another one in each run of the daemon. */
void cookie_jar_init(struct cookie_jar *j, const uint8_t seed[32]);
/* Before it is used at `now`, which is never zero and does not go back. */
void cookie_jar_set(struct cookie_jar *j, struct jv_time now);
/* mac2 made with the current or the previous cookie of this source? Then `used` is that cookie, else zero. */
bool cookie_check_mac2(const struct cookie_jar *j, const struct packet_hello *h, const struct endpoint *from,
		       uint8_t used[PROTO_MAC_LEN]);
/* The COOKIE that answers `h`; nonce is 16 random bytes. */
/* False: no memory. */
bool cookie_create(const struct cookie_jar *j, const struct cookie_keys *k, const struct packet_hello *h,
		   const struct endpoint *from, const uint8_t nonce[16], struct packet_cookie *out);
/* The client's side; mac1 of the HELLO it sent. False: not an answer to it. */
bool cookie_consume(const struct cookie_keys *k, const struct packet_cookie *c,
		    const uint8_t mac1[PROTO_MAC_LEN], uint8_t cookie[PROTO_MAC_LEN]);

/*
 * `machine` is the same for all runs on one machine and another one elsewhere, so that a second server with the same key
 * and node id cannot make tokens of this one's; zeroes where there is nothing to tell machines by.
 */
void reset_key_derive(uint8_t key[32], const uint8_t server_private[32], const uint8_t machine[32]);
/* What locator_worker() takes; odd. */
uint32_t steer_key_derive(const uint8_t server_private[32]);
/* Marks a locator as one of this server's: its last two bytes are a keyed hash of the others. A server that was restarted
 * knows its own by that, and nobody else can make one up. */
void locator_key_derive(struct hash_key *key, const uint8_t server_private[32]);
void locator_mark(uint8_t locator[8], const struct hash_key *key);
bool locator_is_marked(const uint8_t locator[8], const struct hash_key *key);
void reset_token(uint8_t token[PROTO_TOKEN_LEN], const uint8_t key[32], const uint8_t locator[8]);
