/* How old the keys of a session are. */
#pragma once

#include "session/session.h"

/* How old keys may get, in intervals of rekey_after_ms: told, replaced by the next session, no longer sealed with. */
#define OVERDUE_TOLD 2
#define OVERDUE_RENEWED 3
#define OVERDUE_ENDS 5

/* When the next session is to be had, so that this one's lifetime does not end it first. */
struct jv_time age_renewal_due(const struct session *s);
/* While nothing carries no OFFER goes out, and the keys do not age: both wait for age_attached(). */
struct jv_time age_work_due(const struct session *s, struct jv_time now);
/* Starts the timer of the session's life for what is due next. */
void age_arm(struct session *s, struct jv_time now);
/* The session is ATTACHED again: what was due meanwhile is due now, and the keys have not aged. */
void age_attached(struct session *s, int64_t away_us, struct jv_time now);
/* New keys are in use from now on. */
void age_begins(struct session *s, struct jv_time now);
/* No DATA since then, and few packets at all: such keys protect nothing that would be worth another agreement. */
bool age_is_idle(const struct session *s);
/* The machine slept: that time does not count as an overdue rekey. */
void age_slept(struct session *s, struct jv_time now);
/* The interval may be another, and counts from now. */
void age_configured(struct session *s, struct jv_time now);
/* The intervals that the keys are in use for: two when each OFFER, or each answer, is lost or kept from us. */
uint64_t age_intervals(const struct session *s, struct jv_time now);
