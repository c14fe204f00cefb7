/*
 * Two counters that only grow: `tail` is the producer's, `head` the consumer's. Each side owns a cache
 * line and keeps a copy of the other's counter there, so that the lines travel only when a side
 * thinks the ring is full or empty.
 */
#include "base/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CACHE_LINE 64

struct ring {
	/* producer */
	_Alignas(CACHE_LINE) atomic_size_t tail;
	size_t head_seen;
	/* consumer */
	_Alignas(CACHE_LINE) atomic_size_t head;
	size_t tail_seen;
	/* neither writes */
	_Alignas(CACHE_LINE) size_t slots;
	size_t element_size;
	size_t stride;
	uint8_t *data;
};

struct ring *ring_new(size_t slots, size_t element_size)
{
	size_t align = _Alignof(max_align_t);
	size_t stride, size;
	struct ring *r;

	if (slots == 0 || (slots & (slots - 1)) != 0 || element_size == 0)
		bug("ring_new: %zu slots of %zu bytes", slots, element_size);
	if (__builtin_add_overflow(element_size, align - 1, &stride))
		return NULL;
	stride &= ~(align - 1);
	if (__builtin_mul_overflow(slots, stride, &size))
		return NULL;
	r = aligned_alloc(CACHE_LINE, sizeof(*r));
	if (!r)
		return NULL;
	*r = (struct ring){ .slots = slots, .element_size = element_size, .stride = stride };
	r->data = calloc(1, size);
	if (!r->data) {
		free(r);
		return NULL;
	}
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	free(r->data);
	free(r);
}

static void *slot_at(struct ring *r, size_t position)
{
	return r->data + (position & (r->slots - 1)) * r->stride;
}

void *ring_reserve(struct ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail - r->head_seen == r->slots)
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return tail - r->head_seen == r->slots ? NULL : slot_at(r, tail);
}

void ring_publish(struct ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

bool ring_push(struct ring *r, const void *element)
{
	void *slot = ring_reserve(r);

	if (!slot)
		return false;
	memcpy(slot, element, r->element_size);
	ring_publish(r);
	return true;
}

void *ring_peek(struct ring *r)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head == r->tail_seen)
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return head == r->tail_seen ? NULL : slot_at(r, head);
}

void ring_release(struct ring *r)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

bool ring_pop(struct ring *r, void *element)
{
	void *slot = ring_peek(r);

	if (!slot)
		return false;
	memcpy(element, slot, r->element_size);
	ring_release(r);
	return true;
}
