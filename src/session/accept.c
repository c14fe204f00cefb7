/*
 * From HELLO to session, server side. What a stranger can make us do, in rising order of cost: compare a MAC,
 * take a token of his source, send a COOKIE, do two Diffie-Hellman. Only a peer of ours gets a session, in
 * BIRTH, which displaces nothing but an older one in BIRTH.
 */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "jumpvpn/locator.h"
#include "proto/cookie.h"

#define JOBS_MAX 256    /* key agreements under way; more HELLOs are dropped */
#define JOBS_BUSY 32    /* from here on a HELLO must prove its address first */
#define HELLOS_BUSY 200 /* in one second: the same */
#define BIRTH_LEAST_MS 1000

static bool under_load(struct engine *e, struct jv_time now)
{
	const uint32_t second = (uint32_t)(now.us / 1000000);

	if (e->hello_second != second) {
		e->hello_second = second;
		e->hello_count = 0;
	}
	return e->hello_count++ >= HELLOS_BUSY || e->njobs >= JOBS_BUSY;
}

static void cookie_send(struct engine *e, const struct route *from, const struct packet_hello *h)
{
	struct packet_cookie c;
	uint8_t nonce[16];

	e->io.random(e->ctx, nonce, sizeof(nonce));
	cookie_create(e->jar, e->cookie_keys, h, &from->remote, nonce, &c);
	e->counters.n[COUNT_COOKIE_SENT]++;
	e->io.send(e->ctx, from, (const uint8_t *)&c, sizeof(c), 0);
}

static struct job *job_start(struct engine *e, const struct route *from, const struct packet_hello *h,
			     struct jv_time now)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->kind = JOB_HELLO_CONSUME;
	j->worker = e->worker;
	j->started = now;
	j->taken_by = e->worker;
	j->from = *from;
	j->hello = *h;
	noise_init_responder(&j->noise, h->suite, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE),
			     e->config->private_key, e->config->public_key);
	list_append(&e->jobs, &j->node);
	e->njobs++;
	return j;
}

void accept_hello(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now)
{
	struct packet_hello h;
	enum counter why;
	struct job *j;
	uint8_t cookie[PROTO_MAC_LEN];
	bool proven, busy;

	e->counters.n[COUNT_HELLO_RECEIVED]++;
	why = COUNT_DROP_INSIDE;
	if (server_is_inside(e, &from->remote.ip))
		goto drop;
	why = COUNT_DROP_MALFORMED;
	if (len != sizeof(h))
		goto drop;
	memcpy(&h, datagram, sizeof(h));
	if (h.suite != SUITE_AES_256_GCM && h.suite != SUITE_CHACHA20_POLY1305)
		goto drop;
	why = COUNT_HELLO_BAD_MAC;
	if (!cookie_check_mac1(e->cookie_keys, &h))
		goto drop;
	if (cookie_jar_is_due(e->jar, now)) {
		uint8_t random[32];

		e->io.random(e->ctx, random, sizeof(random));
		cookie_jar_rotate(e->jar, random, now);
	}
	/* Buckets of their own for addresses that are proven: whoever spoofs a source empties only
	 * the other. */
	proven = cookie_check_mac2(e->jar, &h, &from->remote, cookie);
	why = COUNT_HELLO_RATE_LIMITED;
	if (proven && !source_limit_take(e->proven_limit, &from->remote.ip, now))
		goto drop;
	busy = under_load(e, now);
	if (!proven && (busy || !source_limit_take(e->hello_limit, &from->remote.ip, now))) {
		cookie_send(e, from, &h);
		return;
	}
	why = COUNT_HELLO_BUSY;
	if (e->njobs >= JOBS_MAX)
		goto drop;
	why = COUNT_HELLO_NO_MEMORY;
	j = job_start(e, from, &h, now);
	if (!j)
		goto drop;
	j->address_proven = proven;
	memcpy(j->cookie, cookie, sizeof(j->cookie));
	e->io.job(e->ctx, j);
	return;
drop:
	e->counters.n[why]++;
}

/* The suite both have: the client's wish, unless we would be slow at it and it has the other. */
static enum suite choose_suite(const struct engine *e, const struct job *j)
{
	const uint16_t has = get_be16(j->hello_payload.suites);
	const enum suite wish = j->hello.suite;

