/*
 * What makes lines of the audit log tell when they are edited, missing, moved or doubled.
 *
 * Each line ends with "run" (which run of the daemon wrote it) and "chain": the first 16 bytes of SHA-256 over the
 * chain value of the line before (raw bytes) and this line up to `,"chain"`. The first line that a run writes into a
 * file also has "prev", the value it builds on: so the first line can be checked too, and a file that was rotated
 * away is seen to be followed by the next. A run that begins in a file with lines in it builds on the last of them,
 * else on zeros.
 */
#pragma once

#include "audit/encode.h"

#define AUDIT_RUN_LEN 8
#define AUDIT_CHAIN_LEN 16

/* SHA-256 of a || b. */
typedef void chain_digest(uint8_t out[32], const void *a, size_t alen, const void *b, size_t blen);

#define AUDIT_LINE_MAX (AUDIT_JSON_MAX + 128)

struct audit_chain {
	chain_digest *digest; /* NULL: chain_line() adds nothing */
	uint8_t run[AUDIT_RUN_LEN];
	uint8_t value[AUDIT_CHAIN_LEN]; /* of the last line */
};

/* The record as a line of the log without a newline; its length. `c` goes on to this line. */
size_t chain_line(char out[AUDIT_LINE_MAX], const struct audit_record *r, struct audit_chain *c,
		  bool tell_prev);
/* The value of a line that builds on `prev`; `len` is up to where `,"chain"` begins. */
void chain_next(chain_digest *digest, uint8_t value[AUDIT_CHAIN_LEN],
		      const uint8_t prev[AUDIT_CHAIN_LEN], const char *line, size_t len);
/* The value of the last whole line in `text` that has one; false, and *value stays, when there is none. */
bool chain_find(const char *text, size_t len, uint8_t value[AUDIT_CHAIN_LEN]);
