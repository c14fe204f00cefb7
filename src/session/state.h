/* The one writer of a session's state and binding. */
#pragma once

#include "session/session.h"

/* The one writer of state. False: the rows refuse it (counted and audited). */
bool state_event(struct session *s, enum event event, enum reason why, struct jv_time now);
/* The binding changes: `to` becomes the active path. */
void state_bind(struct session *s, struct path *to, bool is_switch, struct jv_time now);
