/*
 * The audit trail: workers push records into bounded rings, the control loop drains them into the sinks.
 *
 * A push never waits and never fails loudly: what a full ring loses is counted, and the next record that
 * gets through is preceded by an AuditGap with the number. Each sink runs on a thread of its own, so that a
 * syslog that hangs holds up neither the control loop, nor a session, nor the JSON file.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"

struct audit;      /* all rings and sinks */
struct audit_ring; /* of one producer thread */

struct audit_config {
	bool syslog;
	int syslog_facility;
	const char *jsonl; /* NULL: none; opened for append, mode 0640 */
	const char *ident; /* "jumpvpnd" */
	/* Of audit_open() alone: */
	chain_digest *digest;       /* chains the JSON lines; NULL: they are written without a chain */
	uint8_t run[AUDIT_RUN_LEN]; /* random, one for each run of the daemon */
};

/* `producers` rings of `slots` records each at most; so many wait for each sink, too. 0 or -errno with *error. */
int audit_open(struct audit **out, const struct audit_config *cfg, size_t producers, size_t slots,
	       const char **error);
struct audit_ring *audit_ring(struct audit *a, size_t producer);
/* Producer thread: stamps ts_ms, never blocks. */
void audit_push(struct audit_ring *r, const struct audit_record *rec);
/*
 * Control loop, often (after each wake-up and at least ten times a second): takes what is in the rings, calls
 * `tap` (may be NULL) for each record, and passes them on to the sinks.
 */
void audit_drain(struct audit *a, void (*tap)(void *ctx, const struct audit_record *r), void *ctx);
/* Reopens the JSON file under its name (log rotation) and takes changed sinks; 0 or -errno, and then the old
 * sinks stay. */
int audit_reopen(struct audit *a, const struct audit_config *cfg, const char **error);
/* Records lost so far, to full rings and to a sink that did not keep up or failed. */
uint64_t audit_lost(const struct audit *a);
/* Drains once more, waits for the sinks at most `wait_ms` in all, closes. */
void audit_close(struct audit *a, unsigned int wait_ms);