	if (wish == SUITE_AES_256_GCM && !e->hardware_aes && has & SUITE_BIT(SUITE_CHACHA20_POLY1305))
		return SUITE_CHACHA20_POLY1305;
	return wish;
}

bool accept_issue(struct session *s, uint8_t slot)
{
	struct engine *e = s->engine;
	uint8_t locator[8], token[PROTO_TOKEN_LEN];

	locator[LOCATOR_NODE] = e->config->node_id;
	for (int tries = 0; tries < 4; tries++) {
		e->io.random(e->ctx, locator + LOCATOR_RANDOM, sizeof(locator) - LOCATOR_RANDOM);
		locator_of_worker(locator, e->steer_key, e->worker, e->workers);
		reset_token(token, e->reset_key, locator);
		if (session_issue(s, slot, locator, token))
			return true;
	}
	return false;
}

/* Made after the COOKIE that proves its address, by the peer itself: mac2 anybody can make, the payload not. */
static bool is_fresh(const struct job *j)
{
	return j->address_proven && crypto_equal(j->hello_payload.cookie, j->cookie, sizeof(j->cookie));
}

static struct session *session_birth(struct engine *e, const struct job *j, struct jv_time now)
{
	const struct config_peer *peer = &e->config->peers[j->peer];
	uint8_t paths = j->hello_payload.paths;
	struct session *s;

	if (paths < 1)
		paths = 1;
	if (paths > peer->policy.max_candidates)
		paths = (uint8_t)peer->policy.max_candidates;
	if (e->nsessions + e->nlate >= e->max_sessions && e->nlate > 0)
		session_forget(container_of(e->late.next, struct session, node));
	if (e->nsessions >= e->max_sessions)
		return NULL;
	s = session_new(e, &peer->policy, paths + PROTO_SPARE_LOCATORS, peer->policy.replay_window, now);
	if (!s)
		return NULL;
	s->peer = j->peer;
	births_add(s);
	e->io.random(e->ctx, s->id, sizeof(s->id));
	memcpy(s->peer_key, peer->public_key, sizeof(s->peer_key));
	memcpy(s->hello_e, j->hello.e, sizeof(s->hello_e));
	s->fresh = is_fresh(j);
	s->peer_name = peer->name;
	s->mtu = e->config->tunnel.mtu;
	s->policy_generation = peer->generation;
	trail_session(s, AUDIT_SESSION_CREATED, REASON_NONE, now);
	for (uint8_t i = 0; i < s->slots; i++) {
		if (!accept_issue(s, i)) {
			session_end(s, REASON_HANDSHAKE_TIMEOUT, now);
			return NULL;
		}
	}
	/* The WELCOME goes there, so whoever confirms it from there has proven that address. */
	s->path[0].route = j->from;
	s->path[0].known = s->path[0].proven = true;
	return s;
}

/* What a WELCOME has room for; the rest, if any, follows in POLICY frames once the session is attached. */
static void welcome_compose(struct session *s, enum suite suite, uint8_t out[PROTO_WELCOME_PAYLOAD])
{
	struct net_item items[POLICY_ITEMS_MAX];
	const size_t n = server_items(s->engine, s, items, POLICY_ITEMS_MAX);
	const size_t room = (PROTO_WELCOME_PAYLOAD - sizeof(struct welcome_payload) -
			     s->slots * sizeof(struct wire_locator)) /
			    sizeof(struct wire_net_item);
	struct writer w = writer_init(out, PROTO_WELCOME_PAYLOAD);
	struct welcome in = { .suite = suite };

	memcpy(in.session_id, s->id, sizeof(in.session_id));
	in.policy_generation = s->policy_generation;
	in.mtu = s->mtu;
	in.policy = s->policy;
	in.locators = s->slots;
	for (uint8_t i = 0; i < s->slots; i++) {
		in.locator[i].slot = i;
		memcpy(in.locator[i].locator, s->path[i].locator, sizeof(in.locator[i].locator));
		memcpy(in.locator[i].token, s->path[i].token, sizeof(in.locator[i].token));
	}
	in.items = (uint8_t)(n < room ? n : room);
	if (in.items > POLICY_ITEMS_MAX)
		in.items = POLICY_ITEMS_MAX;
	memcpy(in.item, items, in.items * sizeof(items[0]));
	if (n > in.items)
		in.parts = (uint8_t)((n + POLICY_ITEMS_MAX - 1) /
				     POLICY_ITEMS_MAX); /* the schema allows no more than fit */
	welcome_write(&w, &in);
}

