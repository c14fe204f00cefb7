/*
 * What the daemon's own code costs, in instructions: run under callgrind by tests/bench/micro.sh, which subtracts what the
 * crypto libraries do. Each piece of work stands in a measured section of its own; making the world for it is not counted.
 * Without callgrind it only runs. With --compiler it says what it was compiled by: gcc-12.
 *
 * The engines hold 10 and 100,000 attached sessions: all but one are made without a handshake and without keys, for
 * they only stand in the tables, lists and timer wheel where real ones would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else /* it still runs, uncounted */
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

#include "base/ip.h"
#include "bench/peers.h"
#include "net/offload.h"
#include "proto/packet.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/lead.h"
#include "session/session.h"
#include "session/state.h"
#include "session/wheel.h"
#include "unit/a_frame.h"
#include "unit/prng.h"

#define FEW 10
#define MANY 100000
#define TIMES 1000 /* repetitions of what is cheap */
#define SWITCHES 20
#define PACKET 1400

/* Counted, and written under this name with the number of repetitions: "name times". */
#define measured(name, times, work)                       \
	do {                                              \
		CALLGRIND_START_INSTRUMENTATION;          \
		work;                                     \
		CALLGRIND_STOP_INSTRUMENTATION;           \
		CALLGRIND_DUMP_STATS_AT(name " " #times); \
	} while (0)

struct bench {
	struct config config;
	struct engine *engine;
	struct prng prng;
	struct jv_time now;
	struct session *s; /* the one that works */
	struct keys peer;  /* its client's */
	struct keycache *peer_cache;
	struct key_store peer_store;
	struct route route[2];
	size_t sent, delivered;
};

/* --- the world outside: nothing --- */

static void on_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len, unsigned int how)
{
	(void)to;
	(void)how;
	(void)datagram;
	((struct bench *)ctx)->sent += len;
}

static void on_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	(void)packet;
	((struct bench *)ctx)->delivered += len;
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

/* --- an engine full of sessions --- */

static struct session *make_session(struct bench *b, uint32_t peer)
{
	const struct policy *policy = &b->config.peers[peer].policy;
	struct session *s = session_new(b->engine, policy, 4, b->now);

	must(s, "memory");
	s->peer = peer;
	s->mtu = 1420;
	for (uint8_t i = 0; i < s->slots; i++) {
		uint8_t locator[8] = { 1 }, token[PROTO_TOKEN_LEN] = { 0 };

		prng_fill(&b->prng, locator + LOCATOR_RANDOM, sizeof(locator) - LOCATOR_RANDOM);
		must(session_issue(s, i, locator, token), "locator");
	}
	for (uint8_t i = 0; i < 2; i++) {
		struct path *p = i == 0 ? s->slot[0].path : session_make_path(s, i, b->now);

		must(p && session_need_health(p), "memory");
		p->number = i;
		must(lead_set(p, &b->route[i]), "memory");
		p->state = PATH_PROVEN;
		p->proven_at = b->now;
		p->health->srtt_us = 1000;
		p->health->rttvar_us = 100;
	}
	state_bind(s, s->slot[0].path, false, b->now);
	must(state_event(s, EVENT_ATTACH_OK, REASON_ATTACHED_TO_TRANSPORT, b->now), "attached");
	b->engine->by_peer[peer] = s;
	session_due(s, DUE_LIFE, time_add_ms(b->now, policy->max_lifetime_ms - peer));
	return s;
}

static void bench_start(struct bench *b, size_t sessions)
{
	struct noise_split split;

	b->prng.state = 1;
	b->now = (struct jv_time){ 1000000000 };
	make_peers(&b->config, sessions, 1420);
	for (size_t i = 0; i < sessions; i++) {
		b->config.peers[i].policy.max_switches_per_min = 60;
		b->config.peers[i].policy.switch_cooldown_ms = 0;
	}
	must(endpoint_parse("198.51.100.1:1000", &b->route[0].remote), "address");
	must(endpoint_parse("203.0.113.1:1000", &b->route[1].remote), "address");
	struct engine_setup setup = { .io = io,
				      .ctx = b,
				      .config = &b->config,
				      .workers = 1,
				      .key_cache = 1024,
				      .hardware_aes = true };
	b->engine = engine_new(&setup, b->now);
	b->peer_cache = keycache_new(64);
	must(b->engine && b->peer_cache, "memory");
	for (uint32_t i = 0; i < sessions; i++) {
		struct session *s = make_session(b, i);

		if (i == sessions / 2)
			b->s = s;
	}
	prng_fill(&b->prng, &split, sizeof(split));
	key_store_init(&b->peer_store, b->peer_cache, 1);
	must(keys_start(&b->s->keys, &b->engine->key_store, false, SUITE_AES_256_GCM, &split,
			policy_defaults.replay_window) &&
		     keys_start(&b->peer, &b->peer_store, true, SUITE_AES_256_GCM, &split,
				policy_defaults.replay_window),
	     "keys");
}

