/* HELLOs that no client sent: made with a client's key, whenever a test likes, and with what cookie it likes. */
#pragma once

#include "session/job.h"
#include "world.h"

#include "base/wire.h"
#include "proto/cookie.h"

/* Of the owner of `c`; with the cookie if there is one. */
static inline void hello_make_as(struct world *w, const struct config *c, struct packet_hello *h,
				 uint64_t number, const uint8_t *cookie)
{
	static struct job j;

	memset(&j, 0, sizeof(j));
	j.kind = JOB_HELLO_CREATE;
	j.hello.type = PACKET_HELLO;
	j.hello.suite = SUITE_AES_256_GCM;
	prng_fill(&w->rng, j.hello.handshake_id, sizeof(j.hello.handshake_id));
	prng_fill(&w->rng, j.e_priv, sizeof(j.e_priv));
	j.hello_payload.suites = put_be16(SUITE_BIT(SUITE_AES_256_GCM));
	j.hello_payload.paths = 3;
	j.hello_payload.number = put_be64(number);
	if (cookie)
		memcpy(j.hello_payload.cookie, cookie, sizeof(j.hello_payload.cookie));
	noise_init_initiator(&j.noise, j.hello.suite, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE), c->private_key,
			     c->public_key, c->server_public_key, c->server_psk);
	job_run(&j);
	assert_true(j.ok);
	*h = j.hello;
	cookie_sign_hello(w->engine[0].e->cookie_keys, h, cookie);
}

/* Whoever is there gets one. */
static inline void cookie_of(struct world *w, const struct route *from, uint8_t cookie[PROTO_MAC_LEN])
{
	struct engine *e = w->engine[0].e;
	struct packet_hello h = { .type = PACKET_HELLO, .suite = SUITE_AES_256_GCM };
	struct packet_cookie packet;
	uint8_t nonce[16];

	prng_fill(&w->rng, nonce, sizeof(nonce));
	cookie_jar_set(e->jar, w->now);
	cookie_sign_hello(e->cookie_keys, &h, NULL);
	cookie_create(e->jar, e->cookie_keys, &h, &from->remote, nonce, &packet);
	assert_true(cookie_consume(e->cookie_keys, &packet, h.mac1, cookie));
}

/* A HELLO of client 0, each with a higher number than the one before, all lower than what the client sends from now on;
 * with the cookie of that address if there is one. */
static inline void hello_make(struct world *w, struct packet_hello *h, const struct route *proven)
{
	static uint64_t made;
	uint8_t cookie[PROTO_MAC_LEN];

	if (proven)
		cookie_of(w, proven, cookie);
	hello_make_as(w, &w->client[0].config, h, (uint64_t)w->now.us - 1000000 + ++made,
		      proven ? cookie : NULL);
}
