/*
 * A session ends, at either end; a client then looks for the next one.
 *
 * On the thread of the engine.
 */
#include "session/end.h"

#include "session/life.h"
#include "session/welcome.h"

void end_session(struct session *s, enum reason why, struct jv_time now)
{
	if (s->state == STATE_TERMINATED)
		return;
	life_end(s, why, now);
	if (s->engine->client)
		welcome_ended(s, now);
}
