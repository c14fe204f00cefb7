/*
 * One path of a session: a locator and what travels under it.
 *
 * The server has one for each locator it issued; the client one for each that it uses, on a socket of its
 * own. Health is learned from CONTROL packets alone (RTT as RFC 6298 has it, loss from the counts in PING and
 * PONG).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "jumpvpn/policy.h"
#include "proto/frame.h"

struct session;

#define PATH_NONE 0xff

struct route {           /* how a datagram travels */
	uint32_t socket; /* server: index in `listen`; client: the number it gave to io->path_open() */
	struct endpoint remote;
	struct ip local; /* server: the address the peer sent to; zero: the kernel's choice */
};

static inline bool route_equal(const struct route *a, const struct route *b)
{
	return a->socket == b->socket && endpoint_equal(&a->remote, &b->remote) &&
	       ip_equal(&a->local, &b->local);
}

struct path {
	struct session *session;
	uint8_t slot;
	uint8_t number; /* of the candidate path, or PATH_NONE while the slot is not in use */
	uint8_t locator[8];
	uint8_t token[PROTO_TOKEN_LEN];
	bool issued; /* the slot has a locator */
	bool spent;  /* client: the locator was used, and the path is closed */

	/* where it leads */
	struct route route;
	bool known;      /* route is set */
	bool proven;     /* the address has answered: server, a challenge; client, a PING of ours */
	bool challenged; /* challenge[] is out, to `pending` or else to `route` */
	bool moving;     /* server: `pending` is a new address under the same locator */
	uint8_t challenge[8];
	struct route pending;
	struct jv_time challenge_sent;
	uint32_t credit_rx, credit_tx; /* bytes from and to the unproven address */

	struct jv_time opened;

	/* health */
	uint32_t sent, received;                /* packets, as reported in PING and PONG */
	uint32_t ping_id;                       /* of the last PING; 0: none was sent */
	bool ping_out;                          /* that PING is not answered */
	uint8_t unanswered;                     /* PINGs in a row */
	struct jv_time ping_sent, silent_since; /* of the first PING in that row */
	struct jv_time last_rx, last_pong, stable_since;
	int64_t srtt_us, rttvar_us; /* 0: not measured */

	/* loss: where the present window began, and what the last whole one told */
	uint32_t peer_received; /* by the peer's last report */
	bool deaf;              /* the peer sends, but says that it hears nothing from us */
	bool window_open;
	struct jv_time window_start;
	uint32_t ping_sent_count; /* `sent` in the last PING */
	uint32_t base_sent, base_peer_received, base_peer_sent, base_received;
	uint32_t loss_ppm;
	uint32_t probe_loss_ppm; /* of our PINGs, smoothed over about eight */
};

/* Forgets everything but the locator. */
void path_reset(struct path *p, struct jv_time now);
void path_rtt_sample(struct path *p, int64_t rtt_us);
/* How long an answer may take: max(2 srtt + 4 rttvar, PROTO_SILENCE_MIN_MS). */
int64_t path_patience_us(const struct path *p);
/* Between two PINGs on a suspected path: max(srtt, PROTO_REPROBE_MIN_MS). */
int64_t path_reprobe_us(const struct path *p);
/* A PING goes out now. */
void path_pinged(struct path *p, uint32_t id, struct jv_time now);
/* The peer told how many of our packets it has received on this path. */
void path_reported(struct path *p, const struct path_report *report, struct jv_time now);
/* A PONG to an earlier PING came: the path is alive. */
void path_answered(struct path *p, struct jv_time now);
/* A PONG to our last PING came, with the peer's counts; true when a loss window was completed (loss_ppm is
 * new). */
bool path_ponged(struct path *p, const struct path_report *report, uint32_t window_ms, struct jv_time now);
/* May `len` bytes go to this address under the 3x rule? Counts them when they may. */
bool path_may_send(struct path *p, uint32_t len);
/* Warm: open, proven and answering. */
bool path_is_warm(const struct path *p, const struct policy *policy);
/* Is `a` the better candidate: warm, least loss, least latency, longest stable, lowest number. */
bool path_is_better(const struct path *a, const struct path *b, const struct policy *policy);
