#include "audit/queue.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/ring.h"

struct queue {
	struct ring *ring;
	atomic_uint_fast64_t untold; /* lost, and no gap says so yet: whoever takes it writes the gap */
	atomic_uint_fast64_t lost;
	struct audit_record last; /* consumer: where and when a gap without a successor stands */
};

struct queue *queue_new(size_t slots)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->ring = ring_new(slots, sizeof(struct audit_record));
	if (!q->ring) {
		free(q);
		return NULL;
	}
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	ring_free(q->ring);
	free(q);
}

struct audit_record queue_gap(const struct audit_record *near, uint64_t lost)
{
	return (struct audit_record){
		.at = near->at,
		.ts_ms = near->ts_ms,
		.event = AUDIT_AUDIT_GAP,
		.node_id = near->node_id,
		.worker = near->worker,
		.policy_version = near->policy_version,
		.path_from = AUDIT_NO_PATH,
		.path_to = AUDIT_NO_PATH,
		.count = lost,
	};
}

static void queue_lose(struct queue *q)
{
	atomic_fetch_add(&q->untold, 1);
	atomic_fetch_add(&q->lost, 1);
}

void queue_push(struct queue *q, const struct audit_record *r)
{
	struct audit_record *slot = ring_reserve(q->ring);
	uint64_t untold;

	if (!slot) {
		queue_lose(q);
		return;
	}
	untold = atomic_exchange(&q->untold, 0);
	if (untold) {
		*slot = queue_gap(r, untold);
		ring_publish(q->ring);
		slot = ring_reserve(q->ring);
		if (!slot) {
			queue_lose(q);
			return;
		}
	}
	*slot = *r;
	ring_publish(q->ring);
}

bool queue_pop(struct queue *q, struct audit_record *out)
{
	uint64_t untold;

	if (ring_pop(q->ring, out)) {
		q->last = *out;
		return true;
	}
	/* A push that comes between the empty ring and here takes the count itself, or finds it gone. */
	untold = atomic_exchange(&q->untold, 0);
	if (!untold)
		return false;
	*out = queue_gap(&q->last, untold);
	return true;
}

uint64_t queue_lost(const struct queue *q)
{
	return atomic_load(&q->lost);
}
