/* Moves of a client that no trouble asks for: an operator's order, and the way back to a preferred path. */
#pragma once

#include "session/session.h"

/* From ATTACHED, and from a path that is well, to `p`. */
void comfort_move(struct session *s, struct path *p, enum reason evidence, struct jv_time now);
/* The session has come from `left` to the active path, for whatever reason. */
void comfort_switched(struct session *s, struct path *left, struct jv_time now);
/* Back to a path that stands before ours in the configuration and has been well for long enough. */
void comfort_fail_back(struct session *s, struct jv_time now);
