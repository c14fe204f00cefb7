/*
 * Memory that runs out: stands before the allocator of the whole program, its libraries too, and lets one allocation
 * fail. Include it in one file of a program. A sanitizer stands there itself: then nothing fails, and shortage_works()
 * says so.
 *
 *	for (shortage_begin(&held); shortage_next();) {   // the first allocation fails, then the second, ...
 *		set up; shortage_arm(); what is tested; shortage_disarm(); assert and take down;
 *	}                                            // ... until none has
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static struct shortage {
	bool armed;
	unsigned int *held;   /* not zero: the test itself allocates */
	unsigned long count;  /* allocations since it was armed */
	unsigned long fails;  /* which one of them does; 0: none */
	bool failed;
	long live;            /* allocated and not freed */
} shortage;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static inline bool shortage_works(void)
{
	return false;
}
#else
static inline bool shortage_works(void)
{
	return true;
}

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *p, size_t len);
void *__libc_memalign(size_t alignment, size_t len);
void __libc_free(void *p);

static bool shortage_strikes(void)
{
	if (!shortage.armed || *shortage.held > 0 || ++shortage.count != shortage.fails)
		return false;
	shortage.failed = true;
	return true;
}

static void *shortage_taken(void *p)
{
	shortage.live += p != NULL;
	return p;
}

void *malloc(size_t len)
{
	return shortage_strikes() ? NULL : shortage_taken(__libc_malloc(len));
}

void *calloc(size_t n, size_t len)
{
	return shortage_strikes() ? NULL : shortage_taken(__libc_calloc(n, len));
}

void *realloc(void *p, size_t len)
{
	if (shortage_strikes())
		return NULL;
	return p ? __libc_realloc(p, len) : shortage_taken(__libc_malloc(len));
}

void *aligned_alloc(size_t alignment, size_t len)
{
	return shortage_strikes() ? NULL : shortage_taken(__libc_memalign(alignment, len));
}

void free(void *p)
{
	shortage.live -= p != NULL;
	__libc_free(p);
}
#endif

static inline void shortage_begin(unsigned int *held)
{
	shortage = (struct shortage){ .held = held, .live = shortage.live, .failed = true };
}

/* The round before has had its failure, or there was none: then the next allocation's turn is it. */
static inline bool shortage_next(void)
{
	if (!shortage.failed || !shortage_works())
		return false;
	shortage.failed = false;
	shortage.count = 0;
	shortage.fails++;
	return true;
}

static inline void shortage_arm(void)
{
	shortage.armed = true;
}

static inline void shortage_disarm(void)
{
	shortage.armed = false;
}
