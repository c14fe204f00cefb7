/* Is the active path alive, and well? See health.c. */
#pragma once

#include "session/session.h"

/* Something authentic came on `p`, from where it leads. */
void health_heard(struct session *s, const struct path *p);
/* DATA does not pass on the active path, in these `ways` of enum stalled: it is left. */
void health_stalled(struct path *p, unsigned int ways, struct jv_time now);
/* A PONG came on `p`; `window`: a loss window has ended with it. The session leaves ATTACHED, or comes back to it. */
void health_ponged(struct session *s, struct path *p, bool window, struct jv_time now);
/* The peer's PING came on the active path: what it says may hasten the verdict, and if nobody answered us there, now
 * somebody may. */
void health_asked(struct session *s, struct jv_time now);
/* The active path is to be looked at. */
void health_fire(struct session *s, struct jv_time now);
