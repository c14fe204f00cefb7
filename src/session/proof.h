/* Server: where a path leads, and whether that address is the peer's. */
#pragma once

#include "session/control_packet.h"
#include "session/session.h"

/* The path's address is not proven, or not any more. */
void proof_unprove(struct path *p);
/* The path leads elsewhere now, or its address has answered. */
void proof_settle(struct path *p, bool proven, struct jv_time now);
/* Adds a challenge to a packet, unless the last one to that address has just gone. */
void proof_add(struct path *p, struct challenge *ch, struct control_packet *c, struct jv_time now);
/* Adds a challenge to what goes to the path's own address, when that is to be proven, or proven again. */
void proof_ask(struct path *p, struct control_packet *c, struct jv_time now);
/* When the active path is to be looked at, and what is done then: it is challenged, or counts as dead. */
struct jv_time proof_due(const struct path *p);
/* A JUMP moves the active path to the address on trial, which is unproven. */
void proof_moved(struct path *p, struct jv_time now);
/* Has what is being answered on this path not come from where it leads? */
bool proof_is_stray(const struct path *p);
/* The 3x rule is the server's, and holds for the address it goes to: the one on trial, or p's own while that
 * is unproven. */
bool proof_may_send(struct path *p, const struct route *to, size_t len);
/* The 3x rule for DATA, which counts it; on a path that is proven always true. */
bool proof_may_carry(struct path *p, size_t len);
