/* Server: what a client is told when it does not know it. */
#pragma once

#include "session/session.h"

/* All locators of the session, on `p`; not again at once. */
void tell_locators(struct path *p, struct jv_time now);
/* The policy, and what the peer is given, on the active path. */
void tell_policy(struct session *s, struct jv_time now);
/* A reload has changed it: it is told after so many ms by the session's own timer. Whoever asks meanwhile is told at once. */
void tell_policy_later(struct session *s, uint64_t after_ms, struct jv_time now);
/* The timer has come. */
void tell_owed(struct session *s, struct jv_time now);