/* Seals as the session's client would. */
static size_t peer_seal(struct bench *b, const struct path *p, uint8_t *packet, size_t len,
			enum sealed_kind kind)
{
	struct keycache *cache = b->peer_cache;
	struct epoch *ep = keys_tx(&b->peer);
	struct mask_key *mask = keycache_mask(cache, b->peer.mask_cache, b->peer.suite, b->peer.tx_mask);
	struct aead_key *key = keycache_aead(cache, ep->cache, b->peer.suite, ep->tx_key);

	return packet_seal(packet, packet + PROTO_HEADER_LEN, len, kind, (uint8_t)ep->number,
			   ep->tx_counter++, session_locator(p), key, ep->tx_iv, mask);
}

/* --- the measured pieces --- */

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void inner_packet(uint8_t *out, size_t len, const struct ip *src, const struct ip *dst)
{
	memset(out, 0, len);
	out[0] = 0x45;
	put16(out + 2, len);
	put16(out + 6, IPV4_DF);
	out[8] = 64;
	out[9] = 17;
	memcpy(out + 12, src->b + 12, 4);
	memcpy(out + 16, dst->b + 12, 4);
}

static uint8_t packets[TIMES][PACKET + PROTO_OVERHEAD];

static void lookup(struct bench *b)
{
	static const uint8_t *locator[TIMES];
	size_t found = 0;

	for (size_t i = 0; i < TIMES; i++)
		locator[i] = b->engine->by_peer[prng_next(&b->prng) % b->config.npeers]->slot[0].locator;
	measured("lookup", 1000,
		 for (size_t i = 0; i < TIMES; i++) found +=
		 session_find_path(b->engine, locator[i]) != NULL);
	must(found == TIMES, "a locator is not found");
}

static void owner(struct bench *b)
{
	static struct ip address[TIMES];
	size_t found = 0;

	for (size_t i = 0; i < TIMES; i++)
		address[i] = address_of((uint32_t)(prng_next(&b->prng) % b->config.npeers));
	measured("owner", 1000,
		 for (size_t i = 0; i < TIMES; i++) found +=
		 lpm_find(b->config.owners, &address[i]) != LPM_NONE);
	must(found == TIMES, "an owner is not found");
}

static void replay(void)
{
	static uint64_t ring[REPLAY_WORDS(2048)];
	struct replay r;
	size_t fresh = 0;

	replay_init(&r, 2048);
	replay_give(&r, ring);
	measured("replay", 1000,
		 for (uint64_t i = 0; i < TIMES; i++) fresh += replay_is_new(&r, i) && replay_update(&r, i));
	must(fresh == TIMES, "a packet is not new");
}

/* Whole ways: an inner packet out, a datagram in. Seal, open, lookup, owner, replay and counters are in them. */
static void data_out(struct bench *b)
{
	const struct ip far = address_of(b->s->peer), near = address_of(0xffff);
	const size_t before = b->sent;

	for (size_t i = 0; i < TIMES; i++)
		inner_packet(packets[i] + PROTO_HEADER_LEN, PACKET, &near, &far);
	engine_inner(b->engine, packets[0] + PROTO_HEADER_LEN, PACKET, b->now); /* expands the keys */
	inner_packet(packets[0] + PROTO_HEADER_LEN, PACKET, &near, &far);
	measured("data_out", 1000,
		 for (size_t i = 0; i < TIMES; i++)
			 engine_inner(b->engine, packets[i] + PROTO_HEADER_LEN, PACKET, b->now));
	must(b->sent - before >= (TIMES + 1) * sizeof(packets[0]), "a packet was not sent");
}

