/* The end of a session, as far as both roles share it. */
#pragma once

#include "session/session.h"

/* No longer: its keys are wiped, its locators unknown. */
void life_forget(struct session *s);
void life_reap(struct engine *e);
void life_end(struct session *s, enum reason why, struct jv_time now);
