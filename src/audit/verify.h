/*
 * Holds audit records to the contract: rebuilds every session from what is told of it, and checks I1..I8 (and
 * I11 over several nodes) of DESIGN section 6. Pure: records in, findings out. The simulator and the unit tests'
 * world use it while things happen, `jumpvpnd verify` on a log.
 *
 * Bounds come from the records: SessionCreated and a session's PolicyReloaded carry those it lives under. Memory
 * grows with the sessions that live at one time, not with the log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"

struct verify;

struct verify_finding {
	const char *rule; /* "I4", or "gap", "order", "duplicate", "chain", "malformed" */
	uint32_t origin;  /* as given to verify_record() */
	uint64_t line;
	bool has_session;
	uint8_t session_id[16];
	char text[240]; /* what is wrong, and by which evidence; no full stop */
};

struct verify_totals {
	uint64_t records, sessions, switches, denials, lost, findings;
};

typedef void verify_found(void *ctx, const struct verify_finding *f);

/* NULL without memory. */
struct verify *verify_new(verify_found *found, void *ctx);
void verify_free(struct verify *v);
/*
 * The next record of one daemon, in the order it wrote them; `origin` tells daemons (or engines) apart, and both
 * ends of a session may be fed. `line` is for the findings.
 */
void verify_record(struct verify *v, uint32_t origin, uint64_t line, const struct audit_record *r);
/* No more records: what must have ended by the last one's time and has not is a finding. */
void verify_end(struct verify *v);
void verify_totals(const struct verify *v, struct verify_totals *out);
