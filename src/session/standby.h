/* Client: the paths that do not carry data. */
#pragma once

#include "session/session.h"

/* Its time to drain is over. */
void standby_left(struct path *p);
/* The active path is in doubt: how are the others? */
void standby_ask(struct session *s, struct jv_time now);
/* The way of a candidate which does not carry data is another one: its path is opened anew. Without a locator for that, it
 * stays to be done. */
void standby_move(struct session *s, uint8_t n, struct jv_time now);
/* Has a candidate waited with its move, for want of a locator or because data may still be under way on it, and can it move
 * now? */
bool standby_may_move(struct session *s, uint8_t n);
/* Those that have waited and can; the one of the active path excepted, which is left by a jump: see uplink.c. */
void standby_move_waiting(struct session *s, struct jv_time now);
/* All that is due for these paths now; starts the timer for what is due next. */
void standby_run(struct session *s, struct jv_time now);
