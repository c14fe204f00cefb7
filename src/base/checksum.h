/* The Internet checksum (RFC 1071) on sums of 64 bits, in the order of this machine's bytes: fold at the end. */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t checksum_carry(uint64_t sum, uint64_t more)
{
	sum += more;
	return sum + (sum < more);
}

/* Adds `len` bytes that begin at an even place. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* Eight bytes that begin at an even place. */
static inline uint64_t checksum_add8(uint64_t sum, const void *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	return checksum_carry(sum, word);
}

/* A 16-bit number as it stands in the packet. */
static inline uint64_t checksum_add16(uint64_t sum, uint16_t host)
{
	return checksum_carry(sum, htobe16(host));
}

/* Folded and not complemented: 0xffff over data that carries its right checksum. In the order of memory. A number added
 * to itself with its halves exchanged has their sum, with the carry around the end, in the upper one. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}
