/* DESIGN section 6 once more, from state to state and on purpose not shared with the code it is to prove. */
#pragma once

#include <stdbool.h>

#include "audit/record.h"

/* May a session go from here to there for this reason? */
bool contract_allows(enum state from, enum state to, enum reason why);
/* May this event, which is no transition, carry this reason? */
bool contract_explains(enum audit_event event, enum reason why);
