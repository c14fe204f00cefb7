#include "audit/queue.h"

#include <stdatomic.h>
#include <stdlib.h>

struct chunk {
	_Atomic(struct chunk *) next; /* where the producer went on, once this one is full */
	atomic_uint filled;
	struct audit_record r[QUEUE_CHUNK];
};

struct queue {
	size_t slots;
	struct chunk *tail; /* producer's: it is filled */
	size_t pushed;
	struct chunk *head; /* consumer's: it is emptied */
	unsigned int taken; /* of head */
	atomic_size_t popped;
	_Atomic(struct chunk *)
		spare; /* an empty one, kept: a queue that is emptied in time allocates nothing */
	atomic_uint_fast64_t untold; /* lost, and no AuditGap says so yet; the thread that takes the number writes one */
	atomic_uint_fast64_t lost;
	struct audit_record last; /* consumer: where and when a gap without a successor stands */
};

struct queue *queue_new(size_t slots)
{
	struct queue *q = calloc(1, sizeof(*q));
	struct chunk *c = calloc(1, sizeof(*c));

	if (!q || !c) {
		free(q);
		free(c);
		return NULL;
	}
	q->slots = slots;
	q->tail = q->head = c;
	return q;
}

void queue_free(struct queue *q)
{
	struct chunk *c, *next;

	if (!q)
		return;
	for (c = q->head; c; c = next) {
		next = atomic_load(&c->next);
		free(c);
	}
	free(atomic_load(&q->spare));
	free(q);
}

/* --- a ring of chunks --- */

/* NULL: it is full, or there is no memory for another chunk. */
static struct audit_record *reserve(struct queue *q)
{
	struct chunk *c;

	if (q->pushed - atomic_load(&q->popped) >= q->slots)
		return NULL;
	if (atomic_load_explicit(&q->tail->filled, memory_order_relaxed) == QUEUE_CHUNK) {
		c = atomic_exchange(&q->spare, NULL);
		if (!c)
			c = malloc(sizeof(*c));
		if (!c)
			return NULL;
		atomic_init(&c->next, NULL);
		atomic_init(&c->filled, 0);
		atomic_store(&q->tail->next, c);
		q->tail = c;
	}
	return &q->tail->r[atomic_load_explicit(&q->tail->filled, memory_order_relaxed)];
}

static void publish(struct queue *q)
{
	q->pushed++;
	atomic_fetch_add(&q->tail->filled, 1);
}

static bool take(struct queue *q, struct audit_record *out)
{
	struct chunk *next;

	if (q->taken == QUEUE_CHUNK) {
		next = atomic_load(&q->head->next);
		if (!next)
			return false;
		free(atomic_exchange(&q->spare, q->head));
		q->head = next;
		q->taken = 0;
	}
	if (q->taken == atomic_load(&q->head->filled))
		return false;
	*out = q->head->r[q->taken++];
	atomic_fetch_add(&q->popped, 1);
	return true;
}

/* --- and what it lost --- */

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

/* What a gap says is missing has been counted where it was lost; the next gap has to say it again. */
static void lose(struct queue *q, const struct audit_record *r)
{
	const bool gap = r->event == AUDIT_AUDIT_GAP;

	atomic_fetch_add(&q->untold, gap ? r->count : 1);
	atomic_fetch_add(&q->lost, !gap);
}

void queue_push(struct queue *q, const struct audit_record *r)
{
	struct audit_record *slot = reserve(q);
	uint64_t untold;

	if (!slot) {
		lose(q, r);
		return;
	}
	untold = atomic_exchange(&q->untold, 0);
	if (untold) {
		*slot = queue_gap(r, untold);
		publish(q);
		slot = reserve(q);
		if (!slot) {
			lose(q, r);
			return;
		}
	}
	*slot = *r;
	publish(q);
}

bool queue_pop(struct queue *q, struct audit_record *out)
{
	uint64_t untold;

	if (take(q, out)) {
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
