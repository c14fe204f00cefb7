/*
 * Which HELLOs a server hears. A stranger, a peer that means no good and somebody who sends recorded HELLOs again shall
 * cost little, keep nobody out, and learn nothing. The whole judgement, in its order; the same is told to others in
 * jumpvpn-protocol(7), "What the server does with a HELLO":
 *
 *  1. Not from an address inside; length and suite; mac1. Else silence.
 *  2. mac2, if there is one. With a right one, the address is proven: a token is taken of its networks, or else silence.
 *     Without, under load or with no token left (of buckets kept apart): COOKIE.
 *  3. Seen before? A copy of one that was welcomed, from where that came from: silence, for networks duplicate. A HELLO
 *     that was refused for good, or welcomed elsewhere: COOKIE.
 *  4. It waits for its turn among the networks (turns.h). If too many wait, the last of the longest queue is dropped; and
 *     whoever has waited for longer than a client does.
 *  5. The first Diffie-Hellman tells whose key it is. Of nobody: COOKIE.
 *  6. The peer has had as many sessions in BIRTH as a peer may; or under load has one under way by this network; or the server
 *     has as many sessions as it may (admit_has_room(), which is asked again in step 9): COOKIE.
 *  7. The second Diffie-Hellman proves the key and opens the payload. If it does not open: COOKIE.
 *  8. Live? With a cookie in the payload: if that is the one of this address, and mac2 was made with it. Without: if its
 *     number is higher than all before. Else COOKIE.
 *  9. A token of the peer; not too many of its sessions have attached of late; and a place in BIRTH, which wants a cookie if another is taken (accept.c): else COOKIE.
 * 10. WELCOME.
 *
 * So whoever sends a recorded HELLO again gets the same, whatever has become of the peer: COOKIE, or beyond the limits of
 * his own address, which are judged before anything that depends on the peer, silence. Nothing of what a recorded one
 * may do (2 to 8) changes anything for the peer whose it is.
 *
 * Steps 1 to 5 happen at the worker that the HELLO surfaces at, 6 to 10 at the peer's home. What became of it goes back
 * to the first, which remembers it and sends the COOKIE.
 *
 * On the thread of the engine.
 */
#include "session/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "proto/cookie.h"
#include "session/births.h"
#include "session/items.h"
#include "session/job.h"
#include "session/limit.h"
#include "session/seen.h"
#include "session/trail.h"
#include "session/turns.h"

#define HELLO_PER_SECOND 10 /* of one source; NET_WIDER times as many of its networks */
#define HELLO_BURST 20
#define JOBS_RUNNING 16 /* key agreements given to the pool at a time: the others wait for their turn */
#define JOBS_BUSY 32    /* under way or waiting: from here on a HELLO must prove its address first */
#define HELLOS_BUSY 200 /* in one second: the same */
#define WAIT_BUSY_MS 50 /* for its turn: the same */
/* A HELLO that has waited for so long is dropped: its client sends the next one before a WELCOME could reach it. */
#define WAIT_MS 100

/* A client that hears nothing sends one each 300 ms at most. */
static const struct rate births_rate = { .per_second = 4, .burst = 10 };

/*
 * Each session that attaches and is replaced is told in five records, and has budgets of its own for the records of what
 * it does. So one key may have 20 of them at once, and one each 3 s from then on.
 */
static const struct rate logins_rate = { .per_second = 1, .burst = 20 * 3, .price = 3 };

/* --- life --- */

static uint64_t wall_us(const struct engine *e)
{
	return e->io.wall_us ? e->io.wall_us(e->ctx) : 0;
}

void admit_configured(struct engine *e)
{
	e->callers_since = wall_us(e);
}

