/* Published figures as bytes, and bytes that are the same in every run. For the tests of crypto and proto. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

/* Returns `out`. */
static inline uint8_t *unhex(uint8_t *out, size_t len, const char *hex)
{
	if (!hex_decode(out, len, hex))
		fail_msg("not %zu bytes of hex: %s", len, hex);
	return out;
}

#define UNHEX(out, hex) unhex(out, sizeof(out), hex)

static inline void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
	uint8_t expected[2048];

	assert_true(len <= sizeof(expected));
	assert_memory_equal(data, unhex(expected, len, hex), len);
}

/* splitmix64 */
static inline uint64_t next_number(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void fill(uint64_t *state, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)next_number(state);
}

static inline int is_all(const uint8_t *data, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != value)
			return 0;
	return 1;
}