static void data_in(struct bench *b)
{
	const struct ip far = address_of(b->s->peer), near = address_of(0xffff);
	const size_t before = b->delivered;

	for (size_t i = 0; i < TIMES; i++) {
		inner_packet(packets[i] + PROTO_HEADER_LEN, PACKET, &far, &near);
		peer_seal(b, b->s->active, packets[i], PACKET, SEALED_DATA);
	}
	engine_datagram(b->engine, &b->route[0], 0, packets[0], sizeof(packets[0]), b->now);
	measured("data_in", 999,
		 for (size_t i = 1; i < TIMES; i++) engine_datagram(b->engine, &b->route[0], 0,
								    packets[i], sizeof(packets[0]), b->now));
	must(b->delivered - before == TIMES * PACKET, "a packet was not delivered");
}

/* The same as parts of a super-packet and of a run, where what they have in common is found once. */
struct row {
	struct inner_run run;
	size_t next;
};

static uint8_t *next_packet(struct inner_run *r, size_t *len)
{
	struct row *row = container_of(r, struct row, run);

	*len = PACKET;
	return row->next < TIMES ? packets[row->next++] + PROTO_HEADER_LEN : NULL;
}

static void runs(struct bench *b)
{
	const struct ip far = address_of(b->s->peer), near = address_of(0xffff);
	struct row row = { .run = { next_packet } };

	b->sent = b->delivered = 0;
	for (size_t i = 0; i < TIMES; i++)
		inner_packet(packets[i] + PROTO_HEADER_LEN, PACKET, &near, &far);
	measured("run_out", 1000, engine_inner_run(b->engine, &row.run, b->now));
	must(b->sent == sizeof(packets), "a packet was not sent");
	for (size_t i = 0; i < TIMES; i++) {
		inner_packet(packets[i] + PROTO_HEADER_LEN, PACKET, &far, &near);
		peer_seal(b, b->s->active, packets[i], PACKET, SEALED_DATA);
	}
	measured("run_in", 1000,
		 engine_datagrams(b->engine, &b->route[0], 0, packets[0], sizeof(packets),
				  sizeof(packets[0]), b->now));
	must(b->delivered == TIMES * PACKET, "a packet was not delivered");
}

static void seal_open(struct bench *b)
{
	struct epoch *tx = keys_tx(&b->peer);
	struct keycache *cache = keycache_new(64);
	size_t good = 0;

	must(cache, "memory");
	struct mask_key *mask = keycache_mask(cache, 1, b->peer.suite, b->peer.tx_mask);
	struct aead_key *key = keycache_aead(cache, 1, b->peer.suite, tx->tx_key);
	measured("seal", 1000,
		 for (size_t i = 0; i < TIMES; i++)
			 packet_seal(packets[i], packets[i] + PROTO_HEADER_LEN, PACKET, SEALED_DATA, 0, i,
				     session_locator(b->s->active), key, tx->tx_iv, mask));
	measured(
		"open", 1000, for (size_t i = 0; i < TIMES; i++) {
			const struct packet_id id = packet_unmask(packets[i], mask);
			good += packet_open(packets[i] + PROTO_HEADER_LEN, packets[i], sizeof(packets[0]),
					    &id, key, tx->tx_iv);
		});
	must(good == TIMES, "a packet does not open");
	keycache_free(cache);
}

/* A TCP super-packet of 45 full segments, apart and together again. */
static void split_merge(void)
{
	enum { HEADERS = 40, SIZE = 1380, SEGMENTS = 45, LEN = HEADERS + SEGMENTS * SIZE };
	static uint8_t super[LEN], spare[LEN], segments[SEGMENTS][HEADERS + SIZE], *segment;
	const struct vnet_header v = { .flags = 1,
				       .gso_type = 1,
				       .hdr_len = HEADERS,
				       .gso_size = SIZE,
				       .csum_start = 20,
				       .csum_offset = 16 };
	struct split s;
	static uint8_t slab[MERGE_SLAB];
	struct merge m;
	size_t n = 0, len;

	inner_packet(super, LEN, &(struct ip){ .b = { 0 } }, &(struct ip){ .b = { 0 } });
	super[9] = 6;
	super[20 + 12] = 0x50;
	super[20 + 13] = 0x10;
	memcpy(spare, super, LEN);
	measured("split", 45, {
		must(split_begin(&s, &v, super, LEN), "no super-packet");
		while ((segment = split_next(&s, &len)))
			n++;
	});
	must(n == SEGMENTS && split_begin(&s, &v, spare, LEN), "not all segments");
	for (n = 0; (segment = split_next(&s, &len)); n++)
		memcpy(segments[n], segment, len);
	merge_init(&m, slab);
	n = 0;
	measured("merge", 45, { /* memcpy() is where a packet is opened */
		for (size_t i = 0; i < SEGMENTS; i++) {
			memcpy(merge_room(&m), segments[i], sizeof(segments[i]));
			n += merge_add(&m, (struct merge_kinds){ true, true }, sizeof(segments[i]));
		}
		merge_finish(&m, &len);
	});
	must(n == SEGMENTS && len == sizeof(v) + LEN, "segments do not merge");
}

