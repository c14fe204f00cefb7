/* When a state must have ended, and when the active path is looked at next. */
#pragma once

#include "session/session.h"

/* When the present state must have ended; TIME_NEVER: no bound but the lifetime. */
struct jv_time due_deadline(const struct session *s);
/* Between two PINGs on a path that is known to be bad. */
int64_t due_slow_us(const struct session *s);
/*
 * When the PING that is out counts as unanswered. Before a verdict the first of the row has had its patience and
 * more the less even round trips are: a queue that fills makes them grow, and their variance tells it.
 */
struct jv_time due_ping(const struct session *s, const struct path *p);
/* The client's heartbeat keeps both ends sure; the server asks only when that stays out. */
struct jv_time due_heartbeat(const struct session *s, const struct path *p, struct jv_time now);
/* Starts the timer of the active path for the next look, be it later than the one that was meant. */
void due_arm(struct session *s, struct jv_time now);
/* DATA went out, the first since something was heard. */
void due_data_sent(struct session *s, struct jv_time now);
/* The next look may be sooner than the one that was meant. */
void due_restart(struct session *s, struct jv_time now);
