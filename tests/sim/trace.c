/* Datagrams in the trace, with what is in them: opened with their sender's keys, on a copy. */
#include "sim/impl.h"

#include <string.h>

#include "proto/packet.h"

static const char *type_name(uint8_t type)
{
	switch (type) {
	case PACKET_HELLO:
		return "HELLO";
	case PACKET_WELCOME:
		return "WELCOME";
	case PACKET_COOKIE:
		return "COOKIE";
	case PACKET_DATA:
		return "DATA";
	case PACKET_CONTROL:
		return "CONTROL";
	case PACKET_RESET:
		return "RESET";
	default:
		return "?";
	}
}

__attribute__((format(printf, 4, 5))) static size_t tell(char *out, size_t cap, size_t at, const char *format,
							 ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out + at, cap - at, format, args);
	va_end(args);
	return n > 0 && at + (size_t)n < cap ? at + (size_t)n : at;
}

static size_t tell_frame(char *out, size_t cap, size_t at, const struct frame *f)
{
	at = tell(out, cap, at, " %s", frame_name(f->type));
	switch (f->type) {
	case FRAME_PING:
		return tell(out, cap, at, "(%u on %u%s)", f->ping.id, f->ping.path,
			    f->ping.flags & PING_PEER_DEAD ? ", peer dead" : "");
	case FRAME_PONG:
		return tell(out, cap, at, "(%u on %u, bv %u)", f->pong.id, f->pong.path,
			    f->pong.binding_version);
	case FRAME_JUMP:
		return tell(out, cap, at, "(%u to %u, bv %u, %s)", f->jump.id, f->jump.path,
			    f->jump.binding_version, reason_name(f->jump.reason));
	case FRAME_JUMP_ACK:
		return tell(out, cap, at, "(%u, bv %u)", f->jump_ack.id, f->jump_ack.binding_version);
	case FRAME_JUMP_REJECT:
		return tell(out, cap, at, "(%u, %s, again in %u ms, bv %u)", f->jump_reject.id,
			    reason_name(f->jump_reject.reason), f->jump_reject.retry_after_ms,
			    f->jump_reject.binding_version);
	case FRAME_CLOSE:
		return tell(out, cap, at, "(%s)", reason_name(f->close.reason));
	default:
		return at;
	}
}

static size_t tell_control(struct sim_engine *se, struct session *s, const struct packet_id *id,
			   const uint8_t *data, size_t len, char *out, size_t cap, size_t at)
{
	const struct epoch *ep = &s->keys.epoch[id->epoch & 1];
	uint8_t copy[SIM_DATAGRAM_MAX];
	struct reader r;
	struct frame f;

	memcpy(copy, data, len);
	if (!packet_open(copy + PROTO_HEADER_LEN, copy, len, id,
			 keycache_aead(se->e->cache, ep->tx_cache, s->keys.suite, ep->tx_key), ep->tx_iv))
		return tell(out, cap, at, " (does not open)");
	r = reader_init(copy + PROTO_HEADER_LEN, len - PROTO_OVERHEAD);
	while (frame_next(&r, &f))
		at = tell_frame(out, cap, at, &f);
	return at;
}

void trace_sent(struct sim_engine *se, const struct route *to, const uint8_t *data, size_t len)
{
	struct path *p = NULL;
	char text[400], address[ENDPOINT_STRLEN];
	size_t at;

	if (!se->sim->setup.trace || !se->sim->setup.trace_datagrams)
		return;
	at = tell(text, sizeof(text), 0, "  sends %s, %zu bytes, by socket %u to %s", type_name(data[0]), len,
		  to->socket, endpoint_format(&to->remote, address));
	if (len >= PROTO_OVERHEAD && (data[0] == PACKET_DATA || data[0] == PACKET_CONTROL))
		p = session_find_path(se->e, data + offsetof(struct packet_header, locator));
	if (p) {
		struct session *s = p->session;
		const struct packet_id id =
			packet_unmask(data, keycache_mask(se->e->cache, s->keys.tx_mask_cache, s->keys.suite,
							  s->keys.tx_mask));

		at = tell(text, sizeof(text), at, ", %02x%02x path %u, %u/%llu", s->id[0], s->id[1],
			  p->number, id.epoch, (unsigned long long)id.counter);
		if (data[0] == PACKET_CONTROL)
			at = tell_control(se, s, &id, data, len, text, sizeof(text), at);
	}
	sim_trace(se->sim, se->end, "%s", text);
}
