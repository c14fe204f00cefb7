/*
 * From HELLO to session, client side: one HELLO after another, until one is welcomed.
 *
 * A round goes through the first remote of each candidate, then the second of each, and so on: lists have both
 * address families in turn, so a dead one costs little. HELLOs of a round are PROTO_HELLO_RETRY_MIN_MS apart,
 * and twice as much in each round that follows. Each remote has a socket of its own, so one HELLO does not end
 * the wait for the answer to another's.
 */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "proto/cookie.h"

#define YOUNG_MS 10000  /* a session that ends before this makes the next one wait */
#define SAME_SOCKET 3   /* HELLOs from one local port before a fresh one is tried */
#define CONSUMING_MAX 4 /* WELCOMEs being opened for one HELLO */
#define TURNS (PROTO_PATHS_MAX * CANDIDATE_REMOTES_MAX)

/* 300 ms, doubled up to 5 s, a quarter up or down by chance so that a thousand clients do not come
 * at once. */
static uint32_t backoff_ms(struct engine *e, uint32_t tries)
{
	uint32_t ms = PROTO_HELLO_RETRY_MIN_MS;
	uint16_t chance;

	while (tries-- > 0 && ms < PROTO_HELLO_RETRY_MAX_MS)
		ms *= 2;
	if (ms > PROTO_HELLO_RETRY_MAX_MS)
		ms = PROTO_HELLO_RETRY_MAX_MS;
	e->io.random(e->ctx, &chance, sizeof(chance));
	return ms - ms / 4 + ms / 2 * chance / UINT16_MAX;
}

void connect_start(struct engine *e, struct jv_time now)
{
	struct client *c = e->client;
	struct jv_time at = now;

	if (c->stopped || c->connecting || c->next)
		return;
	c->connecting = true;
	c->connecting_since = now;
	c->tries = 0;
	c->turn = c->session && c->session->active ? c->session->active->number : c->last_number;
	if (c->young > 1)
		at = time_add_ms(now, backoff_ms(e, c->young - 1));
	timer_start(&e->wheel, &c->retry, at);
}

static void attempt_close(struct engine *e, struct attempt *a)
{
	if (a->open)
		e->io.path_close(e->ctx, a->socket);
	crypto_wipe(a, sizeof(*a));
}

void connect_stop(struct engine *e)
{
	struct client *c = e->client;

	c->connecting = false;
	timer_stop(&e->wheel, &c->retry);
	for (unsigned int i = 0; i < PROTO_PATHS_MAX; i++)
		attempt_close(e, &c->attempt[i]);
}

