/* The end of a session, as far as both roles share it. */
#pragma once

#include "session/session.h"

/* No longer: its keys are wiped, its locators unknown. */
void life_forget(struct session *s);
/* Frees what has ended; at the beginning of an input, when nobody holds a session. */
void life_reap(struct engine *e);
/* All that end_session() does, but for a client's next session. */
void life_end(struct session *s, enum reason why, struct jv_time now);
