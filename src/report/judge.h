/* What the verifier holds a record to that has to do with time and number: bounds, budgets, data; and what it finds. */
#pragma once

#include "report/finding.h"
#include "report/told.h"

#define JUDGE_WINDOW_MS 60000ll /* of what is counted by the minute */

struct verify {
	finding_found *found;
	void *ctx;
	struct told_table told;
	struct verify_totals totals;
	/* the record at hand */
	uint32_t number;
	uint64_t line;
	const struct audit_record *r;
};

/* A finding on a session, or where that is NULL, on the one of the record. */
void judge(struct verify *v, const char *rule, const struct told *t, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Is anything of this session overdue at `at`? Each bound is found once: what is overdue and told so is over. */
void judge_bounds(struct verify *v, struct told *t, struct jv_time at, uint32_t late_ms);
/* The end came for a bound: not before it (I3). A sum of changes tells to the millisecond since when (away_ms). */
void judge_not_early(struct verify *v, const struct told *t, const struct audit_record *r);
/*
 * I4, over the closed window of 60 s that ends here, for switches and for rebindings each by themselves. A client that
 * learns of several switches at one moment asked for one: the server judged each, and its log is held to it.
 */
void judge_moves(struct verify *v, struct told *t, const struct audit_record *r);
/* I12, as far as this end's log can tell: whether what it sent was reported by the peer. What the peer sent stands in
 * the peer's log. */
void judge_data(struct verify *v, struct told *t, const struct audit_record *r);
/* Of several changes in one record: what their bounds are, and no more than they can have been. */
void judge_sum(struct verify *v, struct told *t, const struct audit_record *r);
