/*
 * What a session takes at the server, all in: what the heap holds more for each of many sessions in one engine, so tables,
 * and what stands beside a session, are counted. Each has 5 slots, a window of 2,048 and 3 paths that were heard.
 *
 *     resting     attached for two minutes, with PINGs on all paths and no DATA
 *     carrying    and 300 packets of DATA in and out
 *     rested      and new keys, and five minutes more without DATA
 *     rekeying    resting, and an exchange is under way
 *
 * MEMORY_SESSIONS=20000 measures as many; the budgets are for the number of the test, since the table of locators grows in steps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>

#include "proto/packet.h"
#include "session/accept.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/session.h"
#include "unit/a_frame.h"
#include "unit/prng.h"

#define SESSIONS 2000 /* the table is as full as with 1,000,000 in 8 engines, to a twentieth */
#define PATHS 3
#define SMALL 300 /* bytes of a packet: no matter of path MTU */

/* Bytes; what is gained is to stay. */
#define BUDGET_RESTING 1423
#define BUDGET_CARRYING 1882
#define BUDGET_RESTED 1362
#define BUDGET_REKEYING 1769

struct client_end { /* of one session */
	struct keys keys;
	uint8_t locator[PATHS][8];
	uint32_t ping_id;
	uint64_t highest; /* of the DATA that came, in the first epoch */
};

struct many {
	size_t n;
	struct config config;
	struct engine *engine;
	struct keycache *cache;
	struct prng prng;
	struct jv_time now;
	struct client_end *end; /* one a session */
	struct key_store keys;
	uint8_t (*shared)[32];             /* of a rekey, one a session */
	struct job *job;                   /* handed out */
	uint8_t packet[PROTO_CONTROL_MAX]; /* the last one sent */
	size_t len;
	size_t delivered, sent;
};

/* --- outside the engine --- */

static void on_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len, unsigned int how)
{
	struct many *m = ctx;

	m->sent++;
	m->len = len <= sizeof(m->packet) ? len : 0;
	memcpy(m->packet, datagram, m->len);
}

static void on_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	((struct many *)ctx)->delivered++;
}

static void on_audit(void *ctx, const struct audit_record *r)
{
}

static void on_random(void *ctx, void *out, size_t len)
{
	prng_fill(&((struct many *)ctx)->prng, out, len);
}

static void on_job(void *ctx, struct job *j)
{
	((struct many *)ctx)->job = j;
}

static const struct engine_io io = {
	.send = on_send, .deliver = on_deliver, .audit = on_audit, .random = on_random, .job = on_job
};

