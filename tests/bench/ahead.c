/*
 * What engine_ahead() saves: nanoseconds of the processor for a datagram of DATA, in batches as a socket gives them, from
 * sessions drawn at random, with and without it by turns; medians, and the median of the ratios of neighbours.
 *
 *     ahead [SESSIONS [ROUNDS [BYTES]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/peers.h"
#include "net/udp.h"
#include "proto/packet.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/lead.h"
#include "session/session.h"
#include "session/state.h"
#include "unit/prng.h"

#define ROUND 2048 /* datagrams */
#define PATHS 3
#define MOST 1420 /* bytes of an inner packet */
#define WARM_UP 20 /* rounds */

struct bench {
	struct config config;
	struct engine *engine;
	struct prng prng;
	struct jv_time now;
	struct keys *peer; /* of each session's client */
	struct keycache *peer_cache;
	struct key_store peer_store;
	struct route route;
	size_t len; /* of an inner packet */
	size_t delivered;
};

static uint8_t datagrams[ROUND][MOST + PROTO_OVERHEAD];

/* --- the world outside: nothing --- */

static void on_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len, unsigned int how)
{
	(void)ctx;
	(void)to;
	(void)datagram;
	(void)len;
	(void)how;
}

static void on_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	(void)packet;
	(void)len;
	((struct bench *)ctx)->delivered++;
}

static void on_audit(void *ctx, const struct audit_record *r)
{
	(void)ctx;
	(void)r;
}

static void on_random(void *ctx, void *out, size_t len)
{
	prng_fill(&((struct bench *)ctx)->prng, out, len);
}

static const struct engine_io io = {
	.send = on_send, .deliver = on_deliver, .audit = on_audit, .random = on_random
};

/* --- an engine full of sessions, without a handshake --- */

static void make_session(struct bench *b, uint32_t peer)
{
	struct session *s = session_new(b->engine, &b->config.peers[peer].policy,
					PATHS + PROTO_SPARE_LOCATORS, b->now);
	struct noise_split split;

	must(s, "memory");
	s->peer = peer;
	s->mtu = MOST;
	for (uint8_t i = 0; i < s->slots; i++) {
		uint8_t locator[8] = { 1 }, token[PROTO_TOKEN_LEN] = { 0 };

		prng_fill(&b->prng, locator + LOCATOR_RANDOM, sizeof(locator) - LOCATOR_RANDOM);
		must(session_issue(s, i, locator, token), "locator");
	}
	for (uint8_t i = 0; i < PATHS; i++) {
		struct path *p = i == 0 ? s->slot[0].path : session_make_path(s, i, b->now);

		must(p && session_need_health(p) && lead_set(p, &b->route), "memory");
		p->number = i;
		p->state = PATH_PROVEN;
	}
	state_bind(s, s->slot[0].path, false, b->now);
	must(state_event(s, EVENT_ATTACH_OK, REASON_ATTACHED_TO_TRANSPORT, b->now), "attached");
	b->engine->by_peer[peer] = s;
	prng_fill(&b->prng, &split, sizeof(split));
	must(keys_start(&s->keys, &b->engine->key_store, false, SUITE_AES_256_GCM, &split,
			policy_defaults.replay_window) &&
		     keys_start(&b->peer[peer], &b->peer_store, true, SUITE_AES_256_GCM, &split,
				policy_defaults.replay_window),
	     "keys");
}

static void bench_start(struct bench *b, size_t sessions)
{
	struct engine_setup setup = { .io = io,
				      .ctx = b,
				      .config = &b->config,
				      .workers = 1,
				      .key_cache = 4096,
				      .hardware_aes = true };

	b->prng.state = 1;
	b->now = (struct jv_time){ 1000000000 };
	make_peers(&b->config, sessions, MOST);
	must(endpoint_parse("198.51.100.1:1000", &b->route.remote), "address");
	b->peer = calloc(sessions, sizeof(*b->peer));
	b->peer_cache = keycache_new(64);
	b->engine = engine_new(&setup, b->now);
	must(b->peer && b->peer_cache && b->engine, "memory");
	key_store_init(&b->peer_store, b->peer_cache, sessions);
	for (uint32_t i = 0; i < sessions; i++)
		make_session(b, i);
}