bool admit_new(struct engine *e, const uint8_t cookie_seed[32])
{
	struct hash_key key;

	e->jar = calloc(1, sizeof(*e->jar));
	e->hello_limit = calloc(1, sizeof(*e->hello_limit));
	e->proven_limit = calloc(1, sizeof(*e->proven_limit));
	e->seen = calloc(1, sizeof(*e->seen));
	e->turns = calloc(1, sizeof(*e->turns));
	if (!e->jar || !e->hello_limit || !e->proven_limit || !e->seen || !e->turns)
		return false;
	admit_configured(e);
	cookie_jar_init(e->jar, cookie_seed);
	e->io.random(e->ctx, key.b, sizeof(key.b));
	net_limit_init(e->hello_limit, &key, HELLO_PER_SECOND, HELLO_BURST);
	net_limit_init(e->proven_limit, &key, HELLO_PER_SECOND, HELLO_BURST);
	seen_init(e->seen, &key);
	turns_init(e->turns, &key);
	return true;
}

void admit_stop(struct engine *e)
{
	struct job *j;

	while (e->turns && (j = turns_next(e->turns)))
		job_free(j);
}

void admit_free(struct engine *e)
{
	admit_stop(e);
	if (e->jar)
		crypto_wipe(e->jar, sizeof(*e->jar));
	free(e->jar);
	free(e->hello_limit);
	free(e->proven_limit);
	free(e->seen);
	free(e->turns);
}

/* --- what was seen --- */

enum heard { HEARD_NEVER, HEARD_COPY, HEARD_OLD };

struct mark {         /* what a fingerprint is made of */
	uint8_t kind; /* enum hello_end */
	uint8_t e[PROTO_KEY_LEN];
	uint8_t ip[16]; /* these are zero where they do not matter */
	be16 port;
};

static uint64_t mark_print(const struct engine *e, enum hello_end kind, const struct packet_hello *h,
			   const struct endpoint *from)
{
	struct mark m = { .kind = (uint8_t)kind };

	memcpy(m.e, h->e, sizeof(m.e));
	if (from) {
		memcpy(m.ip, from->ip.b, sizeof(m.ip));
		m.port = put_be16(from->port);
	}
	return seen_print(e->seen, &m, sizeof(m));
}

/* A copy with anything changed does not open, and is not remembered: so it cannot keep out the HELLO it was made of. */
static void remember(struct engine *e, const struct job *j, enum hello_end end, struct jv_time now)
{
	if (end == HELLO_OLD || end == HELLO_WELCOMED)
		seen_add(e->seen, mark_print(e, HELLO_OLD, &j->hello, NULL), now);
	if (end == HELLO_ELSEWHERE || end == HELLO_WELCOMED)
		seen_add(e->seen, mark_print(e, end, &j->hello, &j->from.remote), now);
}

void admit_welcomed(struct engine *e, const struct job *j, struct jv_time now)
{
	remember(e, j, HELLO_WELCOMED, now);
}

static enum heard heard(struct engine *e, const struct packet_hello *h, const struct endpoint *from,
			struct jv_time now)
{
	if (seen_has(e->seen, mark_print(e, HELLO_WELCOMED, h, from), now))
		return HEARD_COPY;
	if (seen_has(e->seen, mark_print(e, HELLO_OLD, h, NULL), now) ||
	    seen_has(e->seen, mark_print(e, HELLO_ELSEWHERE, h, from), now))
		return HEARD_OLD;
	return HEARD_NEVER;
}

/* --- answers --- */

static void cookie_send(struct engine *e, const struct route *from, const struct packet_hello *h,
			struct jv_time now)
{
	struct packet_cookie c;
	uint8_t nonce[16];

	cookie_jar_set(e->jar, now);
	e->io.random(e->ctx, nonce, sizeof(nonce));
	if (!cookie_create(e->jar, e->cookie_keys, h, &from->remote, nonce, &c)) {
		admit_no_memory(e, &from->remote, now);
		return;
	}
	e->counters.n[COUNT_COOKIE_SENT]++;
	e->io.send(e->ctx, from, (const uint8_t *)&c, sizeof(c), 0);
}

bool admit_answer(struct engine *e, struct job *j, enum hello_end end, struct jv_time now)
{
	remember(e, j, end, now);
	if (j->taken_by != e->worker) {
		crypto_wipe(&j->noise, sizeof(j->noise));
		j->kind = JOB_HELLO_ANSWER;
		j->end = end;
		e->io.forward(e->ctx, j->taken_by, j);
		return true;
	}
	if (end != HELLO_WELCOMED)
		cookie_send(e, &j->from, &j->hello, now);
	return false;
}

