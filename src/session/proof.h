/* Server: where a path leads, and whether that address is the peer's. */
#pragma once

#include "session/transmit.h"

/* Adds a challenge to what goes to the path's own address, when that is to be proven, or proven again. */
void proof_ask(struct path *p, struct control *c, struct jv_time now);
/* When the active path is to be looked at, and what is done then: it is challenged, or counts as dead. */
struct jv_time proof_due(const struct path *p);
void proof_look(struct session *s, struct jv_time now);
/* Learns it, if this is the newest packet heard on the path. False: it does not fit the path and is not to be acted
 * on. */
bool proof_heard(struct path *p, const struct route *from, uint8_t number, size_t wire_len, bool newest,
		 struct jv_time now);
/* A JUMP moves the active path to the address on trial, which is unproven. */
void proof_moved(struct path *p, const struct route *to, struct jv_time now);
void proof_answered(struct path *p, const struct route *from, const uint8_t nonce[8], struct jv_time now);
