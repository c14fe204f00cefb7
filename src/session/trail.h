/* Audit records: one function for each kind of thing that is told. */
#pragma once

#include "session/session.h"

/* A record of the session as a whole. */
void trail_session(struct session *s, enum audit_event event, enum reason why, struct jv_time now);
/* A record of a move, from the path of number `from` to `to`. */
void trail_path(struct session *s, enum audit_event event, enum reason why, uint8_t from,
		const struct path *to, struct jv_time now);
/* What waits of its state changes. */
void trail_flaps(struct session *s, struct jv_time now);
/* A change of state; many in a minute become one record. */
void trail_state(struct session *s, enum state from, enum state to, enum reason why, uint64_t elapsed_ms,
		 struct jv_time now);
/* Server: it attaches, and its records begin, with SessionCreated. */
void trail_created(struct session *s, struct jv_time now);
/* Server: it has ended and never attached. One record for each peer and second tells how many did. */
void trail_unattached(struct session *s, enum reason why, struct jv_time now);
/* All that is not told yet: the configuration is about to change, or the engine to end. */
void trail_unattached_all(struct engine *e, struct jv_time now);
/* The timer by which what waits is told. */
void trail_flush(struct timer *t, struct jv_time now);
/* A jump that was refused, here or by the peer. */
void trail_denied(struct session *s, enum reason why, const struct path *to, uint32_t retry_after_ms,
		  struct jv_time now);
/* Refusals that anybody may cause; at most one record a second and kind. `s` may be NULL. */
void trail_refused(struct engine *e, struct session *s, enum audit_event event, enum reason why,
		   const struct endpoint *from, struct jv_time now);
/* Somebody who says that this key is theirs called, and it is no peer's. */
void trail_stranger(struct engine *e, const uint8_t key[PROTO_KEY_LEN], const struct endpoint *from,
		    struct jv_time now);
