/*
 * Noise_IKpsk2_25519_{AESGCM,ChaChaPoly}_SHA256 (Noise revision 34), and nothing of VPNs.
 *
 *     IKpsk2:
 *       <- s
 *       ...
 *       -> e, es, s, ss
 *       <- e, ee, se, psk
 *
 * The responder works in three steps, a Diffie-Hellman or more in each: noise_read_static() stops at the initiator's
 * static key, which the caller looks up; noise_read_payload() shows that it holds that key, and what it says;
 * noise_create_welcome() finishes with that peer's PSK. Every function
 * works on copies and commits last: after `false` the struct is what it was. Callers wipe with noise_clear().
 *
 * e_priv is passed in: this room draws no randomness. Safe to run on any thread (DH costs tens of µs).
 */
#pragma once

#include "crypto/crypto.h"

struct noise {
	uint8_t ck[32];
	uint8_t h[32];
	uint8_t k[32];        /* seals once: see noise.c on the nonce */
	uint8_t e_priv[32];
	uint8_t s_priv[32];   /* own static */
	uint8_t s_pub[32];
	uint8_t rs[32];       /* the peer's static: initiator from the start, responder after message 1 */
	uint8_t re[32];
	uint8_t psk[32];      /* all zero where none is set */
	const uint8_t *ss;    /* what noise_ss() made, if the caller has kept it; NULL: it is made anew */
	enum suite suite;
};

/* Keys of the transport phase, and what the key schedule hangs on. */
struct noise_split {
	uint8_t i2r[32]; /* initiator to responder */
	uint8_t r2i[32];
	uint8_t h[32];   /* handshake hash */
};

void noise_init_initiator(struct noise *n, enum suite suite, const void *prologue, size_t plen,
			  const uint8_t s_priv[32], const uint8_t s_pub[32], const uint8_t rs[32],
			  const uint8_t psk[32]);
void noise_init_responder(struct noise *n, enum suite suite, const void *prologue, size_t plen,
			  const uint8_t s_priv[32], const uint8_t s_pub[32]);

/* The secret that the two static keys have, the same in each handshake: an initiator may keep it. False: low-order key. */
bool noise_ss(uint8_t ss[32], const uint8_t s_priv[32], const uint8_t rs[32]);
/* Message 1. e_out: 32 bytes; s_out: 48; payload_out: len + 16. False: low-order key. */
bool noise_create_hello(struct noise *n, const uint8_t e_priv[32], uint8_t *e_out, uint8_t *s_out,
			uint8_t *payload_out, const void *payload, size_t len);
/* e, es, s: n->rs is who the initiator says it is. That is proven by the payload alone. */
bool noise_read_static(struct noise *n, const uint8_t *e, const uint8_t *s);
/* ss. `len` is of the ciphertext with its tag; payload_out gets len - 16. */
bool noise_read_payload(struct noise *n, const uint8_t *payload, size_t len, uint8_t *payload_out);
/* Both in one. */
bool noise_consume_hello(struct noise *n, const uint8_t *e, const uint8_t *s, const uint8_t *payload,
			 size_t len, uint8_t *payload_out);
/* Message 2. */
bool noise_create_welcome(struct noise *n, const uint8_t e_priv[32], const uint8_t psk[32],
			  uint8_t *e_out, uint8_t *payload_out, const void *payload, size_t len,
			  struct noise_split *split);
bool noise_consume_welcome(struct noise *n, const uint8_t *e, const uint8_t *payload, size_t len,
			   uint8_t *payload_out, struct noise_split *split);
void noise_clear(struct noise *n);
