/*
 * From HELLO to session, client side: one HELLO after another, until one is welcomed.
 *
 *     client                                    server
 *     HELLO(number)            ---------->      busy, not sure of the address, or the number is old:
 *     HELLO(number', cookie)   <-- COOKIE --    nothing is remembered
 *                              ---------->      admitted: a session in BIRTH
 *     (welcome.c)              <-- WELCOME -    sealed for this HELLO alone
 *     PING on slot 0           ---------->      ATTACHED; the session before is superseded
 *     ATTACHED                 <---- PONG --
 *
 * A round goes through the first remote of each candidate, then the second of each, and so on: lists have both
 * address families in turn, so a dead one costs little. HELLOs of a round are some PROTO_HELLO_RETRY_MIN_MS apart,
 * and twice as much in each round that follows. Each remote has a socket of its own, so one HELLO does not end
 * the wait for the answer to another's.
 *
 * The preferred candidate is called alone at first, and once more when the others begin to be called, so that one lost
 * packet does not decide where the session begins: until that second chance is over, a WELCOME by another waits.
 *
 * On the thread of the engine.
 */
#include "session/connect.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "proto/cookie.h"
#include "session/client_state.h"
#include "session/job.h"
#include "session/ladder.h"
#include "session/wheel.h"

#define SAME_SOCKET 3          /* HELLOs from one local port before a fresh one is tried */
#define HEAD_START_MS 250      /* RFC 8305 has as much between two attempts */
#define HEAD_START_MAX_MS 1000 /* for a path that is known to be long */
#define CHANCES 2              /* HELLOs that the preferred candidate has before others count */
#define COMPLAIN_FIRST_MS 5000
#define COMPLAIN_MS 60000
#define TURNS (PROTO_PATHS_MAX * CANDIDATE_REMOTES_MAX)

/*
 * Between 200 and 400 ms, twice as long each round, up to 5 s: one round's span ends where the next one's begins, so that
 * clients which lost their server in one moment come evenly, and not in waves with nothing to do for it in between.
 */
static uint32_t backoff_ms(struct engine *e, uint32_t tries)
{
	uint32_t ms = 4 * PROTO_HELLO_RETRY_MIN_MS / 3; /* at most; the mean is the constant */
	uint16_t chance;

	while (tries-- > 0 && ms < PROTO_HELLO_RETRY_MAX_MS)
		ms *= 2;
	if (ms > PROTO_HELLO_RETRY_MAX_MS)
		ms = PROTO_HELLO_RETRY_MAX_MS;
	e->io.random(e->ctx, &chance, sizeof(chance));
	return ms / 2 + ms / 2 * chance / UINT16_MAX;
}

/* Not more often than once a minute, however often it begins anew. */
static void complain_later(struct client *c, uint32_t ms, struct jv_time now)
{
	struct jv_time at = time_add_ms(now, ms);

	if (!time_is_never(c->complained))
		at = time_max(at, time_add_ms(c->complained, COMPLAIN_MS));
	timer_start(&c->engine->wheel, &c->complain, at);
}

void connect_complain(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, complain);

	if (!c->connecting)
		return;
	c->complained = now;
	c->engine->io.unanswered(c->engine->ctx);
	complain_later(c, COMPLAIN_MS, now);
}

void connect_start(struct engine *e, struct jv_time now)
{
	struct client *c = e->client;
	struct jv_time at = now;

	if (c->stopped || c->connecting || c->next)
		return;
	c->connecting = true;
	c->connecting_since = now;
	c->tries = c->turn = c->chances = 0;
	c->chance = TIME_NEVER;
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		c->candidate[n].called = (struct called){ .hellos = 0 };
	if (c->young > 1)
		at = time_add_ms(now, backoff_ms(e, c->young - 1));
	timer_start(&e->wheel, &c->retry, at);
	complain_later(c, COMPLAIN_FIRST_MS, now);
}

static void attempt_close(struct engine *e, struct attempt *a)
{
	if (a->open)
		e->io.path_close(e->ctx, a->socket);
	crypto_wipe(a, sizeof(*a));
}

