/*
 * Time as a type of its own, so that it is never added to bytes or compared with a wall clock.
 *
 * A jv_time is a moment on the boot clock (CLOCK_BOOTTIME: suspend counts) in microseconds; a
 * difference is a plain int64_t of microseconds. Nobody below worker/ reads a clock: `now` is passed in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct jv_time {
	int64_t us;
};

#define TIME_NEVER ((struct jv_time){ INT64_MAX })
#define TIME_ZERO ((struct jv_time){ 0 })

static inline bool time_is_never(struct jv_time t)
{
	return t.us == INT64_MAX;
}

/* a - b in microseconds */
static inline int64_t time_diff_us(struct jv_time a, struct jv_time b)
{
	return a.us - b.us;
}

/* a - b in whole milliseconds, 0 when b is later */
static inline uint64_t time_since_ms(struct jv_time a, struct jv_time b)
{
	return a.us > b.us ? (uint64_t)(a.us - b.us) / 1000 : 0;
}

static inline struct jv_time time_add_ms(struct jv_time t, uint64_t ms)
{
	return (struct jv_time){ t.us + (int64_t)ms * 1000 };
}

static inline struct jv_time time_add_us(struct jv_time t, int64_t us)
{
	return (struct jv_time){ t.us + us };
}

static inline bool time_before(struct jv_time a, struct jv_time b)
{
	return a.us < b.us;
}

static inline struct jv_time time_min(struct jv_time a, struct jv_time b)
{
	return a.us < b.us ? a : b;
}

static inline struct jv_time time_max(struct jv_time a, struct jv_time b)
{
	return a.us > b.us ? a : b;
}
