#include "base/checksum.h"

#include <string.h>

/* Blocks are summed as 32-bit words in 64 bits: no carry below 2^32 of them. */
#define BLOCK 32
#define LONG 64 /* below it words are as quick */

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLLED __attribute__((optimize("O3")))
#else
#define UNROLLED
#endif

UNROLLED static uint64_t sum_words(const uint8_t *p, size_t blocks)
{
	uint64_t lane[8] = { 0 };
	uint64_t sum = 0;

	for (; blocks > 0; blocks--, p += BLOCK) {
		uint32_t w[8];

		memcpy(w, p, sizeof(w));
		for (int i = 0; i < 8; i++)
			lane[i] += w[i];
	}
	for (int i = 0; i < 8; i++)
		sum += lane[i];
	return sum;
}

/* Where instructions are counted it must be the same form everywhere. */
#if defined(__x86_64__) && !defined(CHECKSUM_ONE_FORM)
#include <immintrin.h>

/*
 * `whole` sums 64-bit words and loses carries, `upper` their upper halves and loses none: what the first has beside the
 * second, modulo 2^64, is the sum of the lower halves. A vector is loaded once and kept, for loads are what costs; left
 * alone, compilers read it from memory for each use.
 */
#define KEEP(w) __asm__("" : "+v"(w))

__attribute__((target("avx512f,avx512bw"))) static uint64_t sum_avx512(const uint8_t *p, size_t len)
{
	__m512i whole = _mm512_setzero_si512(), upper = whole, w;

#pragma GCC unroll 4
	for (; len >= sizeof(w); len -= sizeof(w), p += sizeof(w)) {
		w = _mm512_loadu_si512(p);
		KEEP(w);
		whole = _mm512_add_epi64(whole, w);
		upper = _mm512_add_epi64(upper, _mm512_srli_epi64(w, 32));
	}
	w = _mm512_maskz_loadu_epi8(((__mmask64)1 << len) - 1, p);
	KEEP(w);
	whole = _mm512_add_epi64(whole, w);
	upper = _mm512_add_epi64(upper, _mm512_srli_epi64(w, 32));
	whole = _mm512_sub_epi64(whole, _mm512_slli_epi64(upper, 32));
	return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(whole, upper));
}

__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t blocks)
{
	__m256i whole = _mm256_setzero_si256(), upper = whole;
	uint64_t lane[4];

#pragma GCC unroll 4
	for (; blocks > 0; blocks--, p += BLOCK) {
		__m256i w = _mm256_loadu_si256((const __m256i *)(const void *)p);

		KEEP(w);
		whole = _mm256_add_epi64(whole, w);
		upper = _mm256_add_epi64(upper, _mm256_srli_epi64(w, 32));
	}
	whole = _mm256_sub_epi64(whole, _mm256_slli_epi64(upper, 32));
	_mm256_storeu_si256((__m256i *)(void *)lane, _mm256_add_epi64(whole, upper));
	return lane[0] + lane[1] + lane[2] + lane[3];
}

/* The widest this CPU has, of whole blocks or of everything: answers how many bytes. */
static size_t sum_wide(uint64_t *sum, const uint8_t *p, size_t len)
{
	const size_t blocks = len / BLOCK;

	if (__builtin_cpu_supports("avx512bw")) {
		*sum = checksum_carry(*sum, sum_avx512(p, len));
		return len;
	}
	*sum = checksum_carry(*sum,
			      __builtin_cpu_supports("avx2") ? sum_avx2(p, blocks) : sum_words(p, blocks));
	return blocks * BLOCK;
}
#else
static size_t sum_wide(uint64_t *sum, const uint8_t *p, size_t len)
{
	*sum = checksum_carry(*sum, sum_words(p, len / BLOCK));
	return len / BLOCK * BLOCK;
}
#endif

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len >= LONG) {
		const size_t n = sum_wide(&sum, p, len);

		p += n;
		len -= n;
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
