/* The end of a session, and what a client does then. */
#pragma once

#include "session/session.h"

/* TERMINATED: tells the peer unless it told us, unlinks; freed at the next input. One that is superseded keeps
 * its keys and locators until superseded_until, to open DATA with. */
void end_session(struct session *s, enum reason why, struct jv_time now);
