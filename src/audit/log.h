/*
 * The log of one daemon, line by line over all its files and runs: nothing edited, missing, doubled or moved. What
 * is whole goes to the verifier, which is told where it is not.
 *
 * Not seen from the log alone: lines cut off at its very end, and a log that somebody wrote anew from the first
 * changed line on. Who must exclude that keeps the last chain value elsewhere (`jumpvpnd verify` prints it).
 */
#pragma once

#include "audit/read.h"
#include "audit/verify.h"

struct audit_log;

struct audit_log_totals {
	uint64_t lines, runs, unlogged; /* unlogged: records not written since there was no file then */
	uint8_t head[AUDIT_CHAIN_LEN];  /* of the last line */
	uint64_t first_ts_ms, last_ts_ms;
	bool client;
	uint8_t node_id;
};

/* `v` may be shared by several logs; *origins counts their runs. Findings have `line` as it is given here. */
struct audit_log *audit_log_new(struct verify *v, uint32_t *origins, audit_digest *digest,
				verify_found *found, void *ctx);
void audit_log_free(struct audit_log *log);
/* The next lines are those of another file. */
void audit_log_file(struct audit_log *log);
void audit_log_line(struct audit_log *log, uint64_t line, const char *text, const struct audit_read *read);
/* A line that cannot be read: a piece that a killed daemon left, or a finding. `torn`: the file ends in it, as one
 * that is being written may. */
void audit_log_bad(struct audit_log *log, uint64_t line, const char *why, bool torn);
void audit_log_end(struct audit_log *log);
void audit_log_totals(const struct audit_log *log, struct audit_log_totals *out);
