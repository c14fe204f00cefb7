/* Server: where a path leads, as its packets tell. */
#pragma once

#include "session/session.h"

/* Learns it, if this is the newest packet heard on the path. False: it does not fit the path and is not to be acted
 * on. */
bool learn_heard(struct path *p, const struct route *from, uint8_t number, size_t wire_len, bool newest,
		 struct jv_time now);
/* PATH_RESPONSE: the address has shown that it is the peer's. */
void learn_answered(struct path *p, const struct route *from, const uint8_t nonce[8], struct jv_time now);
/* The active path: a challenge is due, or the address has left too many unanswered. */
void learn_look(struct session *s, struct jv_time now);
