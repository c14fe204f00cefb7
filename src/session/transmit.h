/* What a session sends: DATA, and CONTROL packets put together from frames. */
#pragma once

#include "session/session.h"

struct control { /* a CONTROL packet being put together */
	struct writer w;
	struct challenge *asks; /* it has a challenge, and the last one before that went out then */
	struct jv_time asked_before;
	uint8_t packet[PROTO_CONTROL_MAX];
};

struct sealer { /* what packets in a row are sealed with */
	struct path *path;
	struct epoch *epoch;
	struct aead_key *key;
	struct mask_key *mask;
};

/* Inner packets of one session on their way out, in one input: what they have in common is looked up once. */
struct outgoing {
	struct session *session;
	struct sealer sealer;
	bool kept;   /* for rescue */
	uint8_t ecn; /* of the inner packets, for the outer ones */
	struct jv_time now;
};

void path_report_now(const struct path *p, struct path_report *r);
void control_begin(struct control *c);
/* The 3x rule for DATA, which counts it; on a path that is proven always true. */
bool data_may_send(struct path *p, size_t len);
/* Seals and sends on `p`, to `to` if given, else to where p leads. False: nothing went out. */
bool control_send(struct control *c, struct path *p, const struct route *to, struct jv_time now);
/* one frame, one packet */
void control_frame(struct path *p, const struct frame *f, struct jv_time now);
/* PROBE, or its answer, filled up to `size` bytes of datagram; 0: as any other CONTROL. Counted in no report. */
void probe_send(struct path *p, const struct frame *f, size_t size, struct jv_time now);
void ping_send(struct path *p, uint8_t flags, struct jv_time now);
/* Once on every open path, also one that has not answered (yet): the peer may be heard on none other. One that is lost is
 * made good by RESET or by the peer's own bounds. */
void close_send(struct session *s, enum reason why, struct jv_time now);
/* DATA leaves on the active path, or on the one being jumped to when the active one is dead. */
struct path *session_data_path(struct session *s);
/* Longest inner packet for it, within the tunnel's MTU. */
size_t session_fits(struct session *s);
/* `len`: none will be longer. */
void transmit_begin(struct outgoing *o, struct session *s, size_t len, uint8_t ecn, struct jv_time now);
void transmit(struct outgoing *o, const uint8_t *packet, size_t len);
