/* Server: the sessions of a peer that are in BIRTH. */
#pragma once

#include "session/session.h"

#define BIRTH_LEAST_MS 1000 /* before that the answer to its WELCOME may be on the way */

/* Into the free place of its peer's two; there must be one. */
void births_add(struct session *s);
void births_remove(struct session *s);