/* --- rounds --- */

static void make_datagram(struct bench *b, uint8_t *datagram)
{
	const uint32_t peer = (uint32_t)(prng_next(&b->prng) % b->config.npeers);
	const struct ip far = address_of(peer);
	struct keys *k = &b->peer[peer];
	struct epoch *ep = keys_tx(k);
	uint8_t *inner = datagram + PROTO_HEADER_LEN;

	memset(inner, 0, b->len);
	inner[0] = 0x45;
	inner[2] = (uint8_t)(b->len >> 8);
	inner[3] = (uint8_t)b->len;
	inner[8] = 64;
	inner[9] = 17;
	memcpy(inner + 12, far.b + 12, 4);
	inner[16] = 10;
	packet_seal(datagram, inner, b->len, SEALED_DATA, (uint8_t)ep->number, ep->tx_counter++,
		    b->engine->by_peer[peer]->slot[0].locator,
		    keycache_aead(b->peer_cache, ep->cache, k->suite, ep->tx_key), ep->tx_iv,
		    keycache_mask(b->peer_cache, k->mask_cache, k->suite, k->tx_mask));
}

static double processor_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds for a datagram. */
static double run_round(struct bench *b, bool ahead)
{
	const uint8_t *batch[UDP_BATCH];
	double begin;

	for (size_t i = 0; i < ROUND; i++)
		make_datagram(b, datagrams[i]);
	begin = processor_ns();
	for (size_t at = 0; at < ROUND; at += UDP_BATCH) {
		for (size_t i = 0; i < UDP_BATCH; i++)
			batch[i] = datagrams[at + i];
		if (ahead)
			engine_ahead(b->engine, batch, UDP_BATCH);
		for (size_t i = 0; i < UDP_BATCH; i++)
			engine_datagrams(b->engine, &b->route, 0, datagrams[at + i], b->len + PROTO_OVERHEAD,
					 b->len + PROTO_OVERHEAD, b->now);
	}
	return (processor_ns() - begin) / ROUND;
}

static int compare(const void *va, const void *vb)
{
	const double a = *(const double *)va, b = *(const double *)vb;

	return (a > b) - (a < b);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static size_t number(int argc, char **argv, int i, size_t otherwise)
{
	return argc > i ? strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	static struct bench b;
	const size_t sessions = number(argc, argv, 1, 100000), rounds = number(argc, argv, 2, 100);
	double *with = calloc(rounds, sizeof(*with)), *without = calloc(rounds, sizeof(*without));
	double *ratio = calloc(rounds, sizeof(*ratio));

	b.len = number(argc, argv, 3, 200);
	must(with && without && ratio && sessions > 0 && b.len >= 40 && b.len <= MOST, "SESSIONS, ROUNDS, BYTES");
	must(crypto_init() == 0, "crypto");
	bench_start(&b, sessions);
	for (size_t i = 0; i < WARM_UP; i++)
		run_round(&b, i % 2);
	for (size_t i = 0; i < rounds; i++) {
		if (i % 2)
			with[i] = run_round(&b, true);
		without[i] = run_round(&b, false);
		if (i % 2 == 0)
			with[i] = run_round(&b, true);
		ratio[i] = with[i] / without[i];
	}
	must(b.delivered == ROUND * (WARM_UP + 2 * rounds), "not all was delivered");
	printf("%zu sessions, packets of %zu bytes: %.0f ns each without, %.0f with; ratio %.3f\n", sessions,
	       b.len, median(without, rounds), median(with, rounds), median(ratio, rounds));
	return 0;
}