static bool refuse(struct engine *e, struct job *j, enum counter why, enum hello_end end, struct jv_time now)
{
	e->counters.n[why]++;
	return admit_answer(e, j, end, now);
}

/* --- from the datagram to its turn --- */

size_t admit_jobs(const struct engine *e)
{
	return e->njobs + (e->turns ? e->turns->n : 0);
}

static bool under_load(struct engine *e, struct jv_time now)
{
	const uint32_t second = (uint32_t)(now.us / 1000000);

	if (e->hello_second != second) {
		e->hello_second = second;
		e->hello_count = 0;
	}
	return e->hello_count++ >= HELLOS_BUSY || admit_jobs(e) >= JOBS_BUSY || e->turns->waited_ms >= WAIT_BUSY_MS;
}

static struct job *job_new(struct engine *e, const struct route *from, const struct packet_hello *h,
			   struct jv_time now)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->kind = JOB_HELLO_STATIC;
	j->worker = e->worker;
	j->started = now;
	j->taken_by = e->worker;
	j->from = *from;
	j->hello = *h;
	noise_init_responder(&j->noise, h->suite, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE),
			     e->config->private_key, e->config->public_key);
	return j;
}

void admit_hand_out(struct engine *e, struct job *j)
{
	list_append(&e->jobs, &j->node);
	e->njobs++;
	e->io.job(e->ctx, j);
}

static void give_up(struct engine *e, struct job *j)
{
	e->counters.n[COUNT_HELLO_BUSY]++;
	job_free(j);
}

void admit_serve(struct engine *e, struct jv_time now)
{
	struct turns *t = e->turns;
	struct job *j;

	while (e->njobs < JOBS_RUNNING && (j = turns_next(t))) {
		t->waited_ms = (uint32_t)time_since_ms(now, j->started);
		if (t->waited_ms < WAIT_MS)
			admit_hand_out(e, j);
		else
			give_up(e, j);
	}
	if (t->n == 0)
		t->waited_ms = 0;
}

static void wait_for_turn(struct engine *e, struct job *j, struct jv_time now)
{
	struct job *out = turns_add(e->turns, j);

	if (out)
		give_up(e, out);
	admit_serve(e, now);
}

/* What it may have by its address alone. False: it has had its answer, or gets none. */
static bool is_let_in(struct engine *e, const struct packet_hello *h, const struct route *from, bool proven,
		      bool busy, struct jv_time now)
{
	if (proven) {
		/* Buckets of their own, which datagrams with a forged source do not empty. */
		if (net_limit_take(e->proven_limit, &from->remote.ip, now))
			return true;
		e->counters.n[COUNT_HELLO_RATE_LIMITED]++;
		return false;
	}
	if (!busy && net_limit_take(e->hello_limit, &from->remote.ip, now))
		return true;
	cookie_send(e, from, h, now);
	return false;
}

void admit_hello(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		 struct jv_time now)
{
	const struct packet_hello *h = (const struct packet_hello *)datagram; /* bytes only */
	uint8_t cookie[PROTO_MAC_LEN];
	struct job *j;
	bool proven, busy;

	e->counters.n[COUNT_HELLO_RECEIVED]++;
	if (items_lead_to(e, &from->remote.ip)) {
		e->counters.n[COUNT_DROP_INSIDE]++;
		return;
	}
	if (len != sizeof(*h) || (h->suite != SUITE_AES_256_GCM && h->suite != SUITE_CHACHA20_POLY1305)) {
		e->counters.n[COUNT_DROP_MALFORMED]++;
		return;
	}
	if (!cookie_check_mac1(e->cookie_keys, h)) {
		e->counters.n[COUNT_HELLO_BAD_MAC]++;
		return;
	}
	cookie_jar_set(e->jar, now);
	proven = cookie_check_mac2(e->jar, h, &from->remote, cookie);
	busy = under_load(e, now);
	if (!is_let_in(e, h, from, proven, busy, now))
		return;
	switch (heard(e, h, &from->remote, now)) {
	case HEARD_COPY:
		e->counters.n[COUNT_HELLO_REPEATED]++;
		return;
	case HEARD_OLD:
		e->counters.n[COUNT_HELLO_REPLAYED]++;
		cookie_send(e, from, h, now);
		return;
	case HEARD_NEVER:
		break;
	}
	j = job_new(e, from, h, now);
	if (!j) {
		admit_no_memory(e, &from->remote, now);
		return;
	}
	j->address_proven = proven;
	memcpy(j->cookie, cookie, sizeof(j->cookie));
	j->busy = busy;
	wait_for_turn(e, j, now);
}

