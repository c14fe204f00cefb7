/* Client: an operator's order to jump. */
#pragma once

#include "session/session.h"

/* An operator's order: answered by jump_done() with `token`; 0: nobody waits for an answer. */
void order_jump(struct session *s, uint8_t number, uint64_t token, struct jv_time now);
/* The order that waits, if it is this session's: carried out if it can be now, else refused when its time is over. */
void order_again(struct session *s, struct jv_time now);
/* The server asks for a jump: its operator's order. */
void order_asked(struct path *p, const struct frame *f, struct jv_time now);
