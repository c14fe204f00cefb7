/* So many a second, on an absolute schedule of 100 us: what one interval holds goes in one row. */
#pragma once

#include "tool.h"

#define PACE_STEP_NS (100 * NS_PER_US)
#define PACE_LATE_NS (5 * NS_PER_MS)

struct pace {
	uint64_t rate, ms;      /* asked: a second, and for how long */
	uint64_t sent, skipped; /* came of it: late by more than 5 ms it skips what it owes */
	double seconds;
};

/* `send` answers how many of `n` went out. */
static inline void pace_run(struct pace *p, uint64_t (*send)(void *ctx, uint64_t n), void *ctx)
{
	const uint64_t start = now_ns(), end = start + p->ms * NS_PER_MS;
	uint64_t next = start, done = 0;

	while (next < end && !tool_stop) {
		const uint64_t now = now_ns();

		if (now > next + PACE_LATE_NS) {
			const uint64_t missed = (now - next) / NS_PER_US * p->rate / 1000000;

			p->skipped += missed;
			done += missed;
			next = now;
		}
		next += PACE_STEP_NS;
		const uint64_t due = (next - start) / NS_PER_US * p->rate / 1000000;
		if (due > done) {
			p->sent += send(ctx, due - done);
			done = due;
		}
		sleep_until(next);
	}
	p->seconds = (double)(now_ns() - start) / 1e9;
}
