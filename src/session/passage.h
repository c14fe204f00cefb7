/*
 * Does the data that a session sends pass (I12)? Told from the peer's reports, for the audit trail alone: what leaves a
 * bad path is health.h. The other way is seen by the peer, and stands in its own trail.
 */
#pragma once

#include <stdint.h>

#include "base/time.h"

struct session;
struct path_report;

/* It enters ATTACHED, or whatever was counted is void. */
void passage_begins(struct session *s);
/* A report of the peer's, on the path that carries data. */
void passage_reported(struct session *s, const struct path_report *report, struct jv_time now);
/* Nothing was sent for a whole interval of its keys: what is known of what had been is given back, if all of it has passed. */
void passage_rests(struct session *s);
/* It leaves ATTACHED. */
void passage_ends(struct session *s, struct jv_time now);
