/*
 * The ring: packets in one piece each, the oldest at `tail`, the next one at `head`; those from `next` on wait.
 * When the next one does not fit behind the last it begins again at 0, and `end` says where the upper part
 * ends. Nothing is sent in a call that has overwritten the ring after sending from it: what was handed out must
 * stand until the engine returns.
 */
#include "session/rescue.h"

#include <stdlib.h>
#include <string.h>

#include "proto/packet.h"
#include "session/session.h"

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
#define ALIGN 8
#define NO_END UINT32_MAX

struct kept {
	uint32_t len;
	uint32_t epoch;
	uint64_t counter;
	struct jv_time born, sent;
	uint32_t era; /* in which it was last sent; 0: never */
	uint8_t again;
	uint8_t ecn;
	bool lost; /* counted as such */
};

struct rescue {
	struct session *session;
	struct timer timer;
	struct jv_time last; /* kept */
	uint32_t asked;      /* policy.rescue_bytes when it was made */
	uint32_t cap, head, tail, next, end;
	uint32_t count, waiting;
	uint32_t told_epoch; /* what has arrived, as the peer says */
	uint64_t told;
	int64_t allowed;  /* bytes that may leave now; less than 0: so many have left too early */
	uint32_t granted; /* since the last tick */
	uint32_t era;     /* grows when what was sent must go again */
	uint8_t bytes[] __attribute__((aligned(ALIGN)));
};

static void fire(struct timer *t, struct jv_time now);

static struct kept *at(struct rescue *r, uint32_t offset)
{
	return (struct kept *)(void *)(r->bytes + offset);
}

static uint8_t *datagram_of(struct kept *k)
{
	return (uint8_t *)(k + 1);
}

