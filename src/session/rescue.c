/*
 * The ring: datagrams side by side in `bytes`, each in one piece, and a record of each in `kept`, the oldest at
 * `tail`; those from `next` on wait. When the next datagram does not fit behind the last, it begins again at 0.
 *
 * They are sealed here and sent from here. The shell sends when it is flushed, and so it is before a byte is written
 * that it may have been handed since the last time: `standing` counts them.
 *
 * On the thread of the engine.
 */
#include "session/rescue.h"

#include <stdlib.h>
#include <string.h>

#include "proto/packet.h"
#include "session/evidence.h"
#include "session/proof.h"
#include "session/session.h"
#include "session/wheel.h"

/* What leaves at once, and then each tick. 24 KiB a millisecond fill 200 Mbit/s; a socket of the usual size (212,992
 * bytes, in which a packet takes twice its size and more) holds three of them when its reader sleeps. */
#define BURST_BYTES 24576
#define TICK_MS 1
/* So many before the last that arrived may have been overtaken when the path died. */
#define REORDER 16
/* A packet goes out again so many times: for each candidate path of the default, and once more. */
#define AGAIN_MAX 4
#define PROOF_MS 10  /* an unproven address is looked at again after this */
#define IDLE_MS 5000 /* a session silent for so long has no ring */

/* There is a record for so many bytes. Where datagrams are shorter, on average, the ring is full of records before it
 * is full of bytes; with the default size and replay window the peer would not take more of them anyway. */
#define AVERAGE 512

struct kept {
	struct jv_time born, sent;
	uint64_t counter;
	uint32_t at; /* in bytes[] */
	uint32_t len;
	uint32_t epoch;
	uint32_t era;  /* in which it was last sent; 0: never */
	uint32_t turn; /* between which flushes */
	uint8_t again;
	uint8_t ecn;
	bool lost; /* counted as such */
};

struct rescue {
	struct session *session;
	struct timer timer;
	struct jv_time last; /* kept */
	uint32_t asked;      /* policy.rescue_bytes when it was made */
	uint32_t cap, head;  /* of bytes[]: how many, and where the next datagram begins */
	uint32_t most;       /* records */
	uint32_t tail, next; /* of them: the oldest, the first that waits */
	uint32_t count, waiting;
	uint32_t standing;   /* bytes before `head` that may not be overwritten before the shell is flushed */
	uint32_t turn;       /* grows with each flush */
	uint32_t told_epoch; /* what has arrived, as the peer says */
	uint64_t told;
	int64_t allowed;  /* bytes that may leave now; less than 0: so many have left too early */
	uint32_t granted; /* since the last tick */
	uint32_t era;     /* grows when what was sent must go again */
	uint8_t *bytes;
	struct kept kept[];
};

static struct kept *at(struct rescue *r, uint32_t i)
{
	return &r->kept[i];
}

static uint8_t *datagram_of(struct rescue *r, const struct kept *k)
{
	return r->bytes + k->at;
}

static uint32_t behind(const struct rescue *r, uint32_t i)
{
	return i + 1 == r->most ? 0 : i + 1;
}

static uint32_t last(const struct rescue *r)
{
	const uint32_t i = r->tail + r->count;

	return i < r->most ? i : i - r->most;
}

static void pass(struct rescue *r)
{
	r->next = behind(r, r->next);
	r->waiting--;
}

/* What is left at the end stays as it is: for the shell it counts as written. */
static void wrap(struct rescue *r)
{
	r->standing += r->cap - r->head;
	r->head = 0;
}

static void drop_oldest(struct rescue *r)
{
	if (r->waiting == r->count)
		pass(r);
	r->count--;
	r->tail = behind(r, r->tail);
	if (r->count == 0) { /* a session that sends little touches few pages */
		r->tail = r->next = 0;
		wrap(r);
	}
}

/* What the 3x rule has held back until now is lost on the path; what waited for a path is not. */
static void give_up(struct session *s, struct kept *k)
{
	struct path *p = session_data_path(s);

	if (p && !path_is_proven(p) && k->era == 0 && !k->lost && !rescue_holds(s) &&
	    !time_before(k->born, s->since))
		p->sent++;
	s->engine->counters.n[COUNT_RESCUE_LOST] += !k->lost;
	k->lost = true;
}

/* Is there room for `size` bytes in one piece at `head`, or at 0? */
static bool fits(struct rescue *r, uint32_t size)
{
	if (r->count == r->most)
		return false;
	if (r->count == 0 || r->head > at(r, r->tail)->at) {
		if (r->cap - r->head >= size)
			return true;
		wrap(r);
		if (r->count == 0)
			return true;
	}
	return at(r, r->tail)->at - r->head >= size;
}

static void flush(struct rescue *r)
{
	const struct engine *e = r->session->engine;

	if (e->io.flush)
		e->io.flush(e->ctx);
	r->standing = 0;
	r->turn++;
}

uint8_t *rescue_room(struct session *s, size_t len)
{
	struct rescue *r = s->rescue;

	while (!fits(r, (uint32_t)len)) {
		struct kept *oldest = at(r, r->tail);

		if (r->waiting == r->count && oldest->era != r->era)
			give_up(s, oldest);
		drop_oldest(r);
	}
	if (r->standing + len > r->cap)
		flush(r);
	return r->bytes + r->head;
}

