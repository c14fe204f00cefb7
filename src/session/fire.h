/* What the timers of a session do. */
#pragma once

#include "session/session.h"

/* The timer of a session: something is due. engine.c makes it known to the sessions below. */
void fire_session(struct timer *t, struct jv_time now);

/* The machine slept, or the process was stopped: what was known of the paths is void. */
void fire_woke(struct engine *e, struct jv_time now);
