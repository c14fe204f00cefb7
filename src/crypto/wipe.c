/* The two things done to secrets by everybody: forgetting them and comparing them. */
#include "crypto/crypto.h"

#include <string.h>

void crypto_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b; /* volatile: every byte is read, whatever came before */
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}