static uint32_t size_of(size_t len)
{
	return (uint32_t)((sizeof(struct kept) + len + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static uint32_t behind(struct rescue *r, uint32_t offset)
{
	offset += size_of(at(r, offset)->len);
	return offset == r->end ? 0 : offset;
}

static void pass(struct rescue *r)
{
	r->next = behind(r, r->next);
	r->waiting--;
}

static void drop_oldest(struct rescue *r)
{
	const uint32_t next = behind(r, r->tail);

	if (r->waiting == r->count)
		pass(r);
	r->count--;
	if (next < r->tail)
		r->end = NO_END;
	r->tail = next;
	if (r->count == 0) { /* a session that sends little touches few pages */
		r->head = r->tail = r->next = 0;
		r->end = NO_END;
	}
}

static void give_up(struct session *s, struct kept *k)
{
	s->engine->counters.n[COUNT_RESCUE_LOST] += !k->lost;
	k->lost = true;
}

/* Room for `size` bytes in one piece; the oldest give way. */
static uint32_t reserve(struct session *s, uint32_t size)
{
	struct rescue *r = s->rescue;

	for (;;) {
		if (r->end == NO_END) {
			if (r->cap - r->head >= size)
				return r->head;
			r->end = r->head;
			r->head = 0;
		} else if (r->tail - r->head >= size) {
			return r->head;
		}
		if (r->waiting == r->count && at(r, r->tail)->era != r->era)
			give_up(s, at(r, r->tail));
		drop_oldest(r);
	}
}

static struct rescue *ring_new(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;
	const uint32_t bytes = s->policy.rescue_bytes;
	struct rescue *r;

	if (bytes < sizeof(*r) + size_of(PROTO_OVERHEAD) || e->rescue_bytes + bytes > RESCUE_ENGINE_BYTES)
		return NULL;
	r = malloc(bytes);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->session = s;
	r->asked = bytes;
	r->cap = (bytes - (uint32_t)sizeof(*r)) & ~(uint32_t)(ALIGN - 1);
	r->end = NO_END;
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
	timer_stop(&s->engine->wheel, &r->timer);
	s->engine->rescue_bytes -= r->asked;
	s->rescue = NULL;
	free(r);
}

bool rescue_ready(struct session *s, size_t len, struct jv_time now)
{
	if (s->rescue && s->rescue->asked != s->policy.rescue_bytes && s->rescue->waiting == 0)
		rescue_free(s);
	if (s->policy.rescue_bytes == 0)
		return false;
	if (!s->rescue)
		s->rescue = ring_new(s, now);
	if (s->rescue && size_of(len) <= s->rescue->cap)
		return true;
	s->engine->counters.n[COUNT_RESCUE_NO_ROOM]++;
	return false;
}

bool rescue_holds(const struct session *s)
{
	if (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED)
		return evidence_is_dead(s->instability);
	return s->state == STATE_RECOVERING && s->jump.pending && s->jump.dead && s->jump.tries != 1;
}

bool rescue_queues(const struct session *s)
{
	return s->rescue && (s->rescue->waiting > 0 || rescue_holds(s));
}

void rescue_keep(struct session *s, const uint8_t *datagram, size_t len, uint32_t epoch, uint64_t counter,
		 uint8_t ecn, bool waits, struct jv_time now)
{
	struct rescue *r = s->rescue;
	const uint32_t where = reserve(s, size_of(len));
	struct kept *k = at(r, where);

	*k = (struct kept){ .len = (uint32_t)len,
			    .epoch = epoch,
			    .counter = counter,
			    .born = now,
			    .sent = now,
			    .ecn = ecn,
			    .era = waits ? 0 : r->era };
	memcpy(datagram_of(k), datagram, len);
	r->head = where + size_of(len);
	r->count++;
	if (waits && r->waiting++ == 0)
		r->next = where;
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
	ep = &s->keys.epoch[*epoch & 1];
	return ep->number == *epoch && highest <= ep->tx_counter;
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
	if (!s->jump.pending || !s->jump.dead)
		forget(s, epoch, highest, false);
}

void rescue_arrived(struct session *s, uint8_t epoch, uint64_t highest)
{
	forget(s, epoch, highest, true);
}

/* --- what goes again --- */

/* Not too old, and the peer can still open it: its keys live, and it is not behind the replay window for what
 * has been sent since. */
static bool usable(const struct session *s, const struct kept *k, struct jv_time now)
{
	const struct epoch *ep = &s->keys.epoch[k->epoch & 1];

	return k->again < AGAIN_MAX && time_since_ms(now, k->born) < RESCUE_AGE_MS && ep->live &&
	       ep->number == k->epoch && ep->tx_counter - k->counter <= s->keys.window;
}

static void send(struct session *s, struct path *p, struct kept *k, struct jv_time now)
{
	struct engine *e = s->engine;
	uint8_t *datagram = datagram_of(k);

	packet_set_locator(datagram, p->locator);
	if (k->era == 0) {
		p->sent++;
	} else { /* not counted as sent: a duplicate is not counted as received either */
		k->again++;
		e->counters.n[COUNT_RESCUED_PACKETS]++;
		e->counters.n[COUNT_RESCUED_BYTES] += k->len - PROTO_OVERHEAD;
	}
	k->era = s->rescue->era;
	k->sent = now;
	e->io.send(e->ctx, &p->route, datagram, k->len, k->ecn);
}

/* What may leave now; answers when to go on. */
static struct jv_time drain(struct session *s, struct jv_time now)
{
	struct rescue *r = s->rescue;
	struct path *p = session_data_path(s);
	const struct jv_time idle = time_add_ms(r->last, IDLE_MS);

	if (!p || !p->known || rescue_holds(s))
		return idle;
	while (r->waiting > 0) {
		struct kept *k = at(r, r->next);

		if (k->era != r->era) {
			if (r->allowed <= 0)
				return time_add_ms(now, TICK_MS);
			if (!usable(s, k, now)) {
				give_up(s, k);
			} else if (data_may_send(p, k->len)) {
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
	timer_start_earlier(&s->engine->wheel, &r->timer, drain(s, now));
}

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

static void again_from(struct rescue *r, uint32_t offset, uint32_t passed)
{
	r->next = offset;
	r->waiting = r->count - passed;
}

void rescue_at_once(struct session *s, struct jv_time since, struct jv_time now)
{
	struct rescue *r = s->rescue;
	uint32_t offset, passed = 0;

	if (!r)
		return;
	r->era++;
	for (offset = r->tail; passed < r->count && time_before(at(r, offset)->sent, since); passed++)
		offset = behind(r, offset);
	again_from(r, offset, passed);
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

/* --- what comes again --- */

bool rescue_doubles(const struct session *s, struct jv_time now)
{
	return s->jump.pending ||
	       (!time_is_never(s->last_switch) && time_since_ms(now, s->last_switch) < RESCUE_AGE_MS);
}
