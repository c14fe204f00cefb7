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
	case PACKET_SEALED:
		return "SEALED";
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
		return tell(out, cap, at, "(%u on %u%s)", get_be32(f->ping->id), f->ping->path,
			    f->ping->flags & PING_PEER_DEAD ? ", peer dead" : "");
	case FRAME_PONG:
		return tell(out, cap, at, "(%u on %u, bv %u)", get_be32(f->pong->id), f->pong->path,
			    get_be32(f->pong->binding_version));
	case FRAME_JUMP:
		return tell(out, cap, at, "(%u to %u, bv %u, %s)", get_be32(f->jump->id), f->jump->path,
			    get_be32(f->jump->binding_version), reason_name(f->jump->reason));
	case FRAME_JUMP_ACK:
		return tell(out, cap, at, "(%u, bv %u)", get_be32(f->jump_ack->id), get_be32(f->jump_ack->binding_version));
	case FRAME_JUMP_REJECT:
		return tell(out, cap, at, "(%u, %s, again in %u ms, bv %u)", get_be32(f->jump_reject->id),
			    reason_name(f->jump_reject->reason), get_be32(f->jump_reject->retry_after_ms),
			    get_be32(f->jump_reject->binding_version));
	case FRAME_CLOSE:
		return tell(out, cap, at, "(%s)", reason_name(f->close->reason));
	default:
		return at;
	}
}

void trace_sent(struct sim_engine *se, const struct route *to, const uint8_t *data, size_t len)
{
	static struct opened o;
	char text[400], address[ENDPOINT_STRLEN];
	struct frame f;
	size_t at;

	if (!se->sim->setup.trace || !se->sim->setup.trace_datagrams)
		return;
	at = tell(text, sizeof(text), 0, "  sends %s, %zu bytes, by socket %u to %s", type_name(data[0]), len,
		  to->socket, endpoint_format(&to->remote, address));
	if (datagram_open(se, data, len, &o)) {
		const struct session *s = o.path->session;

		at = tell(text, sizeof(text), at, ", %02x%02x path %u, %u/%llu", s->id[0], s->id[1],
			  o.path->number, o.id.epoch, (unsigned long long)o.id.counter);
		if (o.id.kind == SEALED_DATA)
			at = tell(text, sizeof(text), at, " DATA");
		else if (!o.opens)
			at = tell(text, sizeof(text), at, " (does not open)");
		while (o.opens && frame_next(&o.frames, &f))
			at = tell_frame(text, sizeof(text), at, &f);
	}
	sim_trace(se->sim, se->end, "%s", text);
}
