/* DESIGN section 6 once more, from state to state and on purpose not shared with the code it is to prove. */
#pragma once

#include <stdbool.h>

#include "audit/record.h"

/* May a session go from here to there for this reason? */
bool contract_allows(enum state from, enum state to, enum reason why);
/* May it come from here to there by so many changes, the last of them for this reason? Neither is BIRTH or TERMINATED. */
bool contract_leads(enum state from, enum state to, uint64_t changes, enum reason why);
/* May this event, which is no transition, carry this reason? */
bool contract_explains(enum audit_event event, enum reason why);
/*
 * I12: how long an end may say ATTACHED at most, in ms, while data is sent all the time and none passes; 0: not known. Each
 * part once:
 *
 *   2 * heartbeat_idle_ms          the end that learns nothing asks, where data flows one way only
 *   drops * heartbeat_interval_ms  so many reports show it, more on a path that loses PINGs as well
 *   CONTRACT_REST_MS               what is on its way, round trips
 */
uint64_t contract_data_ms(const struct audit_bounds *b);
#define CONTRACT_DROPS 32
#define CONTRACT_REST_MS 7000
