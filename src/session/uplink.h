/* Client: what the links and the server tell. */
#pragma once

#include "session/fault.h"
#include "session/session.h"

/* LOCATORS from the server: fresh ones for the slots that are not in use. */
void uplink_locators(struct session *s, const struct frame *f, struct jv_time now);
/* A part of POLICY from the server; with the last one it is in force. */
void uplink_policy(struct session *s, const struct frame *f, struct jv_time now);
/* See engine_candidate_up(). */
void uplink_up(struct engine *e, const struct candidate *cand, struct jv_time now);
void uplink_known(struct engine *e, const struct candidate *cand, enum path_fault fault);
void uplink_forgotten(struct engine *e, uint8_t number);
void uplink_down(struct engine *e, uint8_t number, enum reason why, struct jv_time now);
/* The candidate of the active path has waited with its move, and can move now: the session jumps. */
void uplink_move_waiting(struct session *s, struct jv_time now);
void uplink_moved(struct engine *e, uint8_t number, struct jv_time now);
/* What came too fast for its candidate has its turn. */
void uplink_settle(struct timer *t, struct jv_time now);