void connect_leave(struct engine *e)
{
	struct waiting *w = &e->client->waiting;

	if (w->on)
		e->io.path_close(e->ctx, w->route.socket);
	w->on = false;
	crypto_wipe(&w->split, sizeof(w->split));
	timer_stop(&e->wheel, &w->due);
}

void connect_stop(struct engine *e)
{
	struct client *c = e->client;

	c->connecting = false;
	timer_stop(&e->wheel, &c->retry);
	timer_stop(&e->wheel, &c->complain);
	connect_leave(e);
	for (unsigned int i = 0; i < PROTO_PATHS_MAX; i++)
		attempt_close(e, &c->attempt[i]);
}

/* --- the preferred candidate --- */

/* The one that carries, while it can; or the first in the configuration that can. */
static uint8_t prefer(const struct client *c)
{
	uint8_t n = c->session && c->session->active ? c->session->active->number : PROTO_PATHS_MAX;

	if (n < PROTO_PATHS_MAX && c->candidate[n].up)
		return n;
	for (n = 0; n < PROTO_PATHS_MAX - 1 && !(c->candidate[n].exists && c->candidate[n].up); n++)
		;
	return n;
}

static uint32_t head_start_ms(const struct known_candidate *k)
{
	const int64_t ms = k->srtt_us * 3 / 2000;

	return ms < HEAD_START_MS ? HEAD_START_MS : ms > HEAD_START_MAX_MS ? HEAD_START_MAX_MS : (uint32_t)ms;
}

/* It has just been called, or has answered by a COOKIE. */
static void give_chance(struct client *c, struct jv_time now)
{
	const struct jv_time until = time_add_ms(now, head_start_ms(&c->candidate[c->preferred]));

	c->chance = time_is_never(c->chance) ? until : time_max(c->chance, until);
}

bool connect_has_chance(const struct client *c, struct jv_time now)
{
	return c->candidate[c->preferred].up && !time_is_never(c->chance) && time_before(now, c->chance);
}

/* The candidate at this place in the order they are called in. */
static uint8_t candidate_at(const struct client *c, uint8_t place)
{
	if (place == 0)
		return c->preferred;
	return place <= c->preferred ? place - 1 : place;
}

/* --- calling --- */

/* The next remote of a candidate that is up, in turn; counts the rounds. */
static const struct endpoint *next_remote(struct engine *e, uint8_t *number, struct jv_time now)
{
	struct client *c = e->client;

	for (unsigned int i = 0; i < TURNS; i++) {
		const uint8_t n = candidate_at(c, c->turn % PROTO_PATHS_MAX),
			      rank = c->turn / PROTO_PATHS_MAX;
		const struct known_candidate *k = &c->candidate[n];

		if (++c->turn == TURNS) {
			c->turn = 0;
			c->tries++;
		}
		if (!k->exists || !k->up || rank >= k->c.remotes)
			continue;
		if (c->tries > 0)
			ladder_resolve(e, n, now);
		*number = n;
		/* The ladder of a session that goes on climbs meanwhile: none must be left out for that. */
		return &k->c.remote[(c->failover.on ? rank : k->at + rank) % k->c.remotes];
	}
	return NULL;
}

static bool has_others(const struct client *c)
{
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		if (n != c->preferred && c->candidate[n].exists && c->candidate[n].up)
			return true;
	return false;
}

/* The remote to call now, and when to call the next. */
static const struct endpoint *whom_to_call(struct engine *e, uint8_t *number, struct jv_time *next,
					   struct jv_time now)
{
	struct client *c = e->client;
	const struct endpoint *remote;
	const struct known_candidate *k;

	if (c->chances == 0)
		c->preferred = prefer(c);
	k = &c->candidate[c->preferred];
	if (c->chances >= CHANCES || !k->exists || !k->up || !has_others(c)) {
		remote = next_remote(e, number, now);
		*next = time_add_ms(now, backoff_ms(e, c->tries));
		return remote;
	}
	if (c->chances > 0 && connect_has_chance(c, now)) {
		*next = c->chance;
		return NULL;
	}
	give_chance(c, now);
	*number = c->preferred;
	remote = &k->c.remote[((c->failover.on ? 0 : k->at) + c->chances) % k->c.remotes];
	/* The second time the others need not wait for it any longer. */
	*next = c->chances++ == 0 ? c->chance : now;
	if (c->turn == 0)
		c->turn = 1;
	return remote;
}

