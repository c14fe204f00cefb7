/* The client's decisions: which path the session jumps to, and when. */
#pragma once

#include "session/session.h"

/* The first sealed packet of the next session came on `p`: it carries from now on, and replaces the one before. */
void client_attached(struct session *s, struct path *p, struct jv_time now);
/* The active path is to be left, for this reason: ATTACHED ends, and another path is looked for. */
void client_path_dead(struct session *s, enum reason why, struct jv_time now);
/* A PONG came on `p`, be it the active path or another one. */
void client_path_answers(struct session *s, struct path *p, struct jv_time now);
/* Time for what jump.again stands for: another JUMP, another path, or another look. */
void client_jump_repeat(struct session *s, struct jv_time now);
/* JUMP_ACK from the server: the session is bound to `p`. */
void client_jump_ack(struct path *p, const struct frame *f, struct jv_time now);
/* The candidate that the jump under way leads to is gone. */
void client_target_lost(struct session *s, uint8_t number, struct jv_time now);
/* JUMP_REJECT from the server. */
void client_jump_reject(struct path *p, const struct frame *f, struct jv_time now);
/* The present state has lasted for as long as it may. */
void client_deadline(struct session *s, struct jv_time now);
