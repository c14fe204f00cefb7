/*
 * DATA and CONTROL from the network, in the order a packet is judged: locator, epoch, path, replay, tag,
 * replay again. Every refusal leaves by one label with its counter; nothing before the tag has been checked
 * changes anything.
 *
 * On the thread of the engine.
 */
#include "session/receive.h"

#include <string.h>

#include "base/ip.h"
#include "proto/carry.h"
#include "proto/inner.h"
#include "proto/packet.h"
#include "session/client_state.h"
#include "session/control.h"
#include "session/health.h"
#include "session/inside.h"
#include "session/keys.h"
#include "session/rekey.h"
#include "session/rescue.h"
#include "session/reset.h"
#include "session/session.h"
#include "session/size.h"
#include "session/trail.h"

/* A copy of what the peer has sealed may come so much later: it sends what is RESCUE_AGE_MS old, and as long again it may
 * be on the way. */
#define AGAIN_MS (UINT64_C(2) * RESCUE_AGE_MS)
#define CACHE_LINE 64

/*
 * On which of a session's paths DATA is taken:
 *
 *     a session in BIRTH      none; but at a client that has another session, all: the server has attached this one
 *     one that is superseded  the paths below, until superseded_until
 *     each other one          the active path; the path just left, until drain_until; at a client, the target of a JUMP
 */
static bool takes_data(struct session *s, const struct path *p, struct jv_time now)
{
	if (s->state == STATE_BIRTH)
		return s->engine->client && s->engine->client->session;
	if (s->state == STATE_TERMINATED && !time_before(now, s->superseded_until))
		return false;
	if (p == s->active)
		return true;
	if (p == s->draining && time_before(now, s->drain_until))
		return true;
	return s->engine->client && s->jump->pending && p->slot == s->jump->slot;
}

/* Is the address the peer's, and to a client is it for us? Of a run, most packets come from one and go to one. */
static bool owns(struct reception *r, const struct session *s, const struct inner *in)
{
	const struct client *c = s->engine->client;

	if (r->owned && ip_equal(&r->src, &in->src) && (!c || ip_equal(&r->dst, &in->dst)))
		return true;
	if (c ? !inside_takes(c, &in->src, &in->dst) : config_owner(s->engine->config, &in->src) != s->peer)
		return false;
	r->owned = true;
	r->src = in->src;
	r->dst = in->dst;
	return true;
}

static void data_received(struct reception *r, uint8_t *packet, size_t len)
{
	struct session *s = r->session;
	struct engine *e = s->engine;
	struct inner in;

	if (!inner_parse(packet, len, &in)) {
		e->counters.n[COUNT_DROP_BAD_INNER]++;
		return;
	}
	if (in.link) {
		e->counters.n[COUNT_LINK_CHATTER]++;
		return;
	}
	if (!owns(r, s, &in)) {
		e->counters.n[COUNT_DROP_BAD_SOURCE]++;
		return;
	}
	if (e->config->tunnel.mss_clamp && carry_is_syn(packet, len) && carry_mss(packet, len, size_fits(s)))
		e->counters.n[COUNT_MSS_CLAMPED]++;
	s->last_data = r->now;
	s->rx_packets++;
	s->rx_bytes += len;
	e->counters.n[COUNT_RX_PACKETS]++;
	e->counters.n[COUNT_RX_BYTES] += len;
	e->io.deliver(e->ctx, packet, len);
}

/*
 * RFC 6040: an outer CE mark on an inner packet without ECN means that it is dropped, so an attacker on the path can drop
 * packets by marking them. Such a packet counts as lost: no report counts it, it is no sign of life, and the replay window
 * takes it when it is sent again, on this path or another.
 */
static bool bears_mark(const struct reception *r, uint8_t *packet, size_t len)
{
	return len < sizeof(struct ipv4_header) || carry_ecn(packet, r->ecn);
}

/* Of DATA alone: what the peer should send again is told by it. */
static void note_highest(struct session *s, const struct epoch *ep, uint64_t counter)
{
	if (ep->number < s->rx_epoch || (ep->number == s->rx_epoch && counter < s->rx_highest))
		return;
	s->rx_epoch = ep->number;
	s->rx_highest = counter + 1;
}

/* What is sealed later is greater; 0: nothing. */
static uint64_t order_of(const struct packet_id *id, const struct epoch *ep)
{
	return keys_order(ep->number, id->counter + 1);
}