/* The attempt that goes to this remote; or one that is free; or the oldest. NULL: all are at work. */
static struct attempt *attempt_for(struct client *c, uint8_t number, const struct endpoint *remote)
{
	struct attempt *found = NULL;

	for (unsigned int i = 0; i < PROTO_PATHS_MAX; i++) {
		struct attempt *a = &c->attempt[i];

		if (a->open && a->number == number && endpoint_equal(&a->remote, remote))
			return a->busy ? NULL : a;
		if (!a->busy && (!found || a->serial < found->serial))
			found = a;
	}
	return found;
}

static bool attempt_open(struct engine *e, struct attempt *a, uint8_t number, const struct endpoint *remote)
{
	struct client *c = e->client;

	if (a->open && a->number == number && endpoint_equal(&a->remote, remote) && a->uses++ < SAME_SOCKET)
		return true;
	attempt_close(e, a);
	a->uses = 1;
	a->number = number;
	a->remote = *remote;
	a->socket = ++c->next_socket;
	a->open = e->io.path_open(e->ctx, a->socket, number, remote);
	return a->open;
}

struct job *connect_job(struct engine *e, enum job_kind kind, const struct attempt *a, uint32_t serial,
			struct jv_time now)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j) { /* HELLOs are repeated, and so are WELCOMEs */
		e->counters.n[COUNT_NO_MEMORY]++;
		return NULL;
	}
	j->kind = kind;
	j->worker = e->worker;
	j->started = now;
	j->attempt = (uint8_t)(a - e->client->attempt);
	j->serial = serial;
	list_append(&e->jobs, &j->node);
	e->njobs++;
	return j;
}

/* One path for each candidate, be it up by now or not: it may come up while the session lives. */
static uint8_t paths_wanted(const struct client *c)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < PROTO_PATHS_MAX; i++)
		n += c->candidate[i].exists;
	return n > 0 ? n : 1;
}

/* Grows with each HELLO, and over restarts where there is a clock; where there is none, COOKIEs do. */
static uint64_t next_number(struct engine *e, struct jv_time now)
{
	struct client *c = e->client;
	uint64_t clock = e->io.wall_us ? e->io.wall_us(e->ctx) : 0;

	if (clock == 0)
		clock = (uint64_t)now.us;
	c->number = clock > c->number ? clock : c->number + 1;
	return c->number;
}

static void hello_start(struct engine *e, struct attempt *a, struct jv_time now)
{
	const struct config *cfg = e->config;
	struct job *j;

	a->serial = ++e->client->next_serial;
	j = connect_job(e, JOB_HELLO_CREATE, a, a->serial, now);
	if (!j)
		return;
	a->busy = true;
	j->hello.type = PACKET_HELLO;
	j->hello.suite = e->hardware_aes ? SUITE_AES_256_GCM : SUITE_CHACHA20_POLY1305;
	e->io.random(e->ctx, j->hello.handshake_id, sizeof(j->hello.handshake_id));
	e->io.random(e->ctx, j->e_priv, sizeof(j->e_priv));
	j->hello_payload.suites = put_be16(SUITE_BIT(SUITE_AES_256_GCM) | SUITE_BIT(SUITE_CHACHA20_POLY1305));
	j->hello_payload.paths = paths_wanted(e->client);
	j->hello_payload.number = put_be64(next_number(e, now));
	if (a->has_cookie)
		memcpy(j->hello_payload.cookie, a->cookie, sizeof(a->cookie));
	noise_init_initiator(&j->noise, j->hello.suite, PROTO_PROLOGUE, strlen(PROTO_PROLOGUE),
			     cfg->private_key, cfg->public_key, cfg->server_public_key, cfg->server_psk);
	e->io.job(e->ctx, j);
}

