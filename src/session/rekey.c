/*
 * Rekey inside the session: fresh X25519, chained into the old secret.
 *
 *     offerer                                   answerer
 *     REKEY_OFFER(n+1, e)      ---------->      S(n+1); opens n+1, still seals n
 *     S(n+1); seals n+1        <----------      REKEY_ACCEPT(n+1, e')
 *     packet of epoch n+1      ---------->      seals n+1; n dies after its grace
 *
 * An OFFER is repeated with the same key until it is accepted, an ACCEPT whenever its OFFER comes again. When
 * both offer at once the client's offer stands and the server forgets its own.
 *
 * An epoch that is idle when its time is over goes on for as long again: a million sessions that sleep agree on nothing.
 *
 * On the thread of the engine.
 */
#include "session/rekey.h"

#include <stdlib.h>
#include <string.h>

#include "session/age.h"
#include "session/client_state.h"
#include "session/connect.h"
#include "session/end.h"
#include "session/job.h"
#include "session/keys.h"
#include "session/passage.h"
#include "session/path.h"
#include "session/send.h"
#include "session/stall.h"
#include "session/trail.h"
#include "session/wheel.h"

#define OFFER_REPEAT_MAX_MS 5000
#define EPOCH_LEAST_MS 1000 /* a peer that offers sooner is not answered: key agreements cost */

static struct job *job_of(const struct session *s)
{
	const struct exchange *x = session_rare(s)->exchange;

	return x ? x->job : NULL;
}

/* Nothing is under way any more, and no ACCEPT is to be repeated? */
static void exchange_rests(struct session *s)
{
	if (!job_of(s) && !s->rekey.offered && !s->rekey.answered)
		session_drop_exchange(s);
}

/* An OFFER that is out stands; the peer answers none in the first second of an epoch. */
void rekey_order(struct session *s, struct jv_time now)
{
	if (s->rekey.offered || job_of(s))
		return;
	s->rekey.ordered = true;
	s->rekey.due =
		s->rekey.made.us == 0 ? now : time_max(now, time_add_ms(s->rekey.made, EPOCH_LEAST_MS));
	age_arm(s, now);
}

static struct job *job_start(struct session *s, enum job_kind kind, struct jv_time now)
{
	struct engine *e = s->engine;
	struct exchange *x = session_need_exchange(s);
	struct job *j = x ? calloc(1, sizeof(*j)) : NULL;

	if (!j) { /* it stays due, and is audited once it is overdue */
		e->counters.n[COUNT_NO_MEMORY] += x != NULL;
		trail_refused(e, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_OUT_OF_MEMORY, NULL, now);
		exchange_rests(s);
		return NULL;
	}
	j->kind = kind;
	j->worker = e->worker;
	j->session = s;
	j->started = now;
	list_append(&e->jobs, &j->node);
	e->njobs++;
	x->job = j;
	return j;
}

static void part_send(struct path *p, enum frame_type type, uint32_t epoch, const uint8_t e[PROTO_KEY_LEN],
		      struct jv_time now)
{
	struct frame_rekey f = { .epoch = (uint8_t)epoch };

	memcpy(f.e, e, sizeof(f.e));
	send_frame(p, &(struct frame){ type, { &f } }, now);
}

static void offer_send(struct session *s, struct jv_time now)
{
	int64_t wait;

	/* On a path that is being recovered it would be lost, or one more thing to carry: it stays due. */
	if (s->state != STATE_ATTACHED) {
		s->rekey.due = now;
		return;
	}
	wait = path_patience_us(s->active);
	part_send(s->active, FRAME_REKEY_OFFER, keys_newest(&s->keys) + 1, s->rare->exchange->e_pub, now);
	if (wait < PROTO_RETRY_MIN_MS * 1000)
		wait = PROTO_RETRY_MIN_MS * 1000;
	wait <<= s->rekey.tries < 7 ? ++s->rekey.tries : 7;
	s->rekey.due =
		time_add_us(now, wait < OFFER_REPEAT_MAX_MS * 1000 ? wait : OFFER_REPEAT_MAX_MS * 1000);
}

/* No counter is left and no new epoch was agreed on: sealing on would repeat nonces. */
static bool is_used_up(struct session *s)
{
	return keys_tx(&s->keys)->tx_counter >= PROTO_PACKETS_PER_EPOCH;
}

static bool is_half_used(const struct session *s)
{
	return keys_tx(&s->keys)->tx_counter >= PROTO_PACKETS_PER_EPOCH / 2;
}

static void tell_overdue(struct session *s, uint64_t age, struct jv_time now)
{
	if (age < OVERDUE_TOLD || age <= s->rekey.overdue)
		return;
	s->rekey.overdue = (uint8_t)age;
	trail_session(s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, now);
}

/* It is made, or sent again, when it is due; or asked for again in a second, should that fail. */
static void offer(struct session *s, struct jv_time now)
{
	const bool half = is_half_used(s);
	const bool due = !time_before(now, s->rekey.due);
	struct engine *e = s->engine;
	struct job *j = NULL;

	if (s->rekey.offered && !job_of(s) && due) {
		offer_send(s, now);
	} else if (due && !s->rekey.offered && !job_of(s) && !half && age_is_idle(s)) {
		stall_rests(s);
		passage_rests(s);
		age_begins(s, now);
	} else if (!s->rekey.offered && !job_of(s) && (half || due) &&
		   keys_newest(&s->keys) == s->keys.tx_epoch) {
		j = job_start(s, JOB_REKEY_PUBLIC, now);
		s->rekey.due = time_add_ms(now, 1000);
	} else if (due) {
		s->rekey.due = time_add_ms(now, 1000);
	}
	if (!j)
		return;
	e->io.random(e->ctx, j->e_priv, sizeof(j->e_priv));
	e->io.job(e->ctx, j);
}

