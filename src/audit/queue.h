/*
 * A queue of audit records that knows what it lost: one producer thread, one consumer thread.
 *
 * It is made of chunks, which come when they are needed and go again: so its bound may be that of a storm, when all sessions
 * of a server move at once, and its memory is that of what waits.
 *
 * What does not fit is counted, and the consumer is told by an AuditGap in the place where the records are
 * missing: before the next one that got through, or after the last one when nothing followed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "audit/record.h"

struct queue;

#define QUEUE_CHUNK 64u /* records, some 26 KiB */

struct queue *queue_new(size_t slots); /* so many records at most; NULL without memory */
void queue_free(struct queue *q);      /* NULL is fine */

/* Producer. Never blocks. */
void queue_push(struct queue *q, const struct audit_record *r);
/* Consumer; false when there is nothing. */
bool queue_pop(struct queue *q, struct audit_record *out);
/* Records lost in all; any thread. */
uint64_t queue_lost(const struct queue *q);

/* An AuditGap of `lost` records that stands beside `near`. */
struct audit_record queue_gap(const struct audit_record *near, uint64_t lost);
