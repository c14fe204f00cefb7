/* What a session sends: DATA, and CONTROL packets put together from frames. */
#pragma once

#include "session/control_packet.h"
#include "session/session.h"

struct sealer { /* what packets in a row are sealed with */
	struct path *path;
	const uint8_t *locator;
	struct epoch *epoch;
	struct aead_key *key;
	struct mask_key *mask;
};

/* Inner packets of one session on their way out, in one input: what they have in common is looked up once. */
struct outgoing {
	struct session *session;
	struct sealer sealer;
	struct route to;
	bool kept;   /* for rescue */
	uint8_t ecn; /* of the inner packets, for the outer ones */
	struct jv_time now;
};

/* What a PING or PONG tells about the path. */
void send_report(const struct path *p, struct wire_path_report *r);
/* An empty packet, for frames. */
void send_begin(struct control_packet *c);
/* Seals and sends on `p`, to `to` if given, else to where p leads. False: nothing went out. */
bool send_control(struct control_packet *c, struct path *p, const struct route *to, struct jv_time now);
/* One frame, in a packet of its own. */
void send_frame(struct path *p, const struct frame *f, struct jv_time now);
/* PROBE, or its answer, filled up to `size` bytes of datagram; 0: as any other CONTROL. Counted in no report. */
void send_probe(struct path *p, const struct frame *f, size_t size, struct jv_time now);
/* PING on `p`; `flags` as in PROTO_PING. */
void send_ping(struct path *p, uint8_t flags, struct jv_time now);
/* Once on every open path, also one that has not answered (yet): the peer may be heard on none other. One that is lost is
 * made good by RESET or by the peer's own bounds. */
void send_close(struct session *s, enum reason why, struct jv_time now);
/* `len`: none will be longer. */
void send_data_begin(struct outgoing *o, struct session *s, size_t len, uint8_t ecn, struct jv_time now);
/* One inner packet on the way that send_data_begin() found. */
void send_data(struct outgoing *o, const uint8_t *packet, size_t len);
/* A PING on the active path at once, unless one is out. */
void send_suspect(struct session *s, struct jv_time now);
