/*
 * Who sits on a path, without keys. The rules are the link's (link/link.h); here is what it is told of a datagram: its
 * length, as every observer sees it, and what is in it, since middleboxes guess well.
 */
#include "session/session.h"
#include "sim/impl.h"

#include <string.h>

#include "proto/packet.h"

bool datagram_open(struct sim_engine *se, const uint8_t *data, size_t len, struct opened *out)
{
	const struct session *s;
	const struct epoch *ep;

	memset(out, 0, offsetof(struct opened, bytes));
	if (len < PROTO_OVERHEAD || data[0] != PACKET_SEALED)
		return false;
	out->path = session_find_path(se->e, data + offsetof(struct packet_header, locator));
	if (!out->path)
		return false;
	s = out->path->session;
	out->id = packet_unmask(
		data, keycache_mask(se->e->cache, s->keys.mask_cache, s->keys.suite, s->keys.tx_mask));
	if (out->id.kind == SEALED_DATA)
		return true;
	ep = s->keys.epoch[out->id.epoch & 1];
	memcpy(out->bytes, data, len);
	out->opens =
		packet_open(out->bytes + PROTO_HEADER_LEN, out->bytes, len, &out->id,
			    keycache_aead(se->e->cache, ep->cache, s->keys.suite, ep->tx_key), ep->tx_iv);
	out->frames = reader_init(out->bytes + PROTO_HEADER_LEN, len - PROTO_OVERHEAD);
	return true;
}

static bool sees_rules(const struct link *l, bool *kinds)
{
	*kinds = false;
	for (uint8_t i = 0; i < l->profile.rules; i++)
		*kinds = *kinds || l->profile.rule[i].kinds;
	return l->profile.rules > 0;
}

/* Bits of enum link_kind. */
static uint32_t kinds_of(struct sim_engine *se, const uint8_t *data, size_t len)
{
	static struct opened o;
	uint32_t kinds = 1u << LINK_KIND_CONTROL;
	struct frame f;

	if (!datagram_open(se, data, len, &o))
		return 1u << LINK_KIND_HANDSHAKE;
	if (o.id.kind == SEALED_DATA)
		return 1u << LINK_KIND_DATA;
	while (o.opens && frame_next(&o.frames, &f))
		kinds |= LINK_KIND_OF_FRAME(f.type);
	return kinds;
}

bool actor_meets(struct sim_engine *se, struct link *l, const uint8_t *data, size_t len,
		 struct link_fate *fate)
{
	struct link_packet packet = { .len = len };
	bool kinds;

	*fate = (struct link_fate){ .copies = 1 };
	if (!sees_rules(l, &kinds))
		return true;
	if (kinds)
		packet.kinds = kinds_of(se, data, len);
	return link_meets(l, &packet, fate);
}