static void welcome_start(struct engine *e, struct session *s, struct job *j)
{
	const struct config_peer *peer = &e->config->peers[s->peer];
	struct packet_welcome *w = &j->welcome;

	s->keys.suite = choose_suite(e, j);
	welcome_compose(s, s->keys.suite, j->payload);
	w->type = PACKET_WELCOME;
	w->suite = j->hello.suite;
	memcpy(w->handshake_id, j->hello.handshake_id, sizeof(w->handshake_id));
	memcpy(j->psk, peer->psk, sizeof(j->psk));
	e->io.random(e->ctx, j->e_priv, sizeof(j->e_priv));
	j->kind = JOB_WELCOME_CREATE;
	j->session = s;
	s->job = j;
	list_append(&e->jobs, &j->node);
	e->njobs++;
	e->io.job(e->ctx, j);
}

void births_add(struct session *s)
{
	struct births *b = &s->engine->births[s->peer];

	b->s[b->s[0] ? 1 : 0] = s;
}

void births_remove(struct session *s)
{
	struct births *b = &s->engine->births[s->peer];

	if (b->s[0] == s) {
		b->s[0] = b->s[1];
		b->s[1] = NULL;
	} else if (b->s[1] == s) {
		b->s[1] = NULL;
	}
}

/*
 * Which of the two gives way: one that may be a replay, or else the oldest. But somebody on one network of the peer can
 * hold fresh HELLOs back and let them go as he likes. So what came by one address does not put out what came by
 * another while it holds a place itself; nor does it give that up before an answer can have come. NULL: none.
 */
static struct session *gives_way(const struct births *b, const struct job *j, struct jv_time now)
{
	const struct ip *from = &j->from.remote.ip;
	const bool first = ip_equal(&b->s[0]->path[0].route.remote.ip, from);
	const bool second = ip_equal(&b->s[1]->path[0].route.remote.ip, from);
	struct session *own = first ? b->s[0] : b->s[1];

	if (!b->s[0]->fresh || first == second)
		return b->s[0];
	return time_since_ms(now, own->born) >= BIRTH_LEAST_MS ? own : NULL;
}

enum room { ROOM, ROOM_FOR_COOKIE, ROOM_FULL };

/*
 * Whoever recorded HELLOs of a peer can send them again and keep its places in BIRTH taken. So a second birth
 * wants a HELLO that repeats a COOKIE of ours under the peer's seal, which no recorded one does: it costs the peer
 * a round trip, and replays never hold more than the first place. A third one puts another out, so that a peer
 * whose WELCOMEs get lost is not locked out by itself.
 */
static enum room make_room(struct engine *e, const struct job *j, struct jv_time now)
{
	struct births *b = &e->births[j->peer];
	struct session *out;

	if (b->s[0] && !is_fresh(j))
		return ROOM_FOR_COOKIE;
	if (!b->s[BIRTHS_MAX - 1])
		return ROOM;
	e->counters.n[COUNT_HELLO_TOO_MANY_BIRTHS]++;
	out = gives_way(b, j, now);
	if (out)
		session_end(out, REASON_SUPERSEDED, now);
	return out ? ROOM : ROOM_FULL;
}

/* The very HELLO that something in BIRTH came from: a network that duplicates, or somebody who replays. */
static bool is_repeated(const struct engine *e, const struct job *j)
{
	const struct births *b = &e->births[j->peer];

	for (unsigned int i = 0; i < BIRTHS_MAX; i++)
		if (b->s[i] && memcmp(b->s[i]->hello_e, j->hello.e, sizeof(j->hello.e)) == 0)
			return true;
	return false;
}

/* True: another worker has the job now. */
static bool cookie_wanted(struct engine *e, struct job *j)
{
	j->kind = JOB_COOKIE;
	if (j->taken_by == e->worker) {
		cookie_send(e, &j->from, &j->hello);
		return false;
	}
	e->io.forward(e->ctx, j->taken_by, j);
	return true;
}

