/* The session's state machine as data: which event may lead where, and for which reasons. */
#pragma once

#include <stdbool.h>

#include "jumpvpn/reason.h"
#include "jumpvpn/state.h"

/* True and *to set when the rows have (from, event) and list `why`; else nothing is changed. */
bool fsm_next(enum state from, enum event event, enum reason why, enum state *to);