/* --- from its key to WELCOME: each answers true where the job lives on --- */

/* Whose it says, or proves, that it is: an index of the present configuration. */
static bool is_of_peer(struct engine *e, struct job *j, struct jv_time now)
{
	const ptrdiff_t peer = config_find_peer(e->config, j->noise.rs);

	if (peer < 0) {
		trail_stranger(e, j->noise.rs, &j->from.remote, now);
		return false;
	}
	j->peer = (uint32_t)peer;
	return true;
}

/* What it may have, as far as that is known before the key is proven. */
static bool may_call(struct caller *c, struct jv_time now)
{
	return !c || (bucket_has(&c->births, &births_rate, now) && bucket_has(&c->logins, &logins_rate, now));
}

bool admit_has_room(const struct engine *e, uint32_t peer)
{
	const bool has_one = e->by_peer[peer] || (e->callers[peer] && e->callers[peer]->has.s[0]);

	return e->nsessions < (has_one ? ADMIT_MOST(e->max_sessions) : e->max_sessions);
}

bool admit_attached(struct session *s, struct jv_time now)
{
	return bucket_take(&s->engine->callers[s->peer]->logins, &logins_rate, now);
}

/*
 * Under load nothing is begun for a peer that has been served just now: its client has asked again before the answer came,
 * and would have two. What came by another of its networks is heard, for somebody may hold back what goes by that one.
 */
static bool is_served(const struct engine *e, const struct job *j, struct jv_time now)
{
	const struct caller *c = e->callers[j->peer];
	const struct births *b = c ? &c->has : NULL;

	for (unsigned int i = 0; b && j->busy && i < BIRTHS_MAX && b->s[i]; i++)
		if (time_since_ms(now, b->s[i]->born) < BIRTH_LEAST_MS &&
		    ip_equal(&b->s[i]->slot[0].path->lead.remote, &j->from.remote.ip))
			return true;
	return false;
}

static bool static_read(struct engine *e, struct job *j, struct jv_time now)
{
	uint32_t home;

	if (!j->ok)
		return refuse(e, j, COUNT_HELLO_BAD_CRYPTO, HELLO_REFUSED, now);
	if (!is_of_peer(e, j, now))
		return refuse(e, j, COUNT_HELLO_UNKNOWN_PEER, HELLO_OLD, now);
	home = e->config->peers[j->peer].home % e->workers;
	if (home != e->worker) {
		e->io.forward(e->ctx, home, j);
		return true;
	}
	/* The tokens are taken in payload_read(), once the key is proven: a stranger cannot use up a peer's. */
	if (!may_call(e->callers[j->peer], now))
		return refuse(e, j, COUNT_HELLO_PEER_LIMITED, HELLO_REFUSED, now);
	if (is_served(e, j, now))
		return refuse(e, j, COUNT_HELLO_BUSY, HELLO_REFUSED, now);
	if (!admit_has_room(e, j->peer)) {
		admit_no_room(e, &j->from.remote, now);
		return admit_answer(e, j, HELLO_REFUSED, now);
	}
	j->kind = JOB_HELLO_PAYLOAD;
	admit_hand_out(e, j);
	return true;
}

