/*
 * One direction of a link between two ends: delay, jitter, loss, bursts of it, duplication, reordering, rate, MTU.
 *
 * A pure function of its seed and of what was sent: it holds no packets and knows no clock, it says when each
 * one arrives. The simulator and the impairment tool of the namespace tests share it, so a scenario means the
 * same in both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "unit/prng.h"

struct link_profile {
	uint32_t delay_us;
	uint32_t jitter_us; /* 0..jitter_us is added to the delay; alone it never overtakes */
	uint32_t loss_ppm;
	uint32_t burst_ppm; /* chance that a packet begins a time in which everything is lost ... */
	uint32_t burst_ms;  /* ... that lasts up to so long, and at least half of it */
	uint32_t dup_ppm;
	uint32_t reorder_ppm; /* chance that a packet is held back ... */
	uint32_t reorder_us;  /* ... up to so long, while others overtake it */
	uint64_t rate_bps;    /* bits per second; 0: no bound */
	uint32_t queue_bytes; /* what waits for that rate at most; beyond it, packets are lost */
	uint32_t mtu;         /* larger packets vanish; 0: no bound */
	bool blackhole;
};

struct link {
	struct link_profile profile; /* may be changed at any time */
	struct prng rng;
	struct jv_time busy_until;  /* the last bit of what was sent leaves then */
	struct jv_time burst_until; /* everything is lost before */
	struct jv_time last;        /* the latest arrival of what was not held back */
};

#define LINK_COPIES_MAX 2

void link_init(struct link *l, const struct link_profile *profile, uint64_t seed);
/* A packet of `len` bytes is sent: how many copies of it arrive (0: it is lost), and when. */
unsigned int link_send(struct link *l, size_t len, struct jv_time now, struct jv_time at[LINK_COPIES_MAX]);
