/*
 * A stack of free buffers, last in first out: the one handed out is likely still in the cache.
 *
 * A free buffer carries a mark in its first and its last cache line, where stray writes to packets
 * land; marking all of a 64 KiB buffer would cost as much as filling it.
 */
#include "base/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CACHE_LINE 64
#define MARK 0xdb

struct pool {
	size_t buffers;
	size_t stride;  /* a multiple of CACHE_LINE */
	size_t nfree;
	size_t *free;   /* indices: free[0..nfree-1] */
	bool *is_out;
	uint8_t *data;
};

static uint8_t *buffer_at(const struct pool *p, size_t index)
{
	return p->data + index * p->stride;
}

static void mark(const struct pool *p, uint8_t *b)
{
	memset(b, MARK, CACHE_LINE);
	memset(b + p->stride - CACHE_LINE, MARK, CACHE_LINE);
}

static bool is_marked(const struct pool *p, const uint8_t *b)
{
	const uint8_t *end = b + p->stride - CACHE_LINE;
	uint8_t differs = 0;

	for (size_t i = 0; i < CACHE_LINE; i++)
		differs |= (uint8_t)((b[i] ^ MARK) | (end[i] ^ MARK));
	return differs == 0;
}

struct pool *pool_new(size_t buffers, size_t size)
{
	size_t stride, total;
	struct pool *p;

	if (buffers == 0 || size == 0)
		bug("pool_new: %zu buffers of %zu bytes", buffers, size);
	if (__builtin_add_overflow(size, CACHE_LINE - 1, &stride))
		return NULL;
	stride &= ~(size_t)(CACHE_LINE - 1);
	if (__builtin_mul_overflow(buffers, stride, &total))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	*p = (struct pool){ .buffers = buffers, .stride = stride };
	p->free = calloc(buffers, sizeof(*p->free));
	p->is_out = calloc(buffers, sizeof(*p->is_out));
	p->data = aligned_alloc(CACHE_LINE, total);
	if (!p->free || !p->is_out || !p->data) {
		pool_free(p);
		return NULL;
	}
	for (size_t i = 0; i < buffers; i++) {
		mark(p, buffer_at(p, i));
		p->free[i] = buffers - 1 - i;
	}
	p->nfree = buffers;
	return p;
}

void *pool_get(struct pool *p)
{
	size_t index;
	uint8_t *b;

	if (p->nfree == 0)
		return NULL;
	index = p->free[--p->nfree];
	b = buffer_at(p, index);
	if (!is_marked(p, b))
		bug("pool: buffer %zu was written after it was freed", index);
	p->is_out[index] = true;
	return b;
}

void pool_put(struct pool *p, void *buffer)
{
	uintptr_t offset = (uintptr_t)buffer - (uintptr_t)p->data;
	size_t index = offset / p->stride;

	if (index >= p->buffers || offset % p->stride != 0)
		bug("pool: a buffer that is not from this pool");
	if (!p->is_out[index])
		bug("pool: buffer %zu was freed twice", index);
	p->is_out[index] = false;
	mark(p, buffer);
	p->free[p->nfree++] = index;
}

size_t pool_out(const struct pool *p)
{
	return p->buffers - p->nfree;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	/* Without data it never came into being: pool_new() ran out of memory. */
	if (p->free && p->is_out && p->data && pool_out(p) != 0)
		bug("pool: %zu buffers are still out", pool_out(p));
	free(p->free);
	free(p->is_out);
	free(p->data);
	free(p);
}
