/*
 * A sink: a bounded queue and a thread that empties it into one place. The control loop feeds it and never
 * waits for it; a place that hangs fills its own queue, loses records and says how many.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "audit/record.h"

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
