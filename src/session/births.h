/* Server: the sessions of a peer that are in BIRTH. */
#pragma once

#include "session/session.h"

void births_add(struct session *s);
void births_remove(struct session *s);
