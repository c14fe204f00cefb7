/* Client: where a candidate's next path leads. See ladder.c. */
#pragma once

#include "session/client_state.h"

/* No name was asked for yet, and nobody called. */
void ladder_init(struct client *c);
/* Is this remote on the candidate's list? */
bool ladder_has(const struct known_candidate *k, const struct endpoint *remote);
/* Another list of remotes; the one in use keeps its place. */
void ladder_list(struct known_candidate *k, const struct candidate *c);
/* Are there remotes left that were not tried since one answered? */
bool ladder_has_more(const struct known_candidate *k);
/* The remote to open the next path of this candidate to: the same as before if it has answered since, else
 * the next one. NULL: each is taken by another candidate with the same local end. */
const struct endpoint *ladder_climb(struct session *s, uint8_t number, struct jv_time now);
/* A new session begins there. */
void ladder_welcomed(struct client *c, uint8_t number, const struct endpoint *remote);
/* A path of this candidate has answered from there. */
void ladder_answered(struct client *c, uint8_t number, const struct endpoint *remote);
/* Names may mean something else by now. */
void ladder_resolve(struct engine *e, uint8_t number, struct jv_time now);
/* May this candidate be taken up, or moved, now? Counts it when it may. */
bool ladder_settled(struct client *c, struct known_candidate *k, struct jv_time now);
