/* Server: the sessions of a peer that are in BIRTH. */
#pragma once

#include "session/session.h"

/* Into the free place of its peer's two; there must be one. */
void births_add(struct session *s);
void births_remove(struct session *s);
