/* The client's decisions: which path the session jumps to, and when. */
#pragma once

#include "session/session.h"

void client_attached(struct session *s, struct path *p, struct jv_time now);
void client_path_dead(struct session *s, enum reason why, struct jv_time now);
void client_path_answers(struct session *s, struct path *p, struct jv_time now);
void client_jump_repeat(struct session *s, struct jv_time now);
void client_jump_ack(struct path *p, const struct frame *f, struct jv_time now);
/* The candidate that the jump under way leads to is gone. */
void client_target_lost(struct session *s, uint8_t number, struct jv_time now);
void client_jump_reject(struct path *p, const struct frame *f, struct jv_time now);
void client_deadline(struct session *s, struct jv_time now);
