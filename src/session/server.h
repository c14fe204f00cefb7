/* The server's side of a jump: it judges, and tells the client what it needs to know. */
#pragma once

#include "session/session.h"

/* JUMP from the client: judged, done, and answered. */
void server_jump(struct path *p, const struct route *from, const struct frame *f, struct jv_time now);
/* The active path carries nothing, as we see it: the client is told on all others. */
void server_path_dead(struct session *s, enum reason why, struct jv_time now);
/* The client's PING tells what it knows; what it lacks is sent again until it says that it has it. */
void server_pinged(struct path *p, const struct frame *f, struct jv_time now);
/* An operator's order: the client is asked to jump. Answered by jump_done() with `token`. */
void server_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now);
/* The client decides: it is asked until it has jumped, and its own rules may forbid it. */
void server_order_repeat(struct session *s, struct jv_time now);