/*
 * Made just now, not recorded? mac2 anybody can make, the payload only the peer. One that bears a cookie is good at that
 * cookie's address alone, whatever its number: else somebody who is faster than the peer could use up what it sends.
 */
static bool is_live(const struct engine *e, const struct job *j, bool bears_cookie)
{
	const struct caller *c = e->callers[j->peer];

	if (bears_cookie)
		return j->address_proven &&
		       crypto_equal(j->hello_payload.cookie, j->cookie, sizeof(j->cookie));
	return get_be64(j->hello_payload.number) > (c ? c->number : e->callers_since);
}

/* Who proves the key is remembered from then on. NULL without memory. */
static struct caller *caller_of(struct engine *e, uint32_t peer)
{
	struct caller *c = e->callers[peer];

	if (c)
		return c;
	c = e->callers[peer] = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->number = e->callers_since;
	bucket_fill(&c->births, &births_rate);
	bucket_fill(&c->logins, &logins_rate);
	return c;
}

static bool payload_read(struct engine *e, struct job *j, bool *admitted, struct jv_time now)
{
	static const uint8_t none[PROTO_MAC_LEN];
	const bool bears_cookie = !crypto_equal(j->hello_payload.cookie, none, sizeof(none));
	struct caller *c;

	if (!j->ok)
		return refuse(e, j, COUNT_HELLO_BAD_CRYPTO, HELLO_REFUSED, now);
	if (!is_of_peer(e, j, now)) /* any more */
		return refuse(e, j, COUNT_HELLO_UNKNOWN_PEER, HELLO_OLD, now);
	/* Two copies may have been opened side by side. */
	switch (heard(e, &j->hello, &j->from.remote, now)) {
	case HEARD_COPY:
		e->counters.n[COUNT_HELLO_REPEATED]++;
		return false;
	case HEARD_OLD:
		return refuse(e, j, COUNT_HELLO_REPLAYED, HELLO_OLD, now);
	case HEARD_NEVER:
		break;
	}
	if (!is_live(e, j, bears_cookie))
		return refuse(e, j, COUNT_HELLO_REPLAYED, bears_cookie ? HELLO_ELSEWHERE : HELLO_OLD, now);
	if (is_served(e, j, now))
		return refuse(e, j, COUNT_HELLO_BUSY, HELLO_REFUSED, now);
	j->fresh = bears_cookie;
	c = caller_of(e, j->peer);
	if (!c) {
		admit_no_memory(e, &j->from.remote, now);
		return admit_answer(e, j, HELLO_REFUSED, now);
	}
	if (get_be64(j->hello_payload.number) > c->number)
		c->number = get_be64(j->hello_payload.number);
	if (!bucket_has(&c->logins, &logins_rate, now))
		return refuse(e, j, COUNT_HELLO_PEER_LIMITED, HELLO_OLD, now);
	if (!bucket_take(&c->births, &births_rate, now))
		return refuse(e, j, COUNT_HELLO_PEER_LIMITED, HELLO_OLD, now);
	*admitted = true;
	return false;
}

bool admit_job_done(struct engine *e, struct job *j, bool *admitted, struct jv_time now)
{
	switch (j->kind) {
	case JOB_HELLO_STATIC:
		return static_read(e, j, now);
	case JOB_HELLO_PAYLOAD:
		return payload_read(e, j, admitted, now);
	default: /* JOB_HELLO_ANSWER: we took it */
		return admit_answer(e, j, j->end, now);
	}
}

void admit_no_room(struct engine *e, const struct endpoint *from, struct jv_time now)
{
	e->counters.n[COUNT_HELLO_SESSION_LIMIT]++;
	trail_refused(e, NULL, AUDIT_SECURITY_VALIDATION_FAILED, REASON_SESSION_LIMIT_REACHED, from, now);
}

void admit_no_memory(struct engine *e, const struct endpoint *from, struct jv_time now)
{
	e->counters.n[COUNT_HELLO_NO_MEMORY]++;
	trail_refused(e, NULL, AUDIT_SECURITY_VALIDATION_FAILED, REASON_OUT_OF_MEMORY, from, now);
}