/* Not too old, and the peer can still open it: its keys live, and it is not behind the replay window for what
 * has been sent since. */
static bool usable(const struct session *s, const struct kept *k, struct jv_time now)
{
	const struct epoch *ep = keys_epoch(&s->keys, k->epoch);

	return k->again < AGAIN_MAX && time_since_ms(now, k->born) < RESCUE_AGE_MS && ep &&
	       ep->tx_counter - k->counter <= s->keys.window;
}

static void send(struct session *s, struct path *p, struct kept *k, struct jv_time now)
{
	struct engine *e = s->engine;
	struct rescue *r = s->rescue;
	uint8_t *datagram = datagram_of(r, k);
	const struct route to = session_route(p);

	if (k->era != 0 && k->turn == r->turn)
		flush(r); /* under the other locator it has not left yet */
	packet_set_locator(datagram, session_locator(p));
	if (k->era == 0) {
		p->sent++;
		p->health->newest = keys_order(k->epoch, k->counter + 1);
	} else { /* not counted as sent: a duplicate is not counted as received either */
		k->again++;
		e->counters.n[COUNT_RESCUED_PACKETS]++;
		e->counters.n[COUNT_RESCUED_BYTES] += k->len - PROTO_OVERHEAD;
	}
	k->era = r->era;
	k->turn = r->turn;
	k->sent = now;
	r->standing = r->cap; /* it may be the next to be overwritten */
	e->io.send(e->ctx, &to, datagram, k->len,
		   k->ecn | SEND_DATA | SEND_STANDS | (p->health->runs.singly ? SEND_SINGLY : 0u));
}

/* What may leave now; answers when to go on. */
static struct jv_time send_waiting(struct session *s, struct jv_time now)
{
	struct rescue *r = s->rescue;
	struct path *p = session_data_path(s);
	const struct jv_time idle = time_add_ms(r->last, IDLE_MS);

	if (!p || !path_is_known(p) || rescue_holds(s))
		return idle;
	while (r->waiting > 0) {
		struct kept *k = at(r, r->next);

		if (k->era != r->era) {
			if (r->allowed <= 0)
				return time_add_ms(now, TICK_MS);
			if (!usable(s, k, now)) {
				give_up(s, k);
			} else if (proof_may_carry(p, k->len)) {
				send(s, p, k, now);
				r->allowed -= k->len;
			} else {
				return time_add_ms(now, PROOF_MS);
			}
		}
		pass(r);
	}
	r->granted = 0;
	return idle;
}

static void run(struct session *s, uint32_t grant, struct jv_time now)
{
	struct rescue *r = s->rescue;

	r->granted += grant;
	r->allowed += grant;
	if (r->allowed > BURST_BYTES)
		r->allowed = BURST_BYTES;
	timer_start_earlier(&s->engine->wheel, &r->timer, send_waiting(s, now));
}

static void fire(struct timer *t, struct jv_time now)
{
	struct rescue *r = container_of(t, struct rescue, timer);
	struct session *s = r->session;
	const uint32_t granted = r->granted;

	if (time_since_ms(now, r->last) >= IDLE_MS) {
		rescue_free(s);
		return;
	}
	run(s, granted < BURST_BYTES ? BURST_BYTES - granted : 0, now);
	r->granted = 0;
}

static struct rescue *ring_new(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;
	const uint32_t bytes = s->policy->rescue_bytes;
	const uint32_t most = bytes / AVERAGE;
	const size_t records = sizeof(struct rescue) + most * sizeof(struct kept);
	struct rescue *r;

	if (most == 0 || bytes < records + PROTO_OVERHEAD || e->rescue_bytes + bytes > RESCUE_ENGINE_BYTES)
		return NULL;
	r = malloc(bytes);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->session = s;
	r->asked = bytes;
	r->most = most;
	r->bytes = (uint8_t *)r + records;
	r->cap = bytes - (uint32_t)records;
	r->era = 1;
	r->last = now;
	timer_init(&r->timer, fire);
	timer_start(&e->wheel, &r->timer, time_add_ms(now, IDLE_MS));
	e->rescue_bytes += bytes;
	return r;
}

void rescue_free(struct session *s)
{
	struct rescue *r = s->rescue;

	if (!r)
		return;
	if (r->standing > 0)
		flush(r);
	timer_stop(&s->engine->wheel, &r->timer);
	s->engine->rescue_bytes -= r->asked;
	s->rescue = NULL;
	free(r);
}

bool rescue_ready(struct session *s, size_t len, struct jv_time now)
{
	if (s->rescue && s->rescue->asked != s->policy->rescue_bytes && s->rescue->waiting == 0)
		rescue_free(s);
	if (s->policy->rescue_bytes == 0)
		return false;
	if (!s->rescue)
		s->rescue = ring_new(s, now);
	if (s->rescue && len <= s->rescue->cap)
		return true;
	s->engine->counters.n[COUNT_RESCUE_NO_ROOM]++;
	return false;
}

