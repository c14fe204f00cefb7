#include "base/checksum.h"

#include <string.h>

/* For each CPU the widest form it has; the linker's resolver chooses once. Where instructions are counted it must be the
 * same one everywhere. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__) && !defined(CHECKSUM_ONE_FORM)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define WIDE
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLLED __attribute__((optimize("O3")))
#else
#define UNROLLED
#endif

/* Of 32-bit words in 64-bit sums: no carry below 2^32 of them. */
WIDE UNROLLED static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
	uint64_t lane[8] = { 0 };
	uint64_t sum = 0;

	for (; blocks > 0; blocks--, p += 32) {
		uint32_t w[8];

		memcpy(w, p, sizeof(w));
		for (int i = 0; i < 8; i++)
			lane[i] += w[i];
	}
	for (int i = 0; i < 8; i++)
		sum += lane[i];
	return sum;
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	const size_t blocks = len / 32;

	if (blocks > 0) {
		sum = checksum_carry(sum, sum_blocks(p, blocks));
		p += blocks * 32;
		len %= 32;
	}
	for (; len >= 8; len -= 8, p += 8)
		sum = checksum_add8(sum, p);
	if (len >= 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		sum = checksum_carry(sum, w);
		p += 4;
		len -= 4;
	}
	if (len >= 2) {
		uint16_t w;

		memcpy(&w, p, sizeof(w));
		sum = checksum_carry(sum, w);
		p += 2;
		len -= 2;
	}
	return len > 0 ? checksum_add16(sum, (uint16_t)(*p << 8)) : sum;
}
