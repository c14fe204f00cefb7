/*
 * A sink: a bounded queue and a thread that empties it into one place. The control loop feeds it and never
 * waits for it; a place that hangs fills its own queue, loses records and says how many.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "audit/audit.h"

enum { SINK_BATCH = 32 };

struct sink_type { /* all calls on the sink's thread */
	const char *thread_name;
	void (*start)(void *state);
	/* n may be 0: a chance to make good what failed before. */
	void (*write)(void *state, const struct audit_record *r, size_t n);
	bool (*behind)(const void *state); /* ask again in a second, even without new records */
	void (*finish)(void *state);
	/* Any thread: records that reached the sink and were lost there. */
	uint64_t (*lost)(const void *state);
	void (*free)(void *state); /* last of all */
};

struct sink;

/* Starts the thread with all signals blocked. On error (-errno) `state` still belongs to the caller. */
int sink_start(struct sink **out, const struct sink_type *type, void *state, size_t slots);
void sink_push(struct sink *s, const struct audit_record *r);
void sink_wake(struct sink *s); /* after a row of pushes */
uint64_t sink_lost(const struct sink *s);
void *sink_state(struct sink *s);
/* Asks the thread to write what is queued and end; sink_join() waits for that until `deadline_ms` on the
 * monotonic clock. A thread that still hangs then is left behind, and frees all when it comes back. */
void sink_stop(struct sink *s);
void sink_join(struct sink *s, uint64_t deadline_ms);

/* --- JSON lines --- */

extern const struct sink_type sink_jsonl;
struct jsonl_file;

/* Which file was opened last: one that is opened again is no other writer's. Begins as zero. */
struct jsonl_held {
	dev_t dev;
	ino_t ino;
};

/* NULL and errno: ELOOP for a link, EWOULDBLOCK where another process writes. A NULL path makes a file that takes nothing. */
struct jsonl_file *jsonl_open(const char *path, struct jsonl_held *held);
void jsonl_close(struct jsonl_file *f);
/* The state of a sink_jsonl; takes `f` unless it answers NULL. Without a digest the lines have no chain. */
void *jsonl_new(struct jsonl_file *f, audit_digest *digest, const uint8_t run[AUDIT_RUN_LEN]);
/* Control loop: the sink goes on in `f` at its next record and closes the file it had. */
void jsonl_replace(void *state, struct jsonl_file *f);

/* --- syslog --- */

extern const struct sink_type sink_syslog;

void *syslog_new(const char *ident, int facility); /* `ident` is copied */
void syslog_set_facility(void *state, int facility);
