/*
 * From the tunnel device: whose packet is it, and does it fit? It is sealed and sent, cut into fragments, or answered by ICMP.
 *
 * On the thread of the engine.
 */
#include "session/outbound.h"

#include "proto/carry.h"
#include "proto/inner.h"
#include "session/client_state.h"
#include "session/limit.h"
#include "session/send.h"
#include "session/size.h"

/*
 * The packet's destination answers for itself: a client has no address of its own to speak from, and what comes out of
 * a tunnel device from an address of this machine, the kernel takes for forged.
 */
static void unreachable(struct engine *e, const uint8_t *packet, size_t len, const struct inner *in,
			enum inner_unreachable why, uint16_t mtu, struct jv_time now)
{
	uint8_t out[INNER_ICMP_MAX];
	size_t n;

	if (in->dst.b[0] == 0xff || !source_limit_take(e->icmp_limit, &in->src, now))
		return;
	n = inner_unreachable(out, packet, len, why, &in->dst, mtu);
	if (n == 0)
		return;
	e->counters.n[COUNT_ICMP_SENT]++;
	e->io.deliver(e->ctx, out, n);
}

/* The session that an inner packet belongs to, or NULL with the reason. */
static struct session *owner(struct engine *e, const struct inner *in, enum counter *drop)
{
	uint32_t peer;

	*drop = COUNT_DROP_NO_SESSION;
	if (e->client)
		return e->client->session;
	peer = config_owner(e->config, &in->dst);
	if (peer == LPM_NONE) {
		*drop = COUNT_DROP_NO_OWNER;
		return NULL;
	}
	return e->by_peer[peer];
}

size_t outbound_fits(const struct engine *e, const uint8_t *packet, size_t len)
{
	struct session *s = NULL;
	struct inner in;
	uint32_t peer;

	if (e->client) {
		s = e->client->session;
	} else if (inner_parse(packet, len, &in)) {
		peer = config_owner(e->config, &in.dst);
		s = peer == LPM_NONE ? NULL : e->by_peer[peer];
	}
	return s ? size_fits(s) : PROTO_MTU_MAX;
}

static void transmit_one(struct session *s, const uint8_t *packet, size_t len, const struct inner *in,
			 struct jv_time now)
{
	struct outgoing o;

	send_data_begin(&o, s, len, in->tos & SEND_ECN, now);
	send_data(&o, packet, len);
}

/*
 * Within the tunnel's MTU, but not the path's. IPv4 without DF is fragmented. An IPv6 packet of at
 * most 1280 bytes, which every link must take, goes as it is, for the network to fragment the outer packet if it can. The
 * sender of any other gets an ICMP error.
 */
static void too_large(struct engine *e, struct session *s, uint8_t *packet, size_t len,
		      const struct inner *in, struct jv_time now)
{
	const size_t fits = size_fits(s);
	const bool v4 = ip_is_v4(&in->src);
	uint8_t *out = e->room + PROTO_HEADER_LEN;
	size_t at = 0, n;

	if (carry_may_fragment(packet, len, fits)) {
		e->counters.n[COUNT_FRAGMENTED]++;
		while ((n = carry_fragment(out, packet, len, fits, &at)) > 0)
			transmit_one(s, out, n, in, now);
	} else if (!v4 && len <= INNER_V6_LEAST) {
		transmit_one(s, packet, len, in, now);
	} else {
		e->counters.n[COUNT_DROP_TOO_BIG]++;
		unreachable(e, packet, len, in, INNER_TOO_BIG,
			    (uint16_t)(!v4 && fits < INNER_V6_LEAST ? INNER_V6_LEAST : fits), now);
	}
}

/* Multicast that no peer has asked for, or the broadcast address of a network of ours: nobody's fault. */
static bool is_for_all(const struct config *c, const struct ip *dst)
{
	if (ip_is_v4(dst) ? (dst->b[12] & 0xf0) == 0xe0 : dst->b[0] == 0xff)
		return true;
	for (size_t i = 0; i < c->tunnel.naddresses; i++)
		if (prefix_is_broadcast(&c->tunnel.addresses[i], dst))
			return true;
	return false;
}

void outbound_packet(struct engine *e, uint8_t *packet, size_t len, struct jv_time now)
{
	enum counter drop = COUNT_DROP_BAD_INNER;
	struct session *s;
	struct inner in;
	size_t fits;

	if (!inner_parse(packet, len, &in)) {
		e->counters.n[drop]++;
		return;
	}
	if (in.link) {
		e->counters.n[COUNT_LINK_CHATTER]++;
		return;
	}
	s = owner(e, &in, &drop);
	if (!s && drop == COUNT_DROP_NO_OWNER && is_for_all(e->config, &in.dst)) {
		e->counters.n[COUNT_LINK_CHATTER]++;
		return;
	}
	if (!s) {
		e->counters.n[drop]++;
		if (!e->client)
			unreachable(e, packet, len, &in,
				    drop == COUNT_DROP_NO_OWNER ? INNER_NO_ROUTE : INNER_HOST_DOWN, 0, now);
		return;
	}
	if (len > s->mtu) {
		e->counters.n[COUNT_DROP_TOO_BIG]++;
		unreachable(e, packet, len, &in, INNER_TOO_BIG, s->mtu, now);
		return;
	}
	fits = size_fits(s);
	if (e->config->tunnel.mss_clamp && carry_mss(packet, len, fits))
		e->counters.n[COUNT_MSS_CLAMPED]++;
	if (len > fits)
		too_large(e, s, packet, len, &in, now);
	else
		transmit_one(s, packet, len, &in, now);
}

/* The session of those that need nothing but to be sealed: what holds for the first holds for all. */
static struct session *straight(struct engine *e, const uint8_t *packet, size_t len, struct inner *in)
{
	enum counter drop;
	struct session *s;

	if (!inner_parse(packet, len, in) || in->link || carry_is_syn(packet, len))
		return NULL;
	s = owner(e, in, &drop);
	return s && len <= s->mtu && len <= size_fits(s) ? s : NULL;
}

void outbound_run(struct engine *e, struct inner_run *r, struct jv_time now)
{
	size_t len;
	uint8_t *packet = r->next(r, &len);
	struct session *s = NULL;
	struct outgoing o;
	struct inner in;

	if (packet)
		s = straight(e, packet, len, &in);
	if (s)
		send_data_begin(&o, s, len, in.tos & SEND_ECN, now);
	for (; packet; packet = r->next(r, &len)) {
		if (s)
			send_data(&o, packet, len);
		else
			outbound_packet(e, packet, len, now);
	}
}
