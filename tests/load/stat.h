/* What a phase of a load run is measured by: counters, times and a curve, from mark to report. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAT_LIST(X)                                                                                \
	X(hello_sent)  /* HELLOs, first ones and repetitions */                                     \
	X(cookies)     /* COOKIEs that were taken */                                                \
	X(welcomes)    /* WELCOMEs that opened */                                                   \
	X(attached)    /* sessions that came to ATTACHED, first or again */                         \
	X(births_lost) /* WELCOMEs after which nothing came */                                      \
	X(resets)      /* RESETs with the right token */                                            \
	X(closes)      /* CLOSEs */                                                                 \
	X(given_up)    /* sessions left because the server was silent */                            \
	X(pings)                                                                                    \
	X(pongs)                                                                                    \
	X(paths_dead)                                                                               \
	X(jumps)                                                                                    \
	X(jump_acks) X(jump_rejects) X(challenges) X(rekeys) X(data_sent) X(data_back)              \
		X(unopened)         /* sealed packets that did not open, or for no session */       \
		X(stray)            /* what came to an address or port that is nobody's any more */ \
		X(sent) X(received) /* datagrams */                                                 \
		X(unsent)           /* datagrams that the kernel refused */

enum stat_counter {
#define X(name) STAT_##name,
	STAT_LIST(X)
#undef X
		STATS
};

#define TIMES_BUCKETS 160
struct times { /* in microseconds, to within 1/8 */
	uint64_t bucket[TIMES_BUCKETS];
	uint64_t n, most;
};

#define CURVE_POINTS 240
struct curve { /* how many are attached, at even times; twice as far apart whenever there are too many of them */
	uint32_t value[CURVE_POINTS];
	uint32_t n;
	uint64_t step_us;
};

struct measured {
	uint64_t n[STATS];
	struct times attach; /* from the first HELLO, or from the loss, to ATTACHED */
	struct times ping;   /* round trips */
	struct times data;
	struct curve curve;
};

void times_add(struct times *t, uint64_t us);
/* The time that this share (0 to 1) does not exceed. */
uint64_t times_at(const struct times *t, double share);
void curve_begin(struct curve *c);
void curve_add(struct curve *c, uint64_t since_us, uint32_t value);
