/* The client's decisions: which path the session jumps to, and when. */
#pragma once

#include "session/session.h"

void client_attached(struct session *s, struct path *p, struct jv_time now);
/* How long an answer on this path may take. */
int64_t client_patience_us(const struct session *s, const struct path *p);
/* The path of the jump under way was opened anew. */
void client_retarget(struct session *s, struct path *p, struct jv_time now);
/* VOLATILE or DEGRADED -> RECOVERING, and the JUMP is out. `dead`: data follows it at once. */
void client_recover(struct session *s, struct path *p, enum reason evidence, enum reason why, bool dead,
		    struct jv_time now);
/* How long the policy forbids a switch for this evidence; 0: not at all. */
uint32_t client_forbidden_ms(struct session *s, enum reason evidence, enum reason *why, struct jv_time now);
void client_path_dead(struct session *s, enum reason why, struct jv_time now);
void client_path_answers(struct session *s, struct path *p, struct jv_time now);
void client_jump_repeat(struct session *s, struct jv_time now);
void client_jump_ack(struct path *p, const struct frame *f, struct jv_time now);
/* The candidate that the jump under way leads to is gone. */
void client_target_lost(struct session *s, uint8_t number, struct jv_time now);
void client_jump_reject(struct path *p, const struct frame *f, struct jv_time now);
void client_deadline(struct session *s, struct jv_time now);
