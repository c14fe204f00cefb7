/*
 * A round asks for one size, or in its repetitions for several at once between what has passed and that: the first
 * round from PROTO_PROBE_LEAST up, the others ever closer. The least one belongs to it as the proof that small
 * packets do pass. When the tries are used up, the largest that was answered is in use from that moment; the search
 * goes on above it. Two or three rounds find it.
 *
 *     BASE ---- something large goes out ----> SEARCH <---- each PMTU_CONFIRM_MS while large packets go out; at once
 *     (the tunnel's MTU is taken to fit)        |   |       when some are lost, or the session has moved
 *                                               |   |
 *       all sizes answered, or narrowed down: COMPLETE: `size` is in use; from a smaller one up again later
 *                      not even the least one:      `-> ERROR: no matter of size; twice in a row while PINGs
 *                                                       are answered: DATA does not pass (PMTU_STALLED)
 *
 * On the thread of the engine.
 */
#include "session/pmtu.h"

#include "session/path.h"
#include "session/send.h"
#include "session/session.h"
#include "session/size.h"
#include "session/trail.h"

#define LOST_PPM 1000 /* how seldom all tries of a size may be lost by chance */

const char *pmtu_state_name(unsigned int state)
{
	static const char *const names[] = {
		[PMTU_BASE] = "base",
		[PMTU_SEARCH] = "search",
		[PMTU_COMPLETE] = "complete",
		[PMTU_ERROR] = "error",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static bool may_probe(const struct path *p)
{
	return path_is_proven(p) && p->number != PATH_NONE;
}

/* Of one size, so many that all are lost by chance once in a thousand times, as the PINGs of late were lost. */
static uint8_t tries_of(const struct path *p)
{
	const uint64_t lost = (uint64_t)__builtin_popcount(path_health(p)->pings_lost) * (POLICY_PPM / 32);
	uint64_t all = POLICY_PPM;
	uint8_t n = 0;

	while (all > LOST_PPM && n < PMTU_TRIES_MAX) {
		all = all * lost / POLICY_PPM;
		n++;
	}
	return n > PMTU_TRIES ? n : PMTU_TRIES;
}

/* --- rounds --- */

static void ask(struct path *p, uint32_t id, uint16_t size, uint8_t flags, struct jv_time now)
{
	const struct frame_probe f = { .id = put_be32(id), .size = put_be16(size), .flags = flags };

	send_probe(p, &(struct frame){ FRAME_PROBE, { &f } }, size, now);
}

/* The first time only the size in question: most often it passes. */
static void round_send(struct path *p, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;

	for (uint8_t i = m->tries == 0 ? m->n - 1 : 0; i < m->n; i++)
		if (m->probe[i] > m->low)
			ask(p, m->id, m->probe[i], 0, now);
	m->tries++;
	m->due = time_add_us(now, path_patience_us(p));
	size_arm(p->session, m->due);
}

/* From above `low` up to `top`, evenly. */
static void round_begin(struct path *p, uint16_t low, uint16_t top, struct jv_time now)
{
	struct pmtu *m = session_need_pmtu(p);
	const uint16_t from = low > 0 ? low : PROTO_PROBE_LEAST;
	const uint16_t parts = low > 0 ? PMTU_ROUND : PMTU_ROUND - 1;

	if (!m)
		return; /* the next large packet asks again */
	m->state = PMTU_SEARCH;
	m->low = low;
	m->tries = 0;
	m->n = 0;
	m->asked = now;
	m->id = ++p->session->next_probe_id;
	if (low == 0)
		m->probe[m->n++] = PROTO_PROBE_LEAST;
	for (uint16_t i = 1; i <= parts; i++) {
		const uint16_t size = (uint16_t)(from + (uint32_t)(top - from) * i / parts);

		if (m->n == 0 || size > m->probe[m->n - 1])
			m->probe[m->n++] = size;
	}
	round_send(p, now);
}

/* Does the size in use pass still? */
static void verify(struct path *p, struct jv_time now)
{
	p->session->large = false;
	if (may_probe(p) && time_is_never(path_pmtu(p)->due))
		round_begin(p, 0, size_datagram(p), now);
}

/* What was lost until now was lost for its size: believed once in a while, or a path that carries ever less would never
 * be left for what it loses. */
static bool may_forgive(const struct path *p, struct jv_time now)
{
	return time_is_never(path_pmtu(p)->forgiven) || time_since_ms(now, path_pmtu(p)->forgiven) >= PMTU_FORGIVE_MS;
}

static void forgive(struct path *p, struct jv_time now)
{
	if (!may_forgive(p, now))
		return;
	p->upkeep->pmtu->forgiven = now;
	path_size_changed(p);
}

static void shrink(struct path *p, uint16_t size, struct jv_time now)
{
	p->upkeep->pmtu->size = size;
	p->upkeep->pmtu->changed = now;
	forgive(p, now);
	p->session->engine->counters.n[COUNT_PMTU_SHRUNK]++;
}

static void ends(struct path *p, enum pmtu_state state, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;

	m->state = state;
	m->due = TIME_NEVER;
	m->confirmed = now;
	if (p->session->large)
		size_arm(p->session, time_add_ms(now, size_wait_ms(m)));
}

static void complete(struct path *p, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;

	ends(p, PMTU_COMPLETE, now);
	if (p->health)
		p->health->lossy = false;
	m->errors = 0;
	if (m->size >= size_largest(p)) {
		m->raise_ms = 0;
		m->raise = TIME_NEVER;
	} else if (time_is_never(m->raise)) {
		m->raise_ms = m->raise_ms < PMTU_RAISE_MAX_MS / 2 ? m->raise_ms * 2 : PMTU_RAISE_MAX_MS;
		if (m->raise_ms < PMTU_RAISE_MIN_MS)
			m->raise_ms = PMTU_RAISE_MIN_MS;
		m->raise = time_add_ms(now, m->raise_ms);
	}
}

/* PINGs are answered, what is larger is lost, and probes of every size with it: the path carries no such DATA. */
static enum pmtu_found nothing_passes(struct path *p)
{
	const struct health *h = path_health(p);
	struct pmtu *m = p->upkeep->pmtu;

	if (p != p->session->active || !h->lossy || time_is_never(h->last_pong) ||
	    time_before(h->last_pong, m->asked))
		m->errors = 0;
	else if (++m->errors >= PMTU_ERRORS) {
		m->errors = 0;
		return PMTU_STALLED;
	}
	return PMTU_NOTHING;
}

/* All tries of the highest size are lost. */
static enum pmtu_found round_failed(struct path *p, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;
	uint16_t lost = m->probe[m->n - 1];

	m->due = TIME_NEVER;
	if (m->low == 0) { /* nothing came at all: that is another matter */
		ends(p, PMTU_ERROR, now);
		return nothing_passes(p);
	}
	m->errors = 0;
	for (uint8_t i = m->n; i-- > 0;)
		if (m->probe[i] > m->low)
			lost = m->probe[i];
	if (m->low < size_datagram(p))
		shrink(p, m->low, now);
	else
		m->size = m->low;
	if (lost - m->low > PMTU_STEP)
		round_begin(p, m->low, lost - 1, now);
	else
		complete(p, now);
	return PMTU_NOTHING;
}

static void round_acked(struct path *p, uint16_t size, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;

	if (size > m->low)
		m->low = size;
	if (m->low < m->probe[m->n - 1])
		return;
	m->size = m->low;
	complete(p, now);
}

/*
 * --- is it size that packets are lost for? ---
 *
 *     loss is proven --> forgiven in the last minute? --yes--------------------------> the verdict stands
 *                          | no
 *                        ask: a small probe and a large one, again and again
 *                          |-- a large one is answered, no hole was found meanwhile --> the verdict stands
 *                          |-- neither, and no tries are left ------------------------> the verdict stands
 *                          `-- small ones are, large ones not; or a hole was found ---> forgiven: counts begin anew
 */

/* A small one and a large one, which asks for a large answer: how many of the first come before one of the second? */
static void doubt_send(struct path *p, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;

	ask(p, m->doubt_id, PROTO_PROBE_LEAST, 0, now);
	m->doubt_tries++;
	m->doubt_due = time_add_us(now, path_patience_us(p));
	size_arm(p->session, m->doubt_due);
	ask(p, m->doubt_id, size_datagram(p), PROBE_BACK, now);
}

bool pmtu_doubts(struct path *p, struct jv_time now)
{
	struct pmtu *m = session_need_pmtu(p);

	if (!m)
		return false;
	if (!time_is_never(m->cleared) && !time_before(m->cleared, path_health(p)->loss_proven))
		return false;
	if (!may_forgive(p, now))
		return false;
	if (!m->doubt && may_probe(p)) {
		m->doubt = true;
		m->doubt_tries = m->doubt_small = 0;
		m->doubt_id = ++p->session->next_probe_id;
		doubt_send(p, now);
	}
	return m->doubt;
}

static enum pmtu_found stands(struct path *p, struct jv_time now)
{
	p->upkeep->pmtu->cleared = now;
	return PMTU_LOSS;
}

/* The peer says for how long it has sent nothing larger: if it found a hole meanwhile, that was the loss. */
static enum pmtu_found doubt_acked(struct path *p, uint32_t since_ms, struct jv_time now)
{
	struct pmtu *m = p->upkeep->pmtu;

	m->doubt = false;
	m->doubt_due = TIME_NEVER;
	if (since_ms < UINT16_MAX && time_since_ms(now, path_health(p)->loss_since) >= since_ms) {
		forgive(p, now);
		return PMTU_NOTHING;
	}
	return stands(p, now);
}

static enum pmtu_found doubt_ends(struct path *p, struct jv_time now)
{
	p->upkeep->pmtu->doubt = false;
	p->upkeep->pmtu->doubt_due = TIME_NEVER;
	if (p->upkeep->pmtu->doubt_small < PMTU_DOUBT_SMALL)
		return stands(p, now);
	forgive(p, now);
	if (p == p->session->active)
		verify(p, now);
	return PMTU_NOTHING;
}

/* --- what happens --- */

void pmtu_ponged(struct path *p, uint32_t peer_received, struct jv_time now)
{
	struct health *h = p->health;
	const uint32_t missing = h->ping_sent_count - peer_received;
	const bool more = (int32_t)(missing - h->missing) > 0;

	h->missing = missing;
	h->lossy |= more;
	if (more && p->session->large && p == p->session->active)
		verify(p, now);
}

void pmtu_inherit(struct path *p, const struct pmtu *from)
{
	struct pmtu *m = from->size || from->raise_ms ? session_need_pmtu(p) : NULL;

	if (!m)
		return;
	m->size = from->size;
	m->raise_ms = from->raise_ms;
	m->raise = from->raise;
}

/* Has this second room for one more answer on this path? A peer that asks for more is flooding somebody. */
static bool may_answer(struct path *p, size_t size, struct jv_time now)
{
	const uint32_t second = (uint32_t)(now.us / 1000000);
	struct engine *e = p->session->engine;
	struct upkeep *u = session_need_upkeep(p);

	if (!u)
		return false;
	if (size == 0)
		size = PROTO_CONTROL_SMALL;
	if (u->answers_second != second)
		u->answers_bytes = 0;
	u->answers_second = second;
	if (u->answers_bytes + size > (uint32_t)PROTO_PROBE_ANSWERS * size_datagram(p)) {
		const struct endpoint remote = session_remote(p);

		e->counters.n[COUNT_DROP_PROBE_LIMIT]++;
		trail_refused(e, p->session, AUDIT_SECURITY_VALIDATION_FAILED, REASON_POLICY_DENIED,
			      &remote, now);
		return false;
	}
	u->answers_bytes += (uint32_t)size;
	return true;
}

void pmtu_probed(struct path *p, const struct frame *f, struct jv_time now)
{
	const uint64_t since =
		time_is_never(path_pmtu(p)->changed) ? UINT16_MAX : time_since_ms(now, path_pmtu(p)->changed);
	const struct frame_probe_ack ack = {
		.id = f->probe->id,
		.size = f->probe->size,
		.since_ms = put_be16((uint16_t)(since < UINT16_MAX ? since : UINT16_MAX)),
	};
	const bool back = f->probe->flags & PROBE_BACK && may_probe(p);
	const size_t most = (size_t)p->session->engine->answering.len * PROTO_AMPLIFICATION;
	size_t size = back ? size_datagram(p) : 0;

	p->received--; /* no report counts it */
	if (size > most)
		size = most;
	if (!may_answer(p, size, now))
		return;
	send_probe(p, &(struct frame){ FRAME_PROBE_ACK, { &ack } }, size, now);
}

enum pmtu_found pmtu_acked(struct path *p, const struct frame *f, struct jv_time now)
{
	struct pmtu *m = path_upkeep(p)->pmtu;
	const uint32_t id = get_be32(f->probe_ack->id);
	const uint16_t size = get_be16(f->probe_ack->size);

	p->received--;
	if (!m)
		return PMTU_NOTHING; /* nobody asked */
	if (m->doubt && id == m->doubt_id && size < size_datagram(p))
		m->doubt_small++;
	else if (m->doubt && id == m->doubt_id)
		return doubt_acked(p, get_be16(f->probe_ack->since_ms), now);
	else if (!time_is_never(m->due) && id == m->id)
		for (uint8_t i = 0; i < m->n; i++)
			if (m->probe[i] == size)
				round_acked(p, size, now);
	return PMTU_NOTHING;
}

/* Of the path that carries data: is it time to ask again? Answers when it will be. */
static struct jv_time look(struct path *p, struct jv_time now)
{
	struct pmtu *m = p->session->large ? session_need_pmtu(p) : NULL;

	if (!m || !time_is_never(m->due))
		return TIME_NEVER;
	if (!may_probe(p))
		return time_add_ms(now, PMTU_AGAIN_MS);
	if (!time_is_never(m->confirmed) && time_before(now, time_add_ms(m->confirmed, size_wait_ms(m))))
		return time_add_ms(m->confirmed, size_wait_ms(m));
	if (time_before(now, m->raise)) {
		verify(p, now);
	} else {
		m->raise = TIME_NEVER;
		round_begin(p, size_datagram(p), size_largest(p), now);
	}
	return TIME_NEVER;
}

/* The other paths are asked once, so that a jump to one of them knows what fits. */
static void look_at_others(struct session *s, struct jv_time now)
{
	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = s->slot[i].path;

		if (p && p != s->active && path_pmtu(p)->state == PMTU_BASE && may_probe(p) &&
		    (path_health(p)->srtt_us != 0 || !s->engine->client))
			round_begin(p, 0, size_datagram(p), now);
	}
}

enum pmtu_found pmtu_round_due(struct path *p, struct jv_time now)
{
	if (time_before(now, path_pmtu(p)->due))
		return PMTU_NOTHING;
	if (p->upkeep->pmtu->tries >= tries_of(p))
		return round_failed(p, now);
	round_send(p, now);
	return PMTU_NOTHING;
}

enum pmtu_found pmtu_doubt_due(struct path *p, struct jv_time now)
{
	if (time_before(now, path_pmtu(p)->doubt_due))
		return PMTU_NOTHING;
	if (p->upkeep->pmtu->doubt_small >= PMTU_DOUBT_SMALL || p->upkeep->pmtu->doubt_tries >= PMTU_DOUBT_TRIES)
		return doubt_ends(p, now);
	doubt_send(p, now);
	return PMTU_NOTHING;
}

static struct jv_time next_of(const struct pmtu *m)
{
	return time_min(m->due, m->doubt_due);
}

void pmtu_look(struct session *s, struct jv_time now)
{
	struct path *carries = session_data_path(s);
	struct jv_time next = TIME_NEVER;

	if (s->large && s->state == STATE_ATTACHED)
		look_at_others(s, now);
	if (carries && s->state != STATE_BIRTH)
		next = look(carries, now);
	for (uint8_t i = 0; i < s->slots; i++)
		next = time_min(next, s->slot[i].path ? next_of(path_pmtu(s->slot[i].path)) : TIME_NEVER);
	if (!time_is_never(next))
		size_arm(s, next);
}
