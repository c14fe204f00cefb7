/* What the verifier finds in audit records, and counts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VERIFY_SLACK_MS 2
#define VERIFY_LATE_MS 10 /* what is worth telling of in the totals */

struct verify_finding {
	const char
		*rule; /* "I1".."I8", "I11", "I12"; of a log also "gap", "order", "duplicate", "chain", "malformed";
			    * "note": no violation */
	uint32_t origin; /* as given to verify_record() */
	uint64_t line;
	bool has_session;
	uint8_t session_id[16];
	char text[240]; /* what is wrong, and by which evidence; no full stop */
};

struct verify_totals {
	uint64_t records, sessions, living, switches, rebindings, denials, lost, findings;
	uint64_t late;      /* records of a worker that woke too late */
	uint32_t latest_ms; /* by how much at most */
	uint64_t adopted;   /* sessions whose beginning is missing */
	uint64_t resumed;   /* times a session was taken up again behind a gap */
	/* Times in ATTACHED that are over; of these could not be held to I12: nothing was sent, the bounds are not known. */
	uint64_t stays, stays_silent, stays_unbound;
};

typedef void finding_found(void *ctx, const struct verify_finding *f);
