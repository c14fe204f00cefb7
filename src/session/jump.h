/* Client: how a jump is made. See jump.c. */
#pragma once

#include "session/session.h"

/* No jump is under way any more; who ordered it is told. */
void jump_ends(struct session *s, enum reason why, uint32_t retry_after_ms);
/* How long an answer on this path may take. */
int64_t jump_patience_us(const struct session *s, const struct path *p);
/* A JUMP to the target, and what rescue sends with it. */
void jump_send(struct session *s, struct jv_time now);
/* `p` is the target from now on: a JUMP goes out, at once or when the path has answered. */
void jump_to(struct session *s, struct path *p, struct jv_time now);
/* The path of the jump under way was opened anew. */
void jump_retarget(struct session *s, struct path *p, struct jv_time now);
/* VOLATILE or DEGRADED -> RECOVERING, and the JUMP is out. `dead`: data follows it at once. */
void jump_recover(struct session *s, struct path *p, enum reason evidence, enum reason why, bool dead,
		    struct jv_time now);
/*
 * The best candidate not tried yet; the active path only if it has answered again. The path left a moment ago
 * is as good as any, unless it is the active one's old port.
 */
struct path *jump_choose(struct session *s, uint16_t tried, struct jv_time now);
/* Worth leaving a path that still answers? Only for one that is warm and better by improvement_factor. */
bool jump_improves(const struct session *s, const struct path *p);
/* How long the policy forbids a switch for this evidence; 0: not at all. */
uint32_t jump_forbidden_ms(struct session *s, enum reason evidence, enum reason *why, struct jv_time now);
