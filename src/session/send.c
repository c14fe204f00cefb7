/*
 * What a session sends: DATA, and CONTROL packets put together from frames.
 *
 * On the thread of the engine.
 */
#include "session/send.h"

#include "base/log.h"
#include "proto/packet.h"
#include "session/due.h"
#include "session/path.h"
#include "session/proof.h"
#include "session/rescue.h"
#include "session/session.h"
#include "session/size.h"
#include "session/stall.h"
#include "session/wheel.h"

void send_report(const struct path *p, struct wire_path_report *r)
{
	const struct session *s = p->session;
	const uint64_t newest = path_health(p)->newest;

	r->sent = put_be32(p->sent + 1);
	r->received = put_be32(p->received);
	r->epoch = (uint8_t)s->rx_epoch;
	r->highest = put_be48(s->rx_highest);
	r->newest_epoch = (uint8_t)(newest >> 48);
	r->newest = put_be48(newest & PROTO_COUNTER_MAX);
}

/* Seals what stands at `in`; 0 when the epoch has no counter left, or its key finds no memory. */
static size_t seal(const struct sealer *k, uint8_t *packet, const uint8_t *in, size_t len,
		   enum sealed_kind kind, struct jv_time now)
{
	struct session *s = k->path->session;
	struct epoch *ep = k->epoch;

	if (!k->key) {
		s->engine->counters.n[COUNT_DROP_NO_MEMORY]++;
		return 0;
	}
	if (ep->tx_counter >= PROTO_PACKETS_PER_EPOCH / 2) {
		session_due_earlier(s, DUE_LIFE, now);
		if (ep->tx_counter >= PROTO_PACKETS_PER_EPOCH)
			return 0;
	}
	return packet_seal(packet, in, len, kind, (uint8_t)ep->number, ep->tx_counter++, k->locator,
			   k->key, ep->tx_iv, k->mask);
}

static struct sealer sealer_of(struct path *p)
{
	struct session *s = p->session;
	struct keycache *cache = s->engine->cache;
	struct epoch *ep = keys_tx(&s->keys);

	return (struct sealer){
		.path = p,
		.locator = session_locator(p),
		.epoch = ep,
		.key = keycache_aead(cache, ep->cache, s->keys.suite, ep->tx_key),
		.mask = keycache_mask(cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask),
	};
}

/* What stands behind the header, on `p` and by itself. */
static size_t seal_one(struct path *p, uint8_t *packet, size_t len, struct jv_time now)
{
	const struct sealer k = sealer_of(p);

	return seal(&k, packet, packet + PROTO_HEADER_LEN, len, SEALED_CONTROL, now);
}

/*
 * Frames are not to be told by their length: most that one packet holds fit into the small size, the lists of LOCATORS
 * and POLICY go by the large one. A path that is known to carry less gets no more than that, if the frames fit.
 */
static size_t control_size(const struct path *p, size_t len)
{
	const size_t carries = size_datagram(p);

	if (len <= PROTO_CONTROL_SMALL)
		return PROTO_CONTROL_SMALL;
	return len <= carries && carries < PROTO_CONTROL_MAX ? carries : PROTO_CONTROL_MAX;
}

void send_begin(struct control_packet *c)
{
	c->asks = NULL;
	c->w = writer_init(c->packet + PROTO_HEADER_LEN, sizeof(c->packet) - PROTO_OVERHEAD);
}

bool send_control(struct control_packet *c, struct path *p, const struct route *to, struct jv_time now)
{
	struct engine *e = p->session->engine;
	const size_t len = control_size(p, c->w.len + PROTO_OVERHEAD);
	const struct route home = session_route(p);

	if (c->w.error)
		bug("CONTROL frames beyond %zu bytes", c->w.cap);
	if (c->w.len == 0 || !path_is_known(p) || p->session->state == STATE_TERMINATED)
		return false;
	if (!proof_may_send(p, to, len)) {
		e->counters.n[COUNT_DROP_AMPLIFICATION]++;
		p->sent++; /* to who counts losses, held back is lost */
		if (c->asks)
			c->asks->sent = c->asked_before; /* what brings credit may be answered with it */
		return false;
	}
	write_zeroes(&c->w, len - PROTO_OVERHEAD - c->w.len); /* FRAME_PAD */
	if (seal_one(p, c->packet, c->w.len, now) == 0)
		return false;
	p->sent++;
	e->counters.n[COUNT_TX_CONTROL]++;
	e->io.send(e->ctx, to ? to : &home, c->packet, len, 0);
	return true;
}

void send_frame(struct path *p, const struct frame *f, struct jv_time now)
{
	struct control_packet c;

	send_begin(&c);
	frame_write(&c.w, f);
	send_control(&c, p, NULL, now);
}

void send_probe(struct path *p, const struct frame *f, size_t size, struct jv_time now)
{
	struct engine *e = p->session->engine;
	uint8_t *packet = e->room;
	struct writer w = writer_init(packet + PROTO_HEADER_LEN, sizeof(e->room) - PROTO_OVERHEAD);
	const size_t len = size ? size : PROTO_CONTROL_SMALL;
	const struct route to = session_route(p);

	frame_write(&w, f);
	write_zeroes(&w, len - PROTO_OVERHEAD - w.len); /* FRAME_PAD */
	if (!path_is_known(p) || p->session->state == STATE_TERMINATED || !proof_may_send(p, NULL, len) ||
	    seal_one(p, packet, w.len, now) == 0)
		return;
	e->counters.n[COUNT_TX_CONTROL]++;
	e->io.send(e->ctx, &to, packet, len, size ? SEND_WHOLE : 0);
}