/* The client is known by its key: is it a peer, and ours? True: the job lives on. */
static bool hello_consumed(struct engine *e, struct job *j, struct jv_time now)
{
	const ptrdiff_t peer = config_find_peer(e->config, j->noise.rs);
	struct session *s;
	enum room room;
	uint32_t home;

	if (peer < 0) {
		e->counters.n[COUNT_HELLO_UNKNOWN_PEER]++;
		trail_refused(e, NULL, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF, &j->from.remote,
			      now);
		return false;
	}
	home = e->config->peers[peer].home % e->workers;
	if (home != e->worker) {
		e->io.forward(e->ctx, home, j);
		return true;
	}
	j->peer = (uint32_t)peer;
	if (is_repeated(e, j)) {
		e->counters.n[COUNT_HELLO_REPEATED]++;
		return false;
	}
	room = make_room(e, j, now);
	if (room != ROOM)
		return room == ROOM_FOR_COOKIE && cookie_wanted(e, j);
	s = session_birth(e, j, now);
	if (!s) {
		e->counters.n[COUNT_HELLO_NO_MEMORY]++;
		return false;
	}
	welcome_start(e, s, j);
	return true;
}

static void welcome_created(struct engine *e, struct job *j)
{
	struct session *s = j->session;

	s->job = NULL;
	keys_start(&s->keys, false, s->keys.suite, &j->split, s->policy.replay_window, s->replay_bits,
		   &e->cache_next);
	e->counters.n[COUNT_WELCOME_SENT]++;
	e->io.send(e->ctx, &j->from, (const uint8_t *)&j->welcome, sizeof(j->welcome), 0);
}

void accept_job_done(struct engine *e, struct job *j, struct jv_time now)
{
	if (j->kind == JOB_HELLO_CONSUME) {
		if (j->ok && hello_consumed(e, j, now))
			return;
		if (!j->ok)
			e->counters.n[COUNT_HELLO_BAD_CRYPTO]++;
	} else if (j->kind == JOB_COOKIE) {
		cookie_send(e, &j->from, &j->hello);
	} else if (j->session && j->ok) {
		welcome_created(e, j);
	} else if (j->session) {
		j->session->job = NULL;
		session_end(j->session, REASON_HANDSHAKE_TIMEOUT, now);
	}
	job_free(j);
}

/* A late answer to an older WELCOME must not take over from this one. */
static void end_older_births(const struct session *s, struct jv_time now)
{
	const struct births *b = &s->engine->births[s->peer];

	while (b->s[0] && !time_before(s->born, b->s[0]->born))
		session_end(b->s[0], REASON_SUPERSEDED, now);
}

void accept_attached(struct session *s, struct path *p, struct jv_time now)
{
	struct engine *e = s->engine;
	struct session *old = e->by_peer[s->peer];

	session_bind(s, p, false, now);
	if (!session_event(s, EVENT_ATTACH_OK, REASON_ATTACHED_TO_TRANSPORT, now))
		return;
	births_remove(s);
	end_older_births(s, now);
	trail_path(s, AUDIT_TRANSPORT_ATTACHED, REASON_ATTACHED_TO_TRANSPORT, AUDIT_NO_PATH, p, now);
	e->by_peer[s->peer] = s;
	rekey_schedule(s, now);
	ping_send(p, 0, now); /* tells us the round trip, which our own suspicion needs */
	if (old)
		session_end(old, REASON_SUPERSEDED, now);
}

void accept_reset(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now)
{
	struct packet_reset r = { .type = PACKET_RESET };

	const uint8_t *locator = datagram + offsetof(struct packet_header, locator);

	/* Only for locators that are this worker's (the daemon may have had more workers once, or fewer: that one
	 * answers whose it would be now), and never longer than what asked for it. */
	if (len < sizeof(r) || locator[LOCATOR_NODE] != e->config->node_id ||
	    locator_worker(locator, e->steer_key, e->workers) != e->worker)
		return;
	if (!source_limit_take(e->reset_limit, &from->remote.ip, now))
		return;
	memcpy(r.locator, locator, sizeof(r.locator));
	reset_token(r.token, e->reset_key, r.locator);
	e->counters.n[COUNT_RESET_SENT]++;
	e->io.send(e->ctx, from, (const uint8_t *)&r, sizeof(r), 0);
}