/* Is this the newest CONTROL on its path? Older ones do not tell where it leads now. */
static bool is_newest(struct path *p, uint64_t order)
{
	if (p->heard != 0 && (int64_t)(order - p->heard) <= 0)
		return false;
	p->heard = order;
	return true;
}

/* All that is before this CONTROL was sealed before now. */
static void note_age(struct session *s, uint64_t order, struct jv_time now)
{
	if (order <= s->sealed[1] || (s->sealed[1] != 0 && time_since_ms(now, s->sealed_at) < AGAIN_MS))
		return;
	s->sealed[0] = s->sealed[1];
	s->sealed[1] = order;
	s->sealed_at = now;
}

/* Can the peer have sent it so lately that a copy of it, or what has overtaken it, is still on the way? Who was asleep
 * finds what has come meanwhile. */
static bool is_recent(const struct session *s, uint64_t order, struct jv_time now)
{
	const bool stale = time_since_ms(now, s->sealed_at) >= AGAIN_MS;

	return order > s->sealed[stale ? 1 : 0] || time_since_ms(now, s->engine->woke) < AGAIN_MS;
}

/* Does it come from where the path leads, or may soon? */
static bool is_peers_address(const struct reception *r)
{
	const struct path *p = r->path;

	return r->home || (p && path_tries(p, r->from));
}

/*
 * A replay is audited. A packet that comes again from the peer's own address within seconds is only counted: rescue sends
 * packets again that may have arrived, networks duplicate, and a packet that many have overtaken is behind the window.
 */
static enum counter not_new(struct reception *r, const struct packet_id *id)
{
	struct session *s = r->session;

	if (is_peers_address(r) && is_recent(s, order_of(id, r->epoch), r->now))
		return COUNT_DROP_DUPLICATE;
	trail_refused(s->engine, s, AUDIT_SECURITY_REPLAY_DETECTED, REASON_REPLAY_DETECTED, &r->from->remote,
		      r->now);
	return COUNT_DROP_REPLAY;
}

/* The path that the locator names, and what its packets are unmasked with. */
static enum counter find_path(struct engine *e, struct reception *r, uint8_t *datagram, size_t len)
{
	struct session *s;
	struct slot *sl = session_find_slot(e, datagram + offsetof(struct packet_header, locator), &s);
	struct path *p = sl ? sl->path : NULL;
	struct keys *keys;

	r->slot = NULL;
	r->ahead = false;
	if (!sl) {
		if (!e->client)
			reset_send(e, r->from, datagram, len, r->now);
		return COUNT_DROP_UNKNOWN_LOCATOR;
	}
	if (e->client && (!path_is_known(p) || session_near(p)->socket != r->from->socket))
		return COUNT_DROP_UNEXPECTED;
	r->slot = sl;
	r->path = p;
	r->session = s;
	keys = &s->keys;
	r->mask = keycache_mask(e->cache, keys->mask_cache + 1, keys->suite, keys->rx_mask);
	r->takes_data = p && takes_data(s, p, r->now);
	r->home = p && path_is_known(p) && session_leads(p, r->from);
	r->epoch = NULL;
	r->owned = false;
	return COUNTER_COUNT;
}

static enum counter find_epoch(struct engine *e, struct reception *r, uint8_t wire_epoch)
{
	struct keys *keys = &r->session->keys;

	r->epoch = keys_find(keys, wire_epoch, r->now);
	if (!r->epoch)
		return COUNT_DROP_UNKNOWN_EPOCH;
	r->key = keycache_aead(e->cache, r->epoch->cache + 1, keys->suite, r->epoch->rx_key);
	if (r->key)
		return COUNTER_COUNT;
	r->epoch = NULL;
	return COUNT_DROP_NO_MEMORY;
}

static bool is_same_path(const struct reception *r, const uint8_t *datagram)
{
	return r->slot &&
	       memcmp(datagram + offsetof(struct packet_header, locator), r->slot->locator, 8) == 0;
}

/* A mask takes long to come by and little to compute: the next one does while this packet is opened. That it is of the
 * same path is likely, and will be seen. */
static struct packet_id unmask(struct reception *r, const uint8_t *datagram)
{
	const struct packet_id id = r->ahead ? r->id : packet_unmask(datagram, r->mask);

	r->ahead = r->next != NULL;
	if (r->next)
		r->id = packet_unmask(r->next, r->mask);
	return id;
}

