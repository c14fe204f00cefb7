/*
 * Lines of the audit log back into records. Foreign bytes: strict (only what encode_json() and chain_line() write),
 * bounded, one pass, no allocation.
 */
#pragma once

#include "audit/chain.h"

struct decoded {
	struct audit_record r;
	bool has_prev;
	uint8_t run[AUDIT_RUN_LEN], prev[AUDIT_CHAIN_LEN], chain[AUDIT_CHAIN_LEN];
	size_t chained; /* how many bytes of the line the chain value covers */
};

/* NULL, or what is wrong with this line (without its newline). `out` is complete only without error. */
const char *decode(struct decoded *out, const char *line, size_t len);
