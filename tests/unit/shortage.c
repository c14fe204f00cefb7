#include "shortage.h"

#include <stddef.h>
#include <stdlib.h>

struct shortage shortage;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
bool shortage_works(void)
{
	return false;
}
#else
bool shortage_works(void)
{
	return true;
}

/* glibc's own, under the names it keeps for this. */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *p, size_t len);
void *__libc_memalign(size_t alignment, size_t len);
void __libc_free(void *p);

static bool strikes(void)
{
	if (!shortage.armed || *shortage.held > 0 || ++shortage.count != shortage.fails)
		return false;
	shortage.failed = true;
	return true;
}

static void *taken(void *p)
{
	shortage.live += p != NULL;
	return p;
}

void *malloc(size_t len)
{
	return strikes() ? NULL : taken(__libc_malloc(len));
}

void *calloc(size_t n, size_t len)
{
	return strikes() ? NULL : taken(__libc_calloc(n, len));
}

void *realloc(void *p, size_t len)
{
	if (strikes())
		return NULL;
	return p ? __libc_realloc(p, len) : taken(__libc_malloc(len));
}

void *aligned_alloc(size_t alignment, size_t len)
{
	return strikes() ? NULL : taken(__libc_memalign(alignment, len));
}

void free(void *p)
{
	shortage.live -= p != NULL;
	__libc_free(p);
}
#endif

void shortage_begin(unsigned int *held)
{
	shortage = (struct shortage){ .held = held, .live = shortage.live, .failed = true };
}

bool shortage_next(void)
{
	if (!shortage.failed || !shortage_works())
		return false;
	shortage.failed = false;
	shortage.count = 0;
	shortage.fails++;
	return true;
}

void shortage_arm(void)
{
	shortage.armed = true;
}

void shortage_disarm(void)
{
	shortage.armed = false;
}
