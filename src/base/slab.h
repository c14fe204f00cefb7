/*
 * Objects of one size, in chunks: no header for each, none moves, and the memory of one that is put back serves the next.
 * Chunks are made when they are needed and kept until the end, so a slab is as large as it was at its fullest; `limit`
 * bounds that.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct slab {
	size_t size; /* of an object, rounded up to a pointer's */
	size_t limit;
	size_t used;         /* objects out */
	size_t chunks, room; /* there are, and `chunk` has room for */
	size_t fresh;        /* of the last chunk, not out yet */
	void *spare;         /* put back: each points to the next */
	char **chunk;
};

void slab_init(struct slab *s, size_t size, size_t limit);
/* All of it, whatever is still out. */
void slab_free(struct slab *s);
/* Zeroed; NULL: at the limit, or without memory. */
void *slab_get(struct slab *s);
/* It is wiped: what stands in a slab may be a key. */
void slab_put(struct slab *s, void *object);
/* Bytes of its chunks. */
size_t slab_bytes(const struct slab *s);
