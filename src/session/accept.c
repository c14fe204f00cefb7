/*
 * From a HELLO that was heard (admit.c) to a session: one is born, in BIRTH, which displaces nothing but an older one in
 * BIRTH; it attaches with the first packet that only the client of this WELCOME can have sent.
 *
 * On the thread of the engine.
 */
#include "proto/cookie.h"
#include "session/accept.h"

#include <string.h>

#include "base/wire.h"
#include "session/admit.h"
#include "session/age.h"
#include "session/births.h"
#include "session/issue.h"
#include "session/items.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/lead.h"
#include "session/life.h"
#include "session/send.h"
#include "session/session.h"
#include "session/state.h"
#include "session/trail.h"

/* The suite both have: the client's wish, unless we would be slow at it and it has the other. */
static enum suite choose_suite(const struct engine *e, const struct job *j)
{
	const uint16_t has = get_be16(j->hello_payload.suites);
	const enum suite wish = j->hello.suite;

	if (wish == SUITE_AES_256_GCM && !e->hardware_aes && has & SUITE_BIT(SUITE_CHACHA20_POLY1305))
		return SUITE_CHACHA20_POLY1305;
	return wish;
}

static struct session *session_birth(struct engine *e, const struct job *j, struct jv_time now)
{
	const struct config_peer *peer = &e->config->peers[j->peer];
	uint8_t paths = j->hello_payload.paths;
	struct session *s;
	struct path *first;

	if (paths < 1)
		paths = 1;
	if (paths > peer->policy.max_candidates)
		paths = (uint8_t)peer->policy.max_candidates;
	if (e->nsessions + e->nsuperseded >= ADMIT_MOST(e->max_sessions) && e->nsuperseded > 0)
		life_forget(container_of(e->superseded.next, struct session, node));
	s = session_new(e, &peer->policy, paths + PROTO_SPARE_LOCATORS, now);
	if (!s)
		return NULL;
	s->peer = j->peer;
	births_add(s);
	e->io.random(e->ctx, s->id, sizeof(s->id));
	s->fresh = j->fresh;
	s->mtu = e->config->tunnel.mtu;
	s->policy_generation = peer->generation;
	for (uint8_t i = 0; i < s->slots; i++) {
		if (!issue_locator(s, i)) {
			life_end(s, REASON_HANDSHAKE_TIMEOUT, now);
			return NULL;
		}
	}
	/* The WELCOME goes there, so whoever confirms it from there has proven that address. */
	first = s->slot[0].path;
	if (!lead_set(first, &j->from)) {
		life_end(s, REASON_HANDSHAKE_TIMEOUT, now);
		return NULL;
	}
	first->state = PATH_PROVEN;
	first->proven_at = now;
	return s;
}

