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

/* Folded and not complemented: 0xffff over data that carries its right checksum. In the order of memory. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