bool rescue_holds(const struct session *s)
{
	/* Where a path answers, only DATA that goes out can show whether DATA passes again. */
	if (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED)
		return evidence_is_dead(s->instability) && s->instability != REASON_DATA_STALLED;
	return s->state == STATE_RECOVERING && session_flees(s) && s->jump->tries != 1;
}

bool rescue_queues(const struct session *s)
{
	return s->rescue && (s->rescue->waiting > 0 || rescue_holds(s));
}

void rescue_keep(struct session *s, size_t len, uint32_t epoch, uint64_t counter, uint8_t ecn, bool waits,
		 struct jv_time now)
{
	struct rescue *r = s->rescue;
	const uint32_t i = last(r);

	*at(r, i) = (struct kept){ .born = now,
				   .sent = now,
				   .counter = counter,
				   .at = r->head,
				   .len = (uint32_t)len,
				   .epoch = epoch,
				   .era = waits ? 0 : r->era,
				   .turn = r->turn,
				   .ecn = ecn };
	r->head += (uint32_t)len;
	r->standing += (uint32_t)len;
	r->count++;
	if (waits && r->waiting++ == 0)
		r->next = i;
	r->last = now;
}

/* --- what has arrived --- */

/* The epoch that a report names by its low byte, if it can be one of ours. */
static bool epoch_told(const struct session *s, uint8_t low, uint64_t highest, uint32_t *epoch)
{
	const struct epoch *ep;

	*epoch = s->keys.tx_epoch;
	if ((uint8_t)*epoch != low && (*epoch == 0 || (uint8_t)-- * epoch != low))
		return false;
	ep = keys_epoch(&s->keys, *epoch);
	return ep && highest <= ep->tx_counter;
}

static bool is_before(const struct kept *k, uint32_t epoch, uint64_t counter)
{
	return k->epoch < epoch || (k->epoch == epoch && k->counter < counter);
}

static void forget(struct session *s, uint8_t low, uint64_t highest, bool waiting_too)
{
	struct rescue *r = s->rescue;
	const uint64_t sure = highest > REORDER ? highest - REORDER : 0;
	uint32_t epoch;

	if (!r || !epoch_told(s, low, highest, &epoch))
		return;
	if (epoch > r->told_epoch || (epoch == r->told_epoch && highest > r->told)) {
		r->told_epoch = epoch;
		r->told = highest;
	}
	while (r->count > (waiting_too ? 0 : r->waiting) && is_before(at(r, r->tail), epoch, sure))
		drop_oldest(r);
}

/* As the reports say, and nothing in doubt. */
static void forget_told(struct rescue *r)
{
	while (r->count > 0 && is_before(at(r, r->tail), r->told_epoch, r->told))
		drop_oldest(r);
}

void rescue_reported(struct session *s, uint8_t epoch, uint64_t highest)
{
	/* What went out with the JUMP may have left older ones behind: JUMP_ACK will tell. */
	if (!session_flees(s))
		forget(s, epoch, highest, false);
}

void rescue_arrived(struct session *s, uint8_t epoch, uint64_t highest)
{
	forget(s, epoch, highest, true);
}

/* --- what goes again --- */

/* The first burst comes ahead of the next tick, and instead of it. */
void rescue_run(struct session *s, struct jv_time now)
{
	if (s->rescue && s->rescue->waiting > 0)
		run(s, s->rescue->granted < BURST_BYTES ? BURST_BYTES - s->rescue->granted : 0, now);
}

void rescue_joined(struct session *s, size_t len, struct jv_time now)
{
	run(s, 2 * (uint32_t)len, now);
}

static void again_from(struct rescue *r, uint32_t i, uint32_t passed)
{
	r->next = i;
	r->waiting = r->count - passed;
}

void rescue_at_once(struct session *s, struct jv_time since, struct jv_time now)
{
	struct rescue *r = s->rescue;
	uint32_t i, passed = 0;

	if (!r)
		return;
	r->era++;
	for (i = r->tail; passed < r->count && time_before(at(r, i)->sent, since); passed++)
		i = behind(r, i);
	again_from(r, i, passed);
	rescue_run(s, now);
}

void rescue_rest(struct session *s, struct jv_time now)
{
	if (!s->rescue)
		return;
	again_from(s->rescue, s->rescue->tail, 0);
	rescue_run(s, now);
}

void rescue_all(struct session *s, struct jv_time now)
{
	if (s->rescue)
		s->rescue->era++;
	rescue_rest(s, now);
}

void rescue_unreported(struct session *s, struct jv_time now)
{
	if (s->rescue)
		forget_told(s->rescue);
	rescue_all(s, now);
}

void rescue_overdue(struct session *s, struct jv_time limit, struct jv_time now)
{
	struct rescue *r = s->rescue;

	if (!r)
		return;
	forget_told(r);
	while (r->count > 0 && !usable(s, at(r, r->tail), now))
		drop_oldest(r);
	if (r->count > 0 && time_before(at(r, r->tail)->sent, limit))
		rescue_all(s, now);
	else
		rescue_run(s, now);
}