static void jump_once(struct bench *b, uint8_t *packet, size_t len)
{
	const uint8_t other = b->s->active->slot == 0;

	engine_datagram(b->engine, &b->route[other], 0, packet, len, b->now);
	must(b->s->active->slot == other && b->s->state == STATE_ATTACHED, "the session did not jump");
}

/* JUMP in: found, opened, judged, committed, audited and acknowledged. */
static void jumps(struct bench *b, bool many)
{
	static uint8_t packet[SWITCHES + 1][PROTO_CONTROL_SMALL];
	size_t len[SWITCHES + 1];

	for (uint32_t i = 0; i <= SWITCHES; i++) {
		struct a_frame f = { .type = FRAME_JUMP };
		struct writer w =
			writer_init(packet[i] + PROTO_HEADER_LEN, sizeof(packet[i]) - PROTO_OVERHEAD);
		const struct path *to = b->s->slot[i % 2 == 0].path;

		f.jump.id = put_be32(i + 1);
		f.jump.path = to->number;
		f.jump.reason = REASON_HEARTBEAT_TIMEOUT;
		f.jump.binding_version = put_be32(b->s->binding_version + i);
		f.jump.age_us = put_be64(session_age_us(b->s, b->now));
		frame_write(&w, LIES(&f));
		write_zeroes(&w, w.cap - w.len);
		len[i] = peer_seal(b, to, packet[i], w.len, SEALED_CONTROL);
	}
	jump_once(b, packet[0], len[0]);
	if (many)
		measured("switch_100000", 20,
			 for (size_t i = 1; i <= SWITCHES; i++) jump_once(b, packet[i], len[i]));
	else
		measured("switch_10", 20,
			 for (size_t i = 1; i <= SWITCHES; i++) jump_once(b, packet[i], len[i]));
}

/* A new configuration in which one peer has another policy, and all others what they had. */
static void reload(struct bench *b, bool many)
{
	struct config next = b->config;
	struct engine_peers *peers;

	next.generation++;
	next.peers = calloc(next.npeers, sizeof(*next.peers));
	must(next.peers, "memory");
	memcpy(next.peers, b->config.peers, next.npeers * sizeof(*next.peers));
	next.peers[b->s->peer].generation++;
	next.peers[b->s->peer].policy.drain_ms++;
	peers = engine_peers_new(&b->config, &next, 0, 1);
	must(peers, "memory");
	if (many)
		measured("reload_100000", 1, engine_configure(b->engine, &next, peers, b->now));
	else
		measured("reload_10", 1, engine_configure(b->engine, &next, peers, b->now));
	must(b->s->policy_generation == next.peers[b->s->peer].generation, "the policy was not taken");
	free(b->config.peers);
	b->config = next;
	engine_configure(b->engine, &b->config, engine_peers_new(&b->config, &b->config, 0, 1), b->now);
}

static void timers(struct bench *b)
{
	struct wheel *w = &b->engine->wheel;

	measured(
		"timer", 1000, for (uint32_t i = 0; i < TIMES; i++) {
			timer_start(w, &b->s->timer, time_add_ms(b->now, 1 + i * 37));
			timer_stop(w, &b->s->timer);
		});
}

#ifdef __clang__
#define COMPILER "clang"
#define COMPILER_VERSION __clang_major__
#else
#define COMPILER "gcc"
#define COMPILER_VERSION __GNUC__
#endif

int main(int argc, char **argv)
{
	static struct bench few, many;

	CALLGRIND_STOP_INSTRUMENTATION;
	if (argc > 1 && strcmp(argv[1], "--compiler") == 0) {
		printf("%s-%d\n", COMPILER, COMPILER_VERSION);
		return 0;
	}
	bench_start(&few, FEW);
	bench_start(&many, MANY);
	lookup(&many);
	owner(&many);
	replay();
	seal_open(&many);
	data_out(&many);
	data_in(&many);
	runs(&many);
	split_merge();
	timers(&many);
	jumps(&few, false);
	jumps(&many, true);
	reload(&few, false);
	reload(&many, true);
	printf("%zu and %zu sessions\n", engine_session_count(few.engine), engine_session_count(many.engine));
	return 0;
}