static size_t heap(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* --- the client's part, by hand: a whole one would be counted too --- */

static struct route route_of(uint32_t peer, unsigned int path)
{
	const uint8_t v4[4] = { (uint8_t)(192 + path), (uint8_t)(peer >> 16), (uint8_t)(peer >> 8),
				(uint8_t)peer };

	return (struct route){ .remote = { ip_from_v4(v4), .port = 1000 } };
}

static struct ip inner_address(uint32_t peer)
{
	const uint8_t v4[4] = { 10, (uint8_t)(peer >> 16), (uint8_t)(peer >> 8), (uint8_t)peer };

	return ip_from_v4(v4);
}

static size_t seal(struct many *m, uint32_t peer, unsigned int path, uint8_t *packet, size_t len,
		   enum sealed_kind kind)
{
	struct keys *k = &m->end[peer].keys;
	struct epoch *ep = keys_tx(k);

	return packet_seal(packet, packet + PROTO_HEADER_LEN, len, kind, (uint8_t)ep->number,
			   ep->tx_counter++, m->end[peer].locator[path],
			   keycache_aead(m->cache, ep->cache, k->suite, ep->tx_key), ep->tx_iv,
			   keycache_mask(m->cache, k->mask_cache, k->suite, k->tx_mask));
}

static void send_frame(struct many *m, uint32_t peer, unsigned int path, const struct a_frame *f)
{
	uint8_t packet[PROTO_CONTROL_SMALL] = { 0 };
	struct writer w = writer_init(packet + PROTO_HEADER_LEN, sizeof(packet) - PROTO_OVERHEAD);
	const struct route from = route_of(peer, path);

	frame_write(&w, LIES(f));
	write_zeroes(&w, w.cap - w.len);
	m->len = 0;
	engine_datagram(m->engine, &from, 0, packet, seal(m, peer, path, packet, w.len, SEALED_CONTROL),
			m->now);
}

/* What the server says in answer: each question in it is answered, and what that brings, too. */
static void answer(struct many *m, uint32_t peer, unsigned int path)
{
	struct keys *k = &m->end[peer].keys;
	struct epoch *ep = keys_tx(k);
	uint8_t packet[PROTO_CONTROL_MAX];
	struct packet_id id;
	struct reader r;
	struct frame f;

	if (m->len == 0)
		return;
	memcpy(packet, m->packet, m->len);
	id = packet_unmask(packet, keycache_mask(m->cache, k->mask_cache + 1, k->suite, k->rx_mask));
	assert_true(packet_open(packet + PROTO_HEADER_LEN, packet, m->len, &id,
				keycache_aead(m->cache, ep->cache + 1, k->suite, ep->rx_key), ep->rx_iv));
	r = reader_init(packet + PROTO_HEADER_LEN, m->len - PROTO_OVERHEAD);
	while (frame_next(&r, &f)) {
		struct a_frame out = { .type = FRAME_PATH_RESPONSE };

		if (f.type != FRAME_PATH_CHALLENGE && f.type != FRAME_PING)
			continue;
		if (f.type == FRAME_PATH_CHALLENGE) {
			out.path_probe = *f.path_probe;
		} else {
			out.type = FRAME_PONG;
			out.pong.id = f.ping->id;
			out.pong.path = (uint8_t)path;
			out.pong.report.highest = put_be48(m->end[peer].highest);
			out.pong.echo_us = out.pong.age_us = f.ping->age_us;
		}
		send_frame(m, peer, path, &out);
		if (m->len > 0)
			answer(m, peer, path);
	}
}

static void ping(struct many *m, uint32_t peer, unsigned int path)
{
	const struct session *s = m->engine->by_peer[peer];
	struct a_frame f = { .type = FRAME_PING };

	f.ping.id = put_be32(++m->end[peer].ping_id);
	f.ping.path = (uint8_t)path;
	f.ping.report.highest = put_be48(m->end[peer].highest);
	f.ping.age_us = put_be64(s ? session_age_us(s, m->now) : 0);
	f.ping.policy_generation = put_be32(0);
	f.ping.locators_seq = put_be32(s ? s->locators_seq : 0);
	send_frame(m, peer, path, &f);
	answer(m, peer, path);
}

/* A HELLO of this peer was heard; the key agreement is left out. */
static void attach(struct many *m, uint32_t peer)
{
	struct job *j = calloc(1, sizeof(*j));
	struct session *s;

	assert_non_null(j);
	j->peer = peer;
	j->worker = j->taken_by = m->engine->worker;
	j->from = route_of(peer, 0);
	j->hello_payload.paths = PATHS;
	j->hello.suite = SUITE_AES_256_GCM;
	assert_true(accept_birth(m->engine, j, m->now) && m->job == j);
	prng_fill(&m->prng, &j->split, sizeof(j->split));
	j->ok = true;
	s = j->session;
	assert_true(keys_start(&m->end[peer].keys, &m->keys, true, SUITE_AES_256_GCM, &j->split, 64));
	for (unsigned int i = 0; i < PATHS; i++)
		memcpy(m->end[peer].locator[i], s->slot[i].locator, 8);
	engine_job_done(m->engine, j, m->now);
	for (unsigned int i = 0; i < PATHS; i++)
		ping(m, peer, i);
	assert_ptr_equal(m->engine->by_peer[peer], s);
	assert_int_equal(s->slots, PATHS + PROTO_SPARE_LOCATORS);
}

/* --- the engine --- */

static void make_config(struct many *m)
{
	struct config *c = &m->config;

	c->role = ROLE_SERVER;
	c->node_id = 1;
	c->generation = 1;
	c->tunnel.mtu = 1420;
	c->npeers = m->n;
	c->max_sessions = (uint32_t)m->n;
	c->peers = calloc(m->n, sizeof(*c->peers));
	c->owners = lpm_new(m->n);
	assert_true(c->peers && c->owners);
	for (uint32_t i = 0; i < m->n; i++) {
		struct config_peer *p = &c->peers[i];

		p->addresses = calloc(1, sizeof(*p->addresses));
		assert_non_null(p->addresses);
		p->naddresses = 1;
		p->addresses[0] = (struct prefix){ inner_address(i), 128 };
		p->public_key[0] = 1;
		memcpy(p->public_key + 1, &i, sizeof(i));
		p->policy = policy_defaults;
		p->policy.rescue_bytes =
			0; /* bounded for all sessions of an engine, and not in question here */
		assert_int_equal(lpm_add(c->owners, p->addresses, i, NULL), 0);
	}
}

static struct many *many_new(size_t n)
{
	struct many *m = calloc(1, sizeof(*m));
	struct engine_setup setup = {
		.io = io, .ctx = m, .workers = 1, .key_cache = 64, .hardware_aes = true
	};

	assert_non_null(m);
	m->n = n;
	m->prng.state = 7;
	m->now = (struct jv_time){ 1000000000 };
	m->end = calloc(n, sizeof(*m->end));
	m->shared = calloc(n, sizeof(*m->shared));
	m->cache = keycache_new(64);
	assert_true(m->end && m->shared && m->cache);
	key_store_init(&m->keys, m->cache, n);
	make_config(m);
	setup.config = &m->config;
	m->engine = engine_new(&setup, m->now);
	assert_non_null(m->engine);
	for (size_t i = 0; i < n; i++) /* the peers' own, whatever sessions they have: each has called */
		assert_non_null(m->engine->callers[i] = calloc(1, sizeof(struct caller)));
	return m;
}

static void many_free(struct many *m)
{
	engine_free(m->engine);
	for (size_t i = 0; i < m->n; i++)
		free(m->config.peers[i].addresses);
	free(m->config.peers);
	lpm_free(m->config.owners);
	key_store_free(&m->keys);
	keycache_free(m->cache);
	free(m->end);
	free(m->shared);
	free(m);
}

/* Two minutes later, and each path of each session has been asked meanwhile. */
static void rest(struct many *m)
{
	for (unsigned int round = 0; round < 8; round++) {
		m->now = time_add_ms(m->now, 15000);
		engine_input(m->engine, m->now);
		for (uint32_t peer = 0; peer < m->n; peer++)
			for (unsigned int path = 0; path < PATHS; path++)
				ping(m, peer, path);
		engine_tick(m->engine, m->now);
	}
}

static void inner_packet(uint8_t *out, const struct ip *src, const struct ip *dst)
{
	memset(out, 0, SMALL);
	out[0] = 0x45;
	out[2] = SMALL >> 8;
	out[3] = SMALL & 0xff;
	out[8] = 64;
	out[9] = 17;
	memcpy(out + 12, src->b + 12, 4);
	memcpy(out + 16, dst->b + 12, 4);
}

static void carry(struct many *m)
{
	const struct ip near = inner_address(UINT32_C(0xffffff));

	m->delivered = 0;
	for (uint32_t peer = 0; peer < m->n; peer++) {
		const struct ip far = inner_address(peer);
		const struct route from = route_of(peer, 0);
		uint8_t packet[SMALL + PROTO_OVERHEAD];

		for (unsigned int i = 0; i < 300; i++) {
			inner_packet(packet + PROTO_HEADER_LEN, &far, &near);
			seal(m, peer, 0, packet, SMALL, SEALED_DATA);
			engine_datagram(m->engine, &from, 0, packet, sizeof(packet), m->now);
			inner_packet(packet, &near, &far);
			engine_inner(m->engine, packet, SMALL, m->now);
		}
		m->end[peer].highest = keys_tx(&m->engine->by_peer[peer]->keys)->tx_counter;
		for (unsigned int path = 0; path < PATHS; path++)
			ping(m, peer, path);
	}
	assert_int_equal(m->delivered, m->n * 300);
}

static void rekey(struct many *m)
{
	for (uint32_t peer = 0; peer < m->n; peer++) {
		struct a_frame f = { .type = FRAME_REKEY_OFFER };

		f.rekey.epoch = 1;
		prng_fill(&m->prng, f.rekey.e, sizeof(f.rekey.e));
		m->job = NULL;
		send_frame(m, peer, 0, &f);
		assert_non_null(m->job);
		prng_fill(&m->prng, m->job->shared, sizeof(m->job->shared));
		memcpy(m->shared[peer], m->job->shared, sizeof(m->shared[peer]));
		prng_fill(&m->prng, m->job->e_pub, sizeof(m->job->e_pub));
		m->job->ok = true;
		engine_job_done(m->engine, m->job, m->now);
	}
}

/* The clients have made the same keys, and seal with them. */
static void confirm(struct many *m)
{
	for (uint32_t peer = 0; peer < m->n; peer++) {
		struct keys *k = &m->end[peer].keys;

		assert_true(keys_next(k, &m->keys, m->shared[peer]));
		keys_use_newest(k, m->now);
		keys_reap(k, &m->keys, m->now);
		ping(m, peer, 0);
		assert_int_equal(m->engine->by_peer[peer]->keys.tx_epoch, 1);
	}
}

/* What the clients need here for their part, keys, is not the server's. */
static size_t each(const struct many *m, size_t before)
{
	return (heap() - before - slab_bytes(&m->keys.epochs) + m->n - 1) / m->n;
}

/* What its objects take of the slabs, which are as large as they were at their fullest. */
static size_t used(const struct many *m)
{
	const struct engine *e = m->engine;
	const struct slab *const slabs[] = {
		&e->session_slab[PATHS + PROTO_SPARE_LOCATORS], &e->paths, &e->lags, &e->healths, &e->upkeeps, &e->pmtus,
		&e->trials, &e->jumps, &e->exchanges, &e->flaps, &e->passages, &e->rebindings, &e->rares,
		&e->key_store.epochs,
	};
	size_t bytes = table_bytes(e->locators);

	for (size_t i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++)
		bytes += slabs[i]->used * slabs[i]->size;
	for (unsigned int i = 0; i < RING_SIZES; i++)
		bytes += e->key_store.rings[i].used * e->key_store.rings[i].size;
	return (bytes + m->n - 1) / m->n;
}

static size_t sessions(void)
{
	const char *n = getenv("MEMORY_SESSIONS");

	return n ? strtoul(n, NULL, 10) : SESSIONS;
}

/* What an operator is told is what the heap holds, to a twentieth. */
static void assert_told(const struct many *m, size_t before)
{
	const uint64_t told = engine_session_bytes(m->engine) / m->n;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_in_range(told, each(m, before) * 19 / 20, each(m, before) + 1);
#endif
	(void)told;
}

static void assert_within(const char *what, size_t bytes, size_t budget)
{
	printf("%zu sessions, %s: %zu bytes each, of %zu\n", sessions(), what, bytes, budget);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their allocators count nothing here */
	assert_in_range(bytes, 1, budget);
#endif
}

static void attach_all(struct many *m)
{
	for (uint32_t peer = 0; peer < m->n; peer++)
		attach(m, peer);
	rest(m);
	assert_int_equal(engine_session_count(m->engine), m->n);
	for (uint32_t peer = 0; peer < m->n; peer++)
		assert_int_equal(m->engine->by_peer[peer]->state, STATE_ATTACHED);
}

static void test_carrying(void **state)
{
	struct many *m = many_new(sessions());
	const size_t before = heap();

	attach_all(m);
	assert_within("resting", each(m, before), BUDGET_RESTING);
	assert_told(m, before);
	carry(m);
	assert_within("carrying", each(m, before), BUDGET_CARRYING);
	assert_told(m, before);
	rekey(m);
	confirm(m);
	for (unsigned int i = 0; i < 3; i++)
		rest(m);
	assert_within("rested", used(m), BUDGET_RESTED);
	many_free(m);
}

static void test_rekeying(void **state)
{
	struct many *m = many_new(sessions());
	const size_t before = heap();

	attach_all(m);
	rekey(m);
	assert_within("rekeying", each(m, before), BUDGET_REKEYING);
	many_free(m);
}

/* A policy that changes for all is told to each in its turn, by a timer of its own: no input sends to all of them. */
static void test_policy_is_paced(void **state)
{
	struct many *m = many_new(1000);
	struct config next = m->config;
	unsigned int ms = 0;

	attach_all(m);
	next.generation++;
	next.peers = calloc(m->n, sizeof(*next.peers));
	assert_non_null(next.peers);
	memcpy(next.peers, m->config.peers, m->n * sizeof(*next.peers));
	for (size_t i = 0; i < m->n; i++)
		next.peers[i].generation = next.generation;
	m->sent = 0;
	engine_configure(m->engine, &next, engine_peers_new(&m->config, &next, 0, 1), m->now);
	assert_int_equal(m->sent, 0);
	for (size_t before = 0; m->sent < m->n; before = m->sent, ms++) {
		engine_tick(m->engine, m->now);
		assert_in_range(m->sent - before, 1, 2 * 32);
		m->now = time_add_ms(m->now, 1);
	}
	assert_in_range(ms, m->n / 32 - 1, m->n / 32 + 2);
	assert_int_equal(m->sent, m->n);
	many_free(m);
	free(next.peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carrying),
		cmocka_unit_test(test_rekeying),
		cmocka_unit_test(test_policy_is_paced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