void rekey_run(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;
	const uint64_t age = age_intervals(s, now);

	const bool reaped = keys_reap(&s->keys, &e->key_store, now);

	if (reaped) { /* what could bring the OFFER again is gone with the keys it was sealed with */
		s->rekey.answered = false;
		exchange_rests(s);
	}
	if (reaped && time_before(now, age_work_due(s, now)) && !is_half_used(s)) {
		age_arm(s, now);
		return;
	}
	if (is_used_up(s) || age >= OVERDUE_ENDS) {
		end_session(s, is_used_up(s) ? REASON_SECURITY_FAILURE : REASON_REKEY_OVERDUE, now);
		return;
	}
	tell_overdue(s, age, now);
	if (e->client && (age >= OVERDUE_RENEWED || !time_before(now, age_renewal_due(s))) &&
	    !e->client->connecting && e->client->session == s)
		connect_start(e, now);
	if (s->state == STATE_ATTACHED)
		offer(s, now);
	age_arm(s, now);
}

void rekey_offered(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	struct engine *e = s->engine;
	struct rekey *r = &s->rekey;
	const uint32_t newest = keys_newest(&s->keys);
	struct job *j;

	if (r->answered && f->rekey->epoch == (uint8_t)newest &&
	    memcmp(s->rare->exchange->offer_pub, f->rekey->e, PROTO_KEY_LEN) == 0) {
		part_send(p, FRAME_REKEY_ACCEPT, newest, s->rare->exchange->accept_pub, now);
		return;
	}
	if (newest != s->keys.tx_epoch || f->rekey->epoch != (uint8_t)(newest + 1) || s->state == STATE_BIRTH)
		return;
	if (time_since_ms(now, r->made) < EPOCH_LEAST_MS)
		return;
	if (r->offered && e->client)
		return; /* ours stands */
	if (job_of(s) && (e->client || job_of(s)->kind != JOB_REKEY_PUBLIC))
		return;
	session_drop_exchange(s); /* the server was about to offer, or has: the client's offer stands */
	j = job_start(s, JOB_REKEY_SHARED, now);
	if (!j)
		return;
	e->io.random(e->ctx, j->e_priv, sizeof(j->e_priv));
	memcpy(j->peer_pub, f->rekey->e, sizeof(j->peer_pub));
	e->io.job(e->ctx, j);
}

void rekey_accepted(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	struct job *j;

	if (!s->rekey.offered || job_of(s) || f->rekey->epoch != (uint8_t)(keys_newest(&s->keys) + 1))
		return;
	j = job_start(s, JOB_REKEY_SHARED, now);
	if (!j)
		return;
	memcpy(j->e_priv, s->rare->exchange->e_priv, sizeof(j->e_priv));
	memcpy(j->peer_pub, f->rekey->e, sizeof(j->peer_pub));
	s->engine->io.job(s->engine->ctx, j);
}

static void rekeyed(struct session *s, struct jv_time old_dies, struct jv_time now)
{
	keys_use_newest(&s->keys, old_dies);
	trail_session(s, AUDIT_SESSION_REKEYED, REASON_NONE, now);
	age_begins(s, now);
}

static void shared_done(struct session *s, struct job *j, struct jv_time now)
{
	struct rekey *r = &s->rekey;

	if (!keys_next(&s->keys, &s->engine->key_store, j->shared)) {
		session_drop_exchange(
			s); /* the same as with a low-order key; and this one is not offered again */
		return;
	}
	r->made = now;
	if (r->offered) {
		session_drop_exchange(s);
		r->unconfirmed = true; /* until then the answerer may seal with the old epoch for as long as
					  it hears nothing */
		rekeyed(s, TIME_NEVER, now);
		send_suspect(s, now); /* a packet of the new epoch tells the answerer */
		return;
	}
	r->answered = true;
	memcpy(s->rare->exchange->accept_pub, j->e_pub, PROTO_KEY_LEN);
	memcpy(s->rare->exchange->offer_pub, j->peer_pub, PROTO_KEY_LEN);
	if (s->active)
		part_send(s->active, FRAME_REKEY_ACCEPT, keys_newest(&s->keys), j->e_pub, now);
}

void rekey_job_done(struct session *s, struct job *j, struct jv_time now)
{
	struct rekey *r = &s->rekey;

	s->rare->exchange->job = NULL;
	if (!j->ok) { /* a low-order key: this rekey comes to nothing, the next offer makes another */
		exchange_rests(s);
		return;
	}
	if (j->kind == JOB_REKEY_SHARED) {
		shared_done(s, j, now);
		return;
	}
	if (keys_newest(&s->keys) != s->keys.tx_epoch) {
		exchange_rests(s);
		return;
	}
	memcpy(s->rare->exchange->e_priv, j->e_priv, PROTO_KEY_LEN);
	memcpy(s->rare->exchange->e_pub, j->e_pub, PROTO_KEY_LEN);
	r->offered = true;
	r->tries = 0;
	offer_send(s, now);
	age_arm(s, now);
}

void rekey_peer_uses(struct session *s, uint32_t epoch, struct jv_time now)
{
	if (epoch == s->keys.tx_epoch + 1)
		rekeyed(s, time_add_ms(now, PROTO_EPOCH_GRACE_MS), now);
}

void rekey_confirmed(struct session *s, struct jv_time now)
{
	s->rekey.unconfirmed = false;
	keys_old_dies(&s->keys, time_add_ms(now, PROTO_EPOCH_GRACE_MS));
	session_due_earlier(s, DUE_LIFE, keys_old_ends(&s->keys));
}
