/* Is the active path alive, and well? See health.c. */
#pragma once

#include "session/session.h"

void health_data_sent(struct session *s, struct jv_time now);
void health_heard(struct session *s, const struct path *p);
/* DATA does not pass on the active path */
void health_stalled(struct session *s, struct jv_time now);
void health_ponged(struct session *s, struct path *p, bool window, struct jv_time now);
void health_restart(struct session *s, struct jv_time now);
/* probe the active path at once */
void health_suspect(struct session *s, struct jv_time now);
/* The peer's PING came on the active path: what it says may hasten the verdict, and if nobody answered us there, now
 * somebody may. */
void health_asked(struct session *s, struct jv_time now);
void health_fire(struct timer *t, struct jv_time now);
/* The machine slept, or the process was stopped: what was known of the paths is void. */
void health_woke(struct engine *e, struct jv_time now);