/* What has been opened is news of the peer. */
static void heard(struct reception *r, const struct packet_id *id, uint8_t *body, size_t len)
{
	struct path *p = r->path;
	struct session *s = r->session;
	struct epoch *ep = r->epoch;

	if (ep->number != s->keys.tx_epoch || s->rekey.unconfirmed) {
		if (ep->number != s->keys.tx_epoch)
			rekey_peer_uses(s, ep->number, r->now);
		else
			rekey_confirmed(s, r->now);
		r->epoch = NULL;
	}
	s->last_rx = r->now;
	p->received++;
	if (r->home) { /* whoever sends from elsewhere does not tell that what we send arrives */
		p->last_rx = r->now;
		health_heard(s, p);
	}
	if (id->kind == SEALED_DATA) {
		note_highest(s, ep, id->counter);
		data_received(r, body, len);
	} else {
		const uint64_t order = order_of(id, ep);

		r->slot = NULL; /* whatever it says, everything may be different behind it */
		note_age(s, order, r->now);
		control_received(p, r->from, body, len, len + PROTO_OVERHEAD, is_newest(p, order), r->now);
	}
}

static void prefetch(const void *begin, const void *end)
{
	for (const char *at = begin; at < (const char *)end; at += CACHE_LINE)
		__builtin_prefetch(at);
}

void receive_ahead(const struct engine *e, const uint8_t *const datagram[], size_t n)
{
	const size_t at = offsetof(struct packet_header, locator);
	const struct session *s[ENGINE_AHEAD];
	unsigned int slot[ENGINE_AHEAD];

	for (size_t i = 0; i < n; i++)
		table_prefetch(e->locators, session_key(datagram[i] + at));
	for (size_t i = 0; i < n; i++) {
		s[i] = table_guess(e->locators, session_key(datagram[i] + at), &slot[i]);
		if (!s[i])
			continue;
		prefetch(s[i], &s[i]->rescue);
		__builtin_prefetch(&s[i]->slot[slot[i]]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct path *p = s[i] ? s[i]->slot[slot[i]].path : NULL;
		const struct epoch *ep = s[i] ? keys_tx(&s[i]->keys) : NULL;

		if (p)
			prefetch(p, p + 1);
		if (ep)
			prefetch(ep, ep + 1);
	}
}

void receive_sealed(struct engine *e, struct reception *r, uint8_t *datagram, size_t len)
{
	uint8_t *body = datagram + PROTO_HEADER_LEN;
	enum counter why;
	struct session *s;
	struct packet_id id;
	bool no_memory;

	if (!is_same_path(r, datagram)) {
		why = find_path(e, r, datagram, len);
		if (!r->slot)
			goto drop;
	}
	s = r->session;
	id = unmask(r, datagram);
	if (!r->epoch || (r->epoch->number & PROTO_EPOCH_MASK) != id.epoch) {
		why = find_epoch(e, r, id.epoch);
		if (!r->epoch)
			goto drop;
	}
	why = s->state == STATE_BIRTH ? COUNT_DROP_NOT_ATTACHED : COUNT_DROP_WRONG_PATH;
	if (id.kind == SEALED_DATA ? !r->takes_data : s->state == STATE_TERMINATED)
		goto drop;
	if (!replay_is_new(&r->epoch->replay, id.counter)) {
		why = not_new(r, &id);
		goto drop;
	}
	why = COUNT_DROP_BAD_TAG;
	if (id.kind == SEALED_DATA && e->io.room)
		body = e->io.room(e->ctx);
	if (id.counter >= PROTO_PACKETS_PER_EPOCH ||
	    !packet_open(body, datagram, len, &id, r->key, r->epoch->rx_iv)) {
		trail_refused(e, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF, &r->from->remote,
			      r->now);
		goto drop;
	}
	why = COUNT_DROP_ECN;
	if (id.kind == SEALED_DATA && !bears_mark(r, body, len - PROTO_OVERHEAD)) {
		trail_refused(e, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ECN_MISMARKED, &r->from->remote,
			      r->now);
		goto drop;
	}
	why = COUNT_DROP_NO_MEMORY;
	if (!r->path)
		r->path = session_make_path(s, (uint8_t)(r->slot - s->slot), r->now);
	if (!r->path || (!keys_mark(&e->key_store, r->epoch, id.counter, &no_memory) && no_memory))
		goto drop;
	if (s->state == STATE_TERMINATED)
		data_received(r, body, len - PROTO_OVERHEAD);
	else
		heard(r, &id, body, len - PROTO_OVERHEAD);
	return;
drop:
	e->counters.n[why]++;
}
