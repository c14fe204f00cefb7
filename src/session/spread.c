#include "session/spread.h"

#include <string.h>

/* A lot between 0 and 65535. */
static uint32_t lot(const uint8_t id[16], uint32_t nth)
{
	uint64_t x;

	memcpy(&x, id, sizeof(x));
	x = (x ^ nth) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(x >> 48);
}

int64_t spread_us(const uint8_t id[16], uint32_t nth, int64_t us)
{
	return us - us / 4 * lot(id, nth) / 65536;
}

struct jv_time spread_next(const uint8_t id[16], int64_t period_us, struct jv_time after)
{
	const int64_t phase = period_us / 64 * lot(id, 0) / 1024;
	const int64_t us = period_us - (after.us + phase) % period_us;

	return time_add_us(after, us > period_us / 2 ? us : us + period_us / 2);
}
