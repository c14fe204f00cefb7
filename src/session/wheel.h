/*
 * A hierarchical timer wheel: six levels of 64 slots, one tick a millisecond, so every span up to two
 * years has its place. Start and stop are O(1); a timer that is far away moves down a level at most five
 * times.
 *
 * A timer never fires early, and at most a tick late. Due timers are detached first and run then, so a
 * callback may start or stop any timer, its own too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/time.h"

#define WHEEL_LEVELS 6
#define WHEEL_SLOTS 64
#define WHEEL_TICK_US 1000

struct timer {
	struct list node;
	uint64_t tick; /* when it is due, absolute */
	void (*fire)(struct timer *t, struct jv_time now);
};

struct wheel {
	uint64_t now;                    /* tick up to which everything has fired */
	uint64_t occupied[WHEEL_LEVELS]; /* a bit for each slot that holds a timer */
	struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list due; /* detached, about to fire */
};

/* Ticks: the one that has begun at that time, the first that has not begun before it, and when one begins. */
static inline uint64_t wheel_floor(struct jv_time t)
{
	return t.us <= 0 ? 0 : (uint64_t)t.us / WHEEL_TICK_US;
}

static inline uint64_t wheel_ceil(struct jv_time t)
{
	return t.us <= 0 ? 0 : ((uint64_t)t.us + WHEEL_TICK_US - 1) / WHEEL_TICK_US;
}

static inline struct jv_time wheel_time(uint64_t tick)
{
	return (struct jv_time){ (int64_t)tick * WHEEL_TICK_US };
}

void wheel_init(struct wheel *w, struct jv_time now);
void timer_init(struct timer *t, void (*fire)(struct timer *t, struct jv_time now));
static inline bool timer_is_running(const struct timer *t)
{
	return !list_is_empty(&t->node);
}
/* When it is due; TIME_NEVER while it does not run. */
struct jv_time timer_due(const struct timer *t);
/* Starts, or moves a running timer. A time that has passed fires at the next wheel_expire(). */
void timer_start(struct wheel *w, struct timer *t, struct jv_time at);
void timer_stop(struct wheel *w, struct timer *t);
/* Starts it only if it is not running or due later than `at`. */
void timer_start_earlier(struct wheel *w, struct timer *t, struct jv_time at);
/* Fires all that is due at `now`; answers how many. */
unsigned int wheel_expire(struct wheel *w, struct jv_time now);
/* A time not later than the first due timer and not earlier than the next moment worth waking up for;
 * TIME_NEVER when no timer runs. */
struct jv_time wheel_next(const struct wheel *w);
