/*
 * Holds audit records to the contract: rebuilds every session from what is told of it, and checks I1..I8 (and
 * I11 over several nodes) of DESIGN section 6. Pure: records in, findings out. The simulator and the unit tests'
 * world use it while things happen, `jumpvpnd verify` on a log.
 *
 * Bounds come from the records: SessionCreated and a session's PolicyReloaded carry those it lives under. Memory
 * grows with the sessions that live at one time, not with the log.
 *
 * What is missing makes the verifier tolerant, and only there: see verify_gap(). A bound may be overstepped by
 * VERIFY_SLACK_MS (the tick of the timer wheel) and by the record's own late_ms, no more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "report/finding.h"

struct verify;

/* NULL without memory. */
struct verify *verify_new(finding_found *found, void *ctx);
void verify_free(struct verify *v);
/*
 * The next record of one run of one daemon (or one engine), in the order it wrote them; `origin` tells runs apart.
 * Records of different origins are to come as they happened, as far as that is known (I11 needs it). `line` is for
 * the findings.
 */
void verify_record(struct verify *v, uint32_t origin, uint64_t line, const struct audit_record *r);
/*
 * `lost` records of this origin are missing here; of this worker, or with VERIFY_ANY_WORKER of any. Its sessions are
 * then taken up again as their next record tells them, and sessions whose beginning is missing are accepted, as far
 * as that number explains what is missing. An AuditGap among the records says the same; VERIFY_UNKNOWN: nobody knows
 * how many, as at the beginning of a log that is not the first.
 */
void verify_gap(struct verify *v, uint32_t origin, unsigned int worker, uint64_t lost);
#define VERIFY_ANY_WORKER 256
#define VERIFY_UNKNOWN UINT64_MAX
/* This run of the daemon is over, with or without a word: what must have ended by its last record and has not is a
 * finding, and its sessions are forgotten. */
void verify_origin_end(struct verify *v, uint32_t origin);
/* No more records: the same for all origins. */
void verify_end(struct verify *v);
void verify_totals(const struct verify *v, struct verify_totals *out);

/* What is known of a session that has not ended; false: nothing. */
struct verify_session {
	enum state state;
	uint32_t state_version, binding_version;
	uint8_t active; /* path number, or AUDIT_NO_PATH */
};
bool verify_session(const struct verify *v, uint32_t origin, const uint8_t id[16],
		    struct verify_session *out);
/* Sessions of this origin that have not ended. */
size_t verify_living(const struct verify *v, uint32_t origin);
