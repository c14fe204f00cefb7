/* Client: which candidates have the paths that the server grants. See grant.c. */
#pragma once

#include "session/client_state.h"
#include "session/fault.h"

/* May this candidate have a path, beside those that others have? */
bool grant_is_free(struct session *s, uint8_t number);
/* The standby path that has to make room for it, or NULL. `ordered`: any will do. */
struct path *grant_victim(struct session *s, uint8_t number, bool ordered, struct jv_time now);
/* A candidate that answers, or has come up, claims its place at once. */
void grant_reset(struct known_candidate *k);
/* `p` gives its place to another candidate. */
void grant_give_up(struct path *p, struct jv_time now);
/* Would a candidate have a path, were there room? */
bool grant_is_waited_for(struct session *s);
/* Could an order open a path of this candidate? */
bool grant_has_room(struct session *s, uint8_t number, struct jv_time now);
/* Why this candidate, which has no path, has none. */
enum path_fault grant_fault(struct session *s, uint8_t number);
