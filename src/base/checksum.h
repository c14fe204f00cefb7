/* The Internet checksum (RFC 1071) on sums of 64 bits, in the order of this machine's bytes: fold at the end. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t checksum_carry(uint64_t sum, uint64_t more)
{
	sum += more;
	return sum + (sum < more);
}

/* Adds `len` bytes that begin at an even place. */
static inline uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = 0, b = 0, c = 0,
		 d = 0; /* of 32-bit words: no carry below 2^32 of them, and the compiler may vectorise */

	for (; len >= 32; len -= 32, p += 32) {
		uint32_t w[8];

		memcpy(w, p, sizeof(w));
		a += (uint64_t)w[0] + w[4];
		b += (uint64_t)w[1] + w[5];
		c += (uint64_t)w[2] + w[6];
		d += (uint64_t)w[3] + w[7];
	}
	sum = checksum_carry(sum, a);
	sum = checksum_carry(sum, b);
	sum = checksum_carry(sum, c);
	sum = checksum_carry(sum, d);
	for (; len >= 4; len -= 4, p += 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		sum = checksum_carry(sum, w);
	}
	if (len > 0) {
		uint8_t rest[4] = { 0 };
		uint32_t w;

		memcpy(rest, p, len);
		memcpy(&w, rest, sizeof(w));
		sum = checksum_carry(sum, w);
	}
	return sum;
}

/* A 16-bit number as it stands in the packet. */
static inline uint64_t checksum_add16(uint64_t sum, uint16_t host)
{
	const uint8_t b[2] = { (uint8_t)(host >> 8), (uint8_t)host };

	return checksum_add(sum, b, sizeof(b));
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
