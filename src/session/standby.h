/* Client: the paths that do not carry data. */
#pragma once

#include "session/session.h"

/* its drain is over */
void standby_left(struct path *p);
/* The active path is in doubt: how are the others? */
void standby_ask(struct session *s, struct jv_time now);
/* What could not move for want of a locator, or was just left by data that may still be under way. */
void standby_move_waiting(struct session *s, struct jv_time now);
void standby_run(struct session *s, struct jv_time now);
