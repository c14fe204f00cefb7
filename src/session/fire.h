/* What the timers of a session do. */
#pragma once

#include "session/session.h"

/* What engine.c makes known to the sessions below. */
extern const struct session_fires fire_timers;

/* The machine slept, or the process was stopped: what was known of the paths is void. */
void fire_woke(struct engine *e, struct jv_time now);
