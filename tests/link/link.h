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

/*
 * Somebody on the link, without keys, does something to the packets of some kind. What everybody can see of one is its
 * length; what it is, only the simulator tells, as middleboxes guess well.
 */
#define LINK_KIND_LIST(X)                                                                                   \
	X(DATA, data)                                                                                       \
	X(CONTROL, control)                                                                                 \
	X(HANDSHAKE, handshake)                                                                             \
	/* CONTROL with such a frame in it, by the numbers of enum frame_type from 1 on */                  \
	X(PING, ping) X(PONG, pong) X(JUMP, jump) X(JUMP_ACK, jump_ack) X(JUMP_REJECT, jump_reject)         \
	X(PATH_CHALLENGE, path_challenge) X(PATH_RESPONSE, path_response) X(LOCATORS, locators)             \
	X(REKEY_OFFER, rekey_offer) X(REKEY_ACCEPT, rekey_accept) X(POLICY, policy) X(CLOSE, close)         \
	X(PROBE, probe) X(PROBE_ACK, probe_ack)

enum link_kind {
#define X(NAME, name) LINK_KIND_##NAME,
	LINK_KIND_LIST(X)
#undef X
		LINK_KINDS
};

#define LINK_KIND_OF_FRAME(type) (1u << (LINK_KIND_PING + (type)-1))
#define LINK_RULES 4

struct link_packet {
	size_t len;     /* of the datagram, without IP and UDP headers */
	uint32_t kinds; /* a bit for each enum link_kind that it is; 0: nobody told */
};

struct link_rule {
	uint32_t kinds;       /* it is any of these; 0: whatever it is */
	uint16_t least, most; /* and its length is between */
	uint32_t drop_ppm, double_ppm;
	uint32_t delay_us; /* more than the others take */
	bool ce;           /* it arrives with "congestion experienced" */
};

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
	uint8_t rules;
	struct link_rule rule[LINK_RULES]; /* all that fit are applied */
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
/* What the rules make of it before it is sent; false: it is lost. */
struct link_fate {
	unsigned int copies;
	uint32_t delay_us;
	bool ce;
};
bool link_meets(struct link *l, const struct link_packet *packet, struct link_fate *fate);