/* What a WELCOME has room for; the rest, if any, follows in POLICY frames once the session is attached. */
static void welcome_compose(struct session *s, enum suite suite, uint8_t out[PROTO_WELCOME_PAYLOAD])
{
	struct net_item items[POLICY_ITEMS_MAX];
	const size_t n = items_of(s->engine, s, items, POLICY_ITEMS_MAX);
	const size_t room = (PROTO_WELCOME_PAYLOAD - sizeof(struct welcome_payload) -
			     s->slots * sizeof(struct wire_locator)) /
			    sizeof(struct wire_net_item);
	struct writer w = writer_init(out, PROTO_WELCOME_PAYLOAD);
	struct welcome in = { .suite = suite };

	memcpy(in.session_id, s->id, sizeof(in.session_id));
	in.policy_generation = s->policy_generation;
	in.mtu = s->mtu;
	in.policy = *s->policy;
	in.locators = s->slots;
	for (uint8_t i = 0; i < s->slots; i++) {
		in.locator[i].slot = i;
		memcpy(in.locator[i].locator, s->slot[i].locator, sizeof(in.locator[i].locator));
		reset_token(in.locator[i].token, s->engine->reset_key, in.locator[i].locator);
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
	s->rare->job = j; /* there is one since session_new() */
	admit_hand_out(e, j);
}

/*
 * Which of the two gives way: one without a cookie, or else the oldest. But somebody on one network of the peer can hold
 * HELLOs back and let them go as he likes. So what came by one address does not put out what came by another while it
 * holds a place itself; nor does it give that up before an answer can have come. NULL: none.
 */
static struct session *gives_way(const struct births *b, const struct job *j, struct jv_time now)
{
	const struct ip *from = &j->from.remote.ip;
	const bool first = ip_equal(&b->s[0]->slot[0].path->lead.remote, from);
	const bool second = ip_equal(&b->s[1]->slot[0].path->lead.remote, from);
	struct session *own = first ? b->s[0] : b->s[1];

	if (!b->s[0]->fresh || first == second)
		return b->s[0];
	return time_since_ms(now, own->born) >= BIRTH_LEAST_MS ? own : NULL;
}

/*
 * A second birth wants a HELLO that bears a cookie: where a round trip takes longer than the wait for the next HELLO,
 * each of them would become a session. A third one puts another out, so that a peer whose WELCOMEs get lost is not
 * locked out by itself.
 */
static bool make_room(struct engine *e, const struct job *j, struct jv_time now)
{
	struct births *b = &e->callers[j->peer]->has;
	struct session *out;

	if (b->s[0] && !j->fresh) {
		e->counters.n[COUNT_HELLO_WANTS_COOKIE]++;
		return false;
	}
	if (!b->s[BIRTHS_MAX - 1])
		return true;
	e->counters.n[COUNT_HELLO_TOO_MANY_BIRTHS]++;
	out = gives_way(b, j, now);
	if (out)
		life_end(out, REASON_SUPERSEDED, now);
	return out;
}

bool accept_birth(struct engine *e, struct job *j, struct jv_time now)
{
	struct session *s;

	if (!admit_has_room(e, j->peer)) { /* any more */
		admit_no_room(e, &j->from.remote, now);
		return false;
	}
	if (!make_room(e, j, now))
		return false;
	s = session_birth(e, j, now);
	if (!s) {
		admit_no_memory(e, &j->from.remote, now);
		return false;
	}
	admit_welcomed(e, j, now);
	welcome_start(e, s, j);
	return true;
}

static void welcome_created(struct engine *e, struct job *j)
{
	struct session *s = j->session;

	session_drop_job(s);
	keys_start(&s->keys, &e->key_store, false, s->keys.suite, &j->split, s->policy->replay_window);
	e->counters.n[COUNT_WELCOME_SENT]++;
	e->io.send(e->ctx, &j->from, (const uint8_t *)&j->welcome, sizeof(j->welcome), 0);
}

void accept_job_done(struct engine *e, struct job *j, struct jv_time now)
{
	bool lives = false, admitted = false;

	if (j->kind != JOB_WELCOME_CREATE) {
		lives = admit_job_done(e, j, &admitted, now);
		if (admitted)
			lives = accept_birth(e, j, now) || admit_answer(e, j, HELLO_OLD, now);
	} else if (j->session && j->ok) {
		welcome_created(e, j);
		lives = admit_answer(e, j, HELLO_WELCOMED, now);
	} else if (j->session) {
		session_drop_job(j->session);
		life_end(j->session, REASON_HANDSHAKE_TIMEOUT, now);
	}
	if (!lives)
		job_free(j);
}

/* A late answer to an older WELCOME must not take over from this one. */
static void end_older_births(const struct session *s, struct jv_time now)
{
	const struct births *b = &s->engine->callers[s->peer]->has;

	while (b->s[0] && !time_before(s->born, b->s[0]->born))
		life_end(b->s[0], REASON_SUPERSEDED, now);
}

void accept_attached(struct session *s, struct path *p, struct jv_time now)
{
	struct engine *e = s->engine;
	struct session *old = e->by_peer[s->peer];

	if (!session_need_health(p))
		return;                /* as if it had been lost: the client asks again */
	if (!admit_attached(s, now)) { /* two were in BIRTH when one was allowed */
		life_end(s, REASON_SUPERSEDED, now);
		return;
	}
	trail_created(s, now);
	state_bind(s, p, false, now);
	if (!state_event(s, EVENT_ATTACH_OK, REASON_ATTACHED_TO_TRANSPORT, now))
		return;
	births_remove(s);
	end_older_births(s, now);
	trail_path(s, AUDIT_TRANSPORT_ATTACHED, REASON_ATTACHED_TO_TRANSPORT, AUDIT_NO_PATH, p, now);
	e->by_peer[s->peer] = s;
	age_begins(s, now);
	send_ping(p, 0, now); /* tells us the round trip, which our own suspicion needs */
	if (old)
		life_end(old, REASON_SUPERSEDED, now);
}