void connect_retry(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, retry);
	struct engine *e = c->engine;
	const struct endpoint *remote;
	struct jv_time next;
	struct attempt *a;
	uint8_t number;

	if (!c->connecting)
		return;
	if (c->waiting.on) { /* others are called if nothing comes of that */
		timer_start(&e->wheel, t, time_add_ms(now, backoff_ms(e, c->tries)));
		return;
	}
	remote = whom_to_call(e, &number, &next, now);
	timer_start(&e->wheel, t, next);
	if (!remote)
		return; /* connect_candidate() will come */
	c->last_hello = now;
	a = attempt_for(c, number, remote);
	if (a && attempt_open(e, a, number, remote))
		hello_start(e, a, now);
}

void connect_candidate(struct engine *e, bool quiet, struct jv_time now)
{
	struct client *c = e->client;
	struct jv_time at = now;

	if (!c->connecting) {
		if (!c->session && !c->next)
			connect_start(e, now);
		return;
	}
	if (quiet)
		c->tries = 0;
	if (!time_is_never(c->last_hello))
		at = time_max(now, time_add_ms(c->last_hello, PROTO_HELLO_RETRY_MIN_MS));
	timer_start_earlier(&e->wheel, &c->retry, at);
}

void connect_hello_send(struct engine *e, struct attempt *a, struct job *j, struct jv_time now)
{
	struct greeting *g = &a->greeting[a->greetings];
	struct called *called;

	a->greetings = (uint8_t)((a->greetings + 1) % GREETINGS_MAX);
	cookie_sign_hello(e->cookie_keys, &j->hello, a->has_cookie ? a->cookie : NULL);
	memset(g, 0, sizeof(*g));
	called = &e->client->candidate[a->number].called;
	called->hellos++;
	called->remote = a->remote;
	g->out = true;
	g->sent = now;
	g->serial = j->serial;
	g->noise = j->noise;
	g->route.socket = a->socket;
	g->route.remote = a->remote;
	memcpy(g->handshake_id, j->hello.handshake_id, sizeof(g->handshake_id));
	memcpy(g->mac1, j->hello.mac1, sizeof(g->mac1));
	e->io.send(e->ctx, &g->route, (const uint8_t *)&j->hello, sizeof(j->hello), 0);
}

static struct attempt *attempt_of(struct client *c, uint32_t socket)
{
	for (unsigned int i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->attempt[i].open && c->attempt[i].socket == socket)
			return &c->attempt[i];
	return NULL;
}

void connect_strange(struct engine *e, uint32_t socket)
{
	const struct attempt *a = attempt_of(e->client, socket);

	e->counters.n[COUNT_WELCOME_BAD]++;
	if (a)
		e->client->candidate[a->number].called.strange++;
}

void connect_error(struct engine *e, uint32_t socket, int error)
{
	const struct attempt *a = attempt_of(e->client, socket);

	if (a)
		e->client->candidate[a->number].called.error = error;
}

struct greeting *connect_find(struct client *c, const struct route *from, const uint8_t id[8],
			      struct attempt **attempt)
{
	struct attempt *a = attempt_of(c, from->socket);

	*attempt = a;
	for (unsigned int n = 0; a && n < GREETINGS_MAX; n++) {
		struct greeting *g = &a->greeting[n];

		if (g->out && g->route.socket == from->socket && memcmp(g->handshake_id, id, 8) == 0)
			return g;
	}
	return NULL;
}

struct greeting *connect_greeting_of(struct attempt *a, const struct job *j)
{
	for (unsigned int n = 0; n < GREETINGS_MAX; n++)
		if (a->greeting[n].out && a->greeting[n].serial == j->serial)
			return &a->greeting[n];
	return NULL;
}

void connect_cookie(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		    struct jv_time now)
{
	struct packet_cookie c;
	struct greeting *g = NULL;
	struct attempt *a;

	if (len == sizeof(c)) {
		memcpy(&c, datagram, sizeof(c));
		g = connect_find(e->client, from, c.handshake_id, &a);
	}
	/* One HELLO for the first COOKIE, however many come: else they would make the client flood the server. */
	if (!g || a->has_cookie || !cookie_consume(e->cookie_keys, &c, g->mac1, a->cookie)) {
		connect_strange(e, from->socket);
		return;
	}
	a->has_cookie = true;
	e->client->candidate[a->number].called.cookies++;
	if (a->number == e->client->preferred)
		give_chance(e->client, now);
	hello_start(e, a, now);
}
