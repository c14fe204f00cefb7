/* Stands before the allocator (ld --wrap) and counts what engines take and give back. */
#include <malloc.h>
#include <stdlib.h>

#include "sim/impl.h"

static struct {
	bool on;
	int64_t bytes, blocks;
} mem;

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t len);
void *__real_aligned_alloc(size_t alignment, size_t len);
void __real_free(void *p);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *p, size_t len);
void *__wrap_aligned_alloc(size_t alignment, size_t len);
void __wrap_free(void *p);

bool mem_counting(bool on)
{
	const bool was = mem.on;

	mem.on = on;
	return was;
}

void mem_reset(void)
{
	mem.bytes = mem.blocks = 0;
}

int64_t mem_bytes(void)
{
	return mem.bytes;
}

int64_t mem_blocks(void)
{
	return mem.blocks;
}

static void *taken(void *p)
{
	if (mem.on && p) {
		mem.bytes += (int64_t)malloc_usable_size(p);
		mem.blocks++;
	}
	return p;
}

static void given(void *p)
{
	if (mem.on && p) {
		mem.bytes -= (int64_t)malloc_usable_size(p);
		mem.blocks--;
	}
}

void *__wrap_malloc(size_t len)
{
	return taken(__real_malloc(len));
}

void *__wrap_calloc(size_t n, size_t len)
{
	return taken(__real_calloc(n, len));
}

void *__wrap_realloc(void *p, size_t len)
{
	given(p);
	return taken(__real_realloc(p, len));
}

void *__wrap_aligned_alloc(size_t alignment, size_t len)
{
	return taken(__real_aligned_alloc(alignment, len));
}

void __wrap_free(void *p)
{
	given(p);
	__real_free(p);
}
