/* Moves of a client that no trouble asks for: an operator's order, and the way back to a preferred path. */
#pragma once

#include "session/session.h"

void client_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now);
/* The order that waits, if it is this session's: carried out if it can be now, else refused when its time is over. */
void client_order_again(struct session *s, struct jv_time now);
/* The session ends, and so does the order that waits for it. */
void client_order_ends(struct session *s, enum reason why);
void client_jump_asked(struct path *p, const struct frame *f, struct jv_time now);
/* The session has come from `left` to the active path, for whatever reason. */
void client_switched(struct session *s, struct path *left, struct jv_time now);
/* Back to a path that stands before ours in the configuration and has been well for long enough. */
void client_fail_back(struct session *s, struct jv_time now);
