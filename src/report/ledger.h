/*
 * The log of one daemon, line by line over all its files and runs: nothing edited, missing, doubled or moved. What
 * is whole goes to the verifier, which is told where it is not.
 *
 * Not seen from the log alone: lines cut off at its very end, and a log that somebody wrote anew from the first
 * changed line on. Who must exclude that keeps the last chain value elsewhere (`jumpvpnd verify` prints it).
 */
#pragma once

#include "report/decode.h"
#include "report/verify.h"

struct ledger;

struct ledger_totals {
	uint64_t lines, runs, unlogged; /* unlogged: records not written since there was no file then */
	uint8_t head[AUDIT_CHAIN_LEN];  /* of the last line */
	uint64_t first_ts_ms, last_ts_ms;
	bool client;
	uint8_t node_id;
};

/* `v` may be shared by several logs; *origins counts their runs. Findings have `line` as it is given here. */
struct ledger *ledger_new(struct verify *v, uint32_t *origins, chain_digest *digest,
				finding_found *found, void *ctx);
void ledger_free(struct ledger *log);
/* The next lines are those of another file. */
void ledger_file(struct ledger *log);
void ledger_line(struct ledger *log, uint64_t line, const char *text, const struct decoded *read);
/* A line that cannot be read: a piece that a killed daemon left, or a finding. `torn`: the file ends in it, as one
 * that is being written may. */
void ledger_bad(struct ledger *log, uint64_t line, const char *why, bool torn);
void ledger_end(struct ledger *log);
void ledger_totals(const struct ledger *log, struct ledger_totals *out);
