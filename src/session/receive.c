/*
 * DATA and CONTROL from the network, in the order a packet is judged: locator, epoch, path, replay, tag,
 * replay again. Every refusal leaves by one label with its counter; nothing before the tag has been checked
 * changes anything.
 */
#include "session/session.h"

#include "proto/carry.h"
#include "proto/inner.h"
#include "proto/packet.h"

/* DATA is taken on the active path, for a while on the one just left, and by a client on the one it jumps to and on
 * the one its next session waits on: a server that sends there has attached it. */
static bool takes_data(struct session *s, const struct path *p, struct jv_time now)
{
	if (s->state == STATE_BIRTH)
		return s->engine->client && s->engine->client->session;
	if (s->state == STATE_TERMINATED && !time_before(now, s->late_until))
		return false;
	if (p == s->active)
		return true;
	if (p == s->draining && time_before(now, s->drain_until))
		return true;
	return s->engine->client && s->jump.pending && p->slot == s->jump.slot;
}

static void data_received(struct path *p, uint8_t ecn, uint8_t *packet, size_t len, struct jv_time now)
{
	struct session *s = p->session;
	struct engine *e = s->engine;
	struct inner in;

	if (!inner_parse(packet, len, &in)) {
		e->counters.n[COUNT_DROP_BAD_INNER]++;
		return;
	}
	if (!e->client && lpm_find(e->config->owners, &in.src) != s->peer) {
		e->counters.n[COUNT_DROP_BAD_SOURCE]++;
		return;
	}
	if (!carry_ecn(packet, ecn)) {
		e->counters.n[COUNT_DROP_ECN]++;
		return;
	}
	if (e->config->tunnel.mss_clamp && carry_mss(packet, len, session_fits(s)))
		e->counters.n[COUNT_MSS_CLAMPED]++;
	s->last_data = now;
	s->rx_packets++;
	s->rx_bytes += len;
	e->counters.n[COUNT_RX_PACKETS]++;
	e->counters.n[COUNT_RX_BYTES] += len;
	e->io.deliver(e->ctx, packet, len);
}

/* Of DATA alone: what the peer should send again is told by it. */
static void note_highest(struct session *s, const struct epoch *ep, uint64_t counter)
{
	if (ep->number < s->rx_epoch || (ep->number == s->rx_epoch && counter < s->rx_highest))
		return;
	s->rx_epoch = ep->number;
	s->rx_highest = counter + 1;
}

/* Is this the newest CONTROL on its path? Older ones do not tell where it leads now. */
static bool is_newest(struct path *p, const struct packet_id *id, const struct epoch *ep)
{
	const uint64_t order = ((uint64_t)ep->number << 48 | id->counter) + 1;

	if (p->heard != 0 && (int64_t)(order - p->heard) <= 0)
		return false;
	p->heard = order;
	return true;
}

/* A replay is worth a record; what the peer sent again because the session moved is not. */
static enum counter not_new(struct session *s, const struct packet_id *id, const struct route *from,
			    struct jv_time now)
{
	if (id->type == PACKET_DATA && rescue_doubles(s, now))
		return COUNT_DROP_DUPLICATE;
	trail_refused(s->engine, s, AUDIT_SECURITY_REPLAY_DETECTED, REASON_REPLAY_DETECTED, &from->remote,
		      now);
	return COUNT_DROP_REPLAY;
}

void receive_sealed(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *datagram, size_t len,
		    struct jv_time now)
{
	struct path *p = session_find_path(e, datagram + offsetof(struct packet_header, locator));
	enum counter why;
	struct session *s;
	struct packet_id id;
	struct epoch *ep;

	if (!p) {
		why = COUNT_DROP_UNKNOWN_LOCATOR;
		if (!e->client)
			accept_reset(e, from, datagram, len, now);
		goto drop;
	}
	s = p->session;
	why = COUNT_DROP_UNEXPECTED;
	if (e->client && (!p->known || p->route.socket != from->socket))
		goto drop;
	id = packet_unmask(datagram,
			   keycache_mask(e->cache, s->keys.rx_mask_cache, s->keys.suite, s->keys.rx_mask));
	why = COUNT_DROP_UNKNOWN_EPOCH;
	ep = keys_find(&s->keys, id.epoch, now);
	if (!ep)
		goto drop;
	why = s->state == STATE_BIRTH ? COUNT_DROP_NOT_ATTACHED : COUNT_DROP_WRONG_PATH;
	if (id.type == PACKET_DATA ? !takes_data(s, p, now) : s->state == STATE_TERMINATED)
		goto drop;
	if (!replay_is_new(&ep->replay, id.counter)) {
		why = not_new(s, &id, from, now);
		goto drop;
	}
	why = COUNT_DROP_BAD_TAG;
	if (!packet_open(datagram, len, &id, keycache_aead(e->cache, ep->rx_cache, s->keys.suite, ep->rx_key),
			 ep->rx_iv)) {
		trail_refused(e, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF, &from->remote, now);
		goto drop;
	}
	replay_update(&ep->replay, id.counter);
	if (s->state == STATE_TERMINATED) {
		data_received(p, ecn, datagram + PROTO_HEADER_LEN, len - PROTO_OVERHEAD, now);
		return;
	}

	if (ep->number != s->keys.tx_epoch)
		rekey_peer_uses(s, ep->number, now);
	else if (s->rekey.unconfirmed)
		rekey_confirmed(s, now);
	s->last_rx = p->last_rx = now;
	p->received++;
	health_heard(s, p);
	if (id.type == PACKET_DATA) {
		note_highest(s, ep, id.counter);
		data_received(p, ecn, datagram + PROTO_HEADER_LEN, len - PROTO_OVERHEAD, now);
	} else {
		control_received(p, from, datagram + PROTO_HEADER_LEN, len - PROTO_OVERHEAD, len,
				 is_newest(p, &id, ep), now);
	}
	return;
drop:
	e->counters.n[why]++;
}