/* The next remote of a candidate that is up, in turn; counts the rounds. */
static const struct endpoint *next_remote(struct engine *e, uint8_t *number, struct jv_time now)
{
	struct client *c = e->client;

	for (unsigned int i = 0; i < TURNS; i++) {
		const uint8_t n = c->turn % PROTO_PATHS_MAX, rank = c->turn / PROTO_PATHS_MAX;
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
		return &k->c.remote[(k->at + rank) % k->c.remotes];
	}
	return NULL;
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

static struct job *job_start(struct engine *e, enum job_kind kind, const struct attempt *a, uint32_t serial,
			     struct jv_time now)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
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
	j = job_start(e, JOB_HELLO_CREATE, a, a->serial, now);
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
	struct attempt *a;
	uint8_t number;

	if (!c->connecting)
		return;
	remote = next_remote(e, &number, now);
	timer_start(&e->wheel, t, time_add_ms(now, backoff_ms(e, c->tries)));
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

static void hello_send(struct engine *e, struct attempt *a, struct job *j)
{
	struct greeting *g = &a->greeting[a->greetings];

	a->greetings = (uint8_t)((a->greetings + 1) % GREETINGS_MAX);
	cookie_sign_hello(e->cookie_keys, &j->hello, a->has_cookie ? a->cookie : NULL);
	memset(g, 0, sizeof(*g));
	g->out = true;
	g->serial = j->serial;
	g->noise = j->noise;
	g->route.socket = a->socket;
	g->route.remote = a->remote;
	memcpy(g->handshake_id, j->hello.handshake_id, sizeof(g->handshake_id));
	memcpy(g->mac1, j->hello.mac1, sizeof(g->mac1));
	e->io.send(e->ctx, &g->route, (const uint8_t *)&j->hello, sizeof(j->hello), 0);
}

/* The HELLO that a WELCOME or COOKIE with this handshake id answers, or NULL. */
static struct greeting *find_greeting(struct client *c, const struct route *from, const uint8_t id[8],
				      struct attempt **attempt)
{
	for (unsigned int i = 0; i < PROTO_PATHS_MAX; i++) {
		struct attempt *a = &c->attempt[i];

		if (!a->open || a->socket != from->socket)
			continue;
		*attempt = a;
		for (unsigned int n = 0; n < GREETINGS_MAX; n++) {
			struct greeting *g = &a->greeting[n];

			if (g->out && g->route.socket == from->socket && memcmp(g->handshake_id, id, 8) == 0)
				return g;
		}
	}
	return NULL;
}

/* The one that a job was about, unless it is forgotten. */
static struct greeting *greeting_of(struct attempt *a, const struct job *j)
{
	for (unsigned int n = 0; n < GREETINGS_MAX; n++)
		if (a->greeting[n].out && a->greeting[n].serial == j->serial)
			return &a->greeting[n];
	return NULL;
}

void connect_welcome(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		     struct jv_time now)
{
	const struct packet_welcome *w = (const struct packet_welcome *)datagram;
	struct greeting *g = NULL;
	struct attempt *a;
	struct job *j;

	if (len == sizeof(*w))
		g = find_greeting(e->client, from, w->handshake_id, &a);
	if (g && g->consuming >= CONSUMING_MAX)
		g = NULL;
	j = g ? job_start(e, JOB_WELCOME_CONSUME, a, g->serial, now) : NULL;
	if (!j) {
		e->counters.n[COUNT_WELCOME_BAD]++;
		return;
	}
	g->consuming++;
	j->noise = g->noise;
	j->from = *from;
	memcpy(&j->welcome, datagram, sizeof(j->welcome));
	e->io.job(e->ctx, j);
}

void connect_cookie(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		    struct jv_time now)
{
	struct packet_cookie c;
	struct greeting *g = NULL;
	struct attempt *a;

	if (len == sizeof(c)) {
		memcpy(&c, datagram, sizeof(c));
		g = find_greeting(e->client, from, c.handshake_id, &a);
	}
	/* One HELLO per cookie: whoever sends more of them gets no more out of us. */
	if (!g || a->has_cookie || !cookie_consume(e->cookie_keys, &c, g->mac1, a->cookie)) {
		e->counters.n[COUNT_WELCOME_BAD]++;
		return;
	}
	a->has_cookie = true;
	hello_start(e, a, now);
}

/* A session from a WELCOME; NULL when it does not make sense or memory is short. */
static struct session *session_birth(struct engine *e, const struct welcome *w, const struct job *j,
				     struct jv_time now)
{
	uint8_t slots = 0;
	struct session *s;

	for (uint8_t i = 0; i < w->locators; i++)
		if (w->locator[i].slot >= slots)
			slots = w->locator[i].slot + 1;
	s = session_new(e, &w->policy, slots, w->policy.replay_window, now);
	if (!s)
		return NULL;
	memcpy(s->id, w->session_id, sizeof(s->id));
	s->peer_name = "server";
	s->mtu = w->mtu;
	s->policy_generation = w->parts == 0 ? w->policy_generation : 0;
	trail_session(s, AUDIT_SESSION_CREATED, REASON_NONE, now);
	keys_start(&s->keys, true, w->suite, &j->split, w->policy.replay_window, s->replay_bits,
		   &e->cache_next);
	for (uint8_t i = 0; i < w->locators; i++)
		session_issue(s, w->locator[i].slot, w->locator[i].locator, w->locator[i].token);
	if (s->path[0].issued)
		return s;
	/* Slot 0 is for the path of the handshake: without it there is nothing to confirm on. */
	session_end(s, REASON_HANDSHAKE_TIMEOUT, now);
	return NULL;
}

static void welcomed(struct engine *e, struct attempt *a, const struct greeting *g, const struct job *j,
		     struct jv_time now)
{
	struct client *c = e->client;
	struct welcome w;
	struct session *s;
	struct path *p;

	s = welcome_read(j->payload, sizeof(j->payload), &w) ? session_birth(e, &w, j, now) : NULL;
	if (!s) {
		e->counters.n[COUNT_WELCOME_BAD]++;
		return;
	}
	c->next = s;
	c->mtu = w.mtu;
	/* What is not all there yet does not replace what is: POLICY frames bring the rest. */
	if (w.parts == 0 || c->nitems == 0) {
		c->nitems = w.items;
		memcpy(c->items, w.item, w.items * sizeof(w.item[0]));
	}

	/* The path that was welcomed is slot 0, with the socket the HELLO left by. */
	p = &s->path[0];
	p->number = a->number;
	p->route = g->route;
	p->known = p->proven = true;
	ladder_welcomed(c, a->number, &p->route.remote);
	c->last_number = a->number;
	a->open = false;
	connect_stop(e);
	ping_send(p, 0, now);
	timer_start(&e->wheel, &s->health, time_add_us(now, path_patience_us(p)));
}

void connect_job_done(struct engine *e, struct job *j, struct jv_time now)
{
	struct attempt *a = &e->client->attempt[j->attempt];
	struct greeting *g = greeting_of(a, j);

	/* Given up or begun anew meanwhile? */
	if (!e->client->connecting)
		goto out;
	if (j->kind == JOB_HELLO_CREATE) {
		if (a->serial != j->serial)
			goto out;
		a->busy = false;
		if (j->ok)
			hello_send(e, a, j);
	} else if (g) {
		g->consuming--;
		if (j->ok)
			welcomed(e, a, g, j, now);
		else
			e->counters.n[COUNT_WELCOME_BAD]++;
	}
out:
	job_free(j);
}

void connect_reset(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		   struct jv_time now)
{
	const struct packet_reset *r = (const struct packet_reset *)datagram;
	struct path *p = len == sizeof(*r) ? session_find_path(e, r->locator) : NULL;

	if (!p || !p->known || p->route.socket != from->socket ||
	    !crypto_equal(p->token, r->token, sizeof(p->token))) {
		e->counters.n[COUNT_RESET_IGNORED]++;
		return;
	}
	p->session->closing = true;
	session_end(p->session, REASON_PEER_CLOSED, now);
}

void client_ended(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;
	struct client *c = e->client;
	const bool was_next = c->next == s;

	if (c->session == s)
		c->session = NULL;
	if (s->active)
		c->last_number = s->active->number;
	if (was_next)
		c->next = NULL;
	if (c->next || (c->session && !was_next))
		return;
	c->young = time_since_ms(now, s->born) < YOUNG_MS ? c->young + 1 : 0;
	connect_start(e, now);
}
