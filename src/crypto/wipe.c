/* Secrets are wiped, and compared in constant time. */
#include "crypto/crypto.h"

#include <string.h>

void crypto_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

/* The compiler cannot know what becomes of `diff` and so reads on, whatever came before. */
static uint64_t opaque(uint64_t diff)
{
	__asm__ volatile("" : "+r"(diff));
	return diff;
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	uint64_t diff = 0;

	for (; len >= sizeof(uint64_t);
	     len -= sizeof(uint64_t), x += sizeof(uint64_t), y += sizeof(uint64_t)) {
		uint64_t v, w;

		memcpy(&v, x, sizeof(v));
		memcpy(&w, y, sizeof(w));
		diff = opaque(diff | (v ^ w));
	}
	for (size_t i = 0; i < len; i++)
		diff = opaque(diff | (uint64_t)(x[i] ^ y[i]));
	return diff == 0;
}
