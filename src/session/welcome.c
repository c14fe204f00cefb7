/*
 * From WELCOME to session, the client's side. One that was opened may have to wait: for the preferred candidate's chance, or,
 * beside a session that is silent, until that silence has lasted long enough (failover.c). What is heard of the old session
 * meanwhile ends the wait, and nothing comes of the WELCOME.
 *
 * On the thread of the engine.
 */
#include "session/welcome.h"

#include <string.h>

#include "session/client_state.h"
#include "session/connect.h"
#include "session/failover.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/lead.h"
#include "session/life.h"
#include "session/path.h"
#include "session/send.h"
#include "session/session.h"
#include "session/silence.h"
#include "session/trail.h"
#include "session/wheel.h"

#define YOUNG_MS 10000  /* a session that ends before this makes the next one wait */
#define CONSUMING_MAX 4 /* WELCOMEs being opened for one HELLO */

/* A session from a WELCOME; NULL when it does not make sense or memory is short. */
static struct session *session_birth(struct engine *e, const struct waiting *from, struct jv_time now)
{
	const struct welcome *w = &from->w;
	struct session *s = session_new(e, &w->policy, w->locators, now);

	if (!s)
		return NULL;
	memcpy(s->id, w->session_id, sizeof(s->id));
	s->mtu = w->mtu;
	s->policy_generation = w->parts == 0 ? w->policy_generation : 0;
	trail_session(s, AUDIT_SESSION_CREATED, REASON_NONE, now);
	keys_start(&s->keys, &e->key_store, true, w->suite, &from->split, w->policy.replay_window);
	for (uint8_t i = 0; i < w->locators; i++)
		session_issue(s, w->locator[i].slot, w->locator[i].locator, w->locator[i].token);
	if (session_issued(s, 0) && lead_set(s->slot[0].path, &from->route))
		return s;
	/* Slot 0 is for the path of the handshake: without it there is nothing to confirm on. */
	life_end(s, REASON_HANDSHAKE_TIMEOUT, now);
	return NULL;
}

/* The path that was welcomed is slot 0, with the socket the HELLO left by. */
static void welcome_take(struct engine *e, struct jv_time now)
{
	struct waiting *w = &e->client->waiting;
	struct session *s = session_birth(e, w, now);
	struct path *p;

	if (!s) {
		connect_leave(e);
		e->counters.n[COUNT_WELCOME_BAD]++;
		return;
	}
	p = s->slot[0].path;
	p->number = w->number;
	p->state = PATH_PROVEN;
	w->on = false;
	connect_stop(e);
	e->client->next = s;
	send_ping(p, 0, now);
	session_due(s, DUE_HEALTH, time_add_us(now, path_patience_us(p)));
}

void welcome_old_heard(struct session *s, struct jv_time now)
{
	struct client *c = s->engine->client;
	const bool began = c->failover.began;

	/* Once the next session has been confirmed it is too late: its server has perhaps attached it, and if it is the same server,
	 * has ended this one for it. What is heard of this one was on its way before that. */
	if (!c->failover.on || s != c->session || c->next)
		return;
	failover_stop(c);
	if (began) { /* a renewal goes on */
		connect_stop(c->engine);
	} else if (c->waiting.on) {
		welcome_take(c->engine, now);
	}
	silence_watch(s, now);
}

/* Its time has come. False: the session lives, and the attempt is over. */
static bool may_take(struct client *c, struct jv_time now)
{
	if (!c->failover.on || !time_before(now, silence_over_at(c->session)))
		return true;
	welcome_old_heard(c->session, now); /* DATA alone, perhaps */
	return c->waiting.on;
}

void welcome_old_gone(struct client *c, struct jv_time now)
{
	const bool was_on = c->failover.on;

	failover_stop(c);
	if (was_on && c->waiting.on)
		welcome_take(c->engine, now);
}

void welcome_received(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		      struct jv_time now)
{
	const struct packet_welcome *w = (const struct packet_welcome *)datagram;
	struct greeting *g = NULL;
	struct attempt *a;
	struct job *j;

	if (len == sizeof(*w))
		g = connect_find(e->client, from, w->handshake_id, &a);
	if (g && (g->consuming >= CONSUMING_MAX || w->suite != g->noise.suite))
		g = NULL;
	j = g ? connect_job(e, JOB_WELCOME_CONSUME, a, g->serial, now) : NULL;
	if (!j) {
		connect_strange(e, from->socket);
		return;
	}
	g->consuming++;
	j->noise = g->noise;
	j->from = *from;
	memcpy(&j->welcome, datagram, sizeof(j->welcome));
	e->io.job(e->ctx, j);
}

/* When it may be taken, for those that have to go before it. */
static struct jv_time release(struct client *c, int64_t rtt_us, struct jv_time now)
{
	const struct waiting *w = &c->waiting;
	const struct jv_time most = time_add_ms(now, w->w.policy.handshake_timeout_ms / 2);

	if (c->failover.on)
		return failover_release(c, rtt_us, now);
	return w->number != c->preferred && connect_has_chance(c, now) ? time_min(c->chance, most) : now;
}

void welcome_waited(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, waiting.due);

	if (c->waiting.on && may_take(c, now))
		welcome_take(c->engine, now);
}

static void welcomed(struct engine *e, struct attempt *a, const struct greeting *g, const struct job *j,
		     struct jv_time now)
{
	struct client *c = e->client;
	struct waiting *w = &c->waiting;
	struct welcome said;
	struct jv_time at;

	/* Before one that waits goes the preferred one alone. */
	if (w->on && (c->failover.on || a->number != c->preferred))
		return;
	if (!welcome_read(j->payload, sizeof(j->payload), &said)) {
		connect_strange(e, a->socket);
		return;
	}
	connect_leave(e);
	w->w = said;
	w->on = true;
	w->number = a->number;
	w->route = g->route;
	w->split = j->split;
	a->open = false;
	at = release(c, time_diff_us(now, g->sent), now);
	if (time_before(now, at))
		timer_start(&e->wheel, &w->due, at);
	else
		welcome_take(e, now);
}

void welcome_job_done(struct engine *e, struct job *j, struct jv_time now)
{
	struct attempt *a = &e->client->attempt[j->attempt];
	struct greeting *g = connect_greeting_of(a, j);

	/* Given up or begun anew meanwhile? */
	if (!e->client->connecting)
		goto out;
	if (j->kind == JOB_HELLO_CREATE) {
		if (a->serial != j->serial)
			goto out;
		a->busy = false;
		if (j->ok)
			connect_hello_send(e, a, j, now);
	} else if (g) {
		g->consuming--;
		if (j->ok)
			welcomed(e, a, g, j, now);
		else
			connect_strange(e, a->socket);
	}
out:
	job_free(j);
}

void welcome_ended(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;
	struct client *c = e->client;
	const bool was_next = c->next == s, was_session = c->session == s;

	if (was_session) {
		c->session = NULL;
		welcome_old_gone(c, now);
	}
	if (was_next)
		c->next = NULL;
	if (c->next || (!was_next && !was_session) || (c->session && !was_next))
		return;
	c->young = time_since_ms(now, s->born) < YOUNG_MS ? c->young + 1 : 0;
	connect_start(e, now);
}
