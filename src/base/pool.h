/*
 * A pool of equal buffers, allocated once: the data path takes and gives back, and never allocates.
 *
 * Freed buffers are marked at both ends, and a buffer that was written there after it was freed, was freed
 * twice or is not from this pool aborts. One thread only.
 */
#pragma once

#include <stddef.h>

struct pool;

/* NULL without memory. Buffers are aligned to 64 bytes. */
struct pool *pool_new(size_t buffers, size_t size);
/* A buffer with undefined contents, or NULL when all are out. */
void *pool_get(struct pool *p);
void pool_put(struct pool *p, void *buffer);
size_t pool_out(const struct pool *p); /* how many are out */
/* Aborts when a buffer is still out. */
void pool_free(struct pool *p);