/* A client's slots whose locators were used and will not be again. */
static uint16_t spent_slots(const struct session *s)
{
	uint16_t bits = 0;

	for (uint8_t i = 0; s->engine->client && i < s->slots; i++)
		if (s->slot[i].path && s->slot[i].path->state == PATH_SPENT)
			bits |= (uint16_t)(1u << i);
	return bits;
}

void send_ping(struct path *p, uint8_t flags, struct jv_time now)
{
	struct session *s = p->session;
	struct health *h = session_need_health(p);
	struct frame_ping f = {
		.id = put_be32(s->next_ping_id + 1),
		.path = p->number,
		.flags = flags,
		.age_us = put_be64(session_age_us(s, now)),
		.policy_generation = put_be32(s->policy_generation),
		.locators_seq = put_be32(s->locators_seq),
		.spent = put_be16(spent_slots(s)),
	};
	struct control_packet c;

	if (!h)
		return;
	if (s->engine->client && p == s->active && s->state != STATE_ATTACHED && h->stall.on)
		f.flags |= PING_PEER_DEAD;
	send_report(p, &f.report);
	path_pinged(p, ++s->next_ping_id, now);
	if (p == s->active)
		stall_pinged(p, now);
	send_begin(&c);
	frame_write(&c.w, &(struct frame){ FRAME_PING, { &f } });
	if (!s->engine->client)
		proof_ask(p, &c, now);
	send_control(&c, p, NULL, now);
}

void send_close(struct session *s, enum reason why, struct jv_time now)
{
	const struct frame_close f = { .reason = (uint8_t)why };

	for (uint8_t i = 0; i < s->slots; i++)
		if (s->slot[i].path && path_is_known(s->slot[i].path))
			send_frame(s->slot[i].path, &(struct frame){ FRAME_CLOSE, { &f } }, now);
}

void send_data_begin(struct outgoing *o, struct session *s, size_t len, uint8_t ecn, struct jv_time now)
{
	struct path *p = session_data_path(s);

	o->session = s;
	o->kept = rescue_ready(s, len + PROTO_OVERHEAD, now);
	o->ecn = ecn;
	o->now = now;
	o->sealer = p ? sealer_of(p) : (struct sealer){ .path = NULL };
	if (p)
		session_route_write(p, &o->to);
}

/* Is there a path, and may it carry `len` bytes now? Counts what may not go. */
static bool may_go(struct session *s, struct path *p, size_t len, struct jv_time now)
{
	if (!p || !path_is_known(p)) {
		s->engine->counters.n[COUNT_DROP_NO_PATH]++;
		return false;
	}
	if (proof_may_carry(p, len))
		return true;
	s->engine->counters.n[COUNT_DROP_AMPLIFICATION]++;
	p->sent++;
	if (time_is_never(s->unanswered_since))
		due_data_sent(s, now); /* its PING carries another challenge */
	return false;
}

static void count_sent(struct session *s, size_t len, struct jv_time now)
{
	struct counters *c = &s->engine->counters;

	s->tx_packets++;
	s->tx_bytes += len;
	s->last_data = now;
	c->n[COUNT_TX_PACKETS]++;
	c->n[COUNT_TX_BYTES] += len;
	if (time_is_never(s->unanswered_since))
		due_data_sent(s, now);
	if (len + PROTO_OVERHEAD > PROTO_PROBE_LEAST && !s->large)
		size_large(s, now);
}

void send_data(struct outgoing *o, const uint8_t *packet, size_t len)
{
	struct session *s = o->session;
	struct engine *e = s->engine;
	struct path *p = o->sealer.path;
	const bool waits = o->kept && p && rescue_queues(s);
	uint8_t *datagram = e->room;
	uint64_t counter;
	size_t wire_len;

	if (!waits && !may_go(s, p, len + PROTO_OVERHEAD, o->now))
		return;
	if (o->kept)
		datagram = rescue_room(s, len + PROTO_OVERHEAD);
	counter = o->sealer.epoch->tx_counter;
	wire_len = seal(&o->sealer, datagram, packet, len, SEALED_DATA, o->now);
	if (wire_len == 0) {
		p->sent++;
		e->counters.n[COUNT_DROP_NO_PATH]++;
		return;
	}
	count_sent(s, len, o->now);
	if (o->kept)
		rescue_keep(s, wire_len, o->sealer.epoch->number, counter, o->ecn, waits, o->now);
	if (waits) {
		rescue_joined(s, wire_len, o->now);
		return;
	}
	p->sent++;
	p->health->newest = keys_order(o->sealer.epoch->number, counter + 1);
	e->io.send(e->ctx, &o->to, datagram, wire_len,
		   o->ecn | SEND_DATA | (o->kept ? SEND_STANDS : 0u) |
			   (p->health->runs.singly ? SEND_SINGLY : 0u));
}

void send_suspect(struct session *s, struct jv_time now)
{
	if (s->active && !path_health(s->active)->ping_out)
		send_ping(s->active, 0, now);
	due_arm(s, now);
}
