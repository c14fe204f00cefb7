/*
 * Which datagrams and packets fit a path, as far as its probes have told (pmtu.c searches; here is what it found). Sizes of
 * datagrams are UDP payload.
 */
#pragma once

#include "session/session.h"

#define PMTU_CONFIRM_MS 500 /* and not at all when nothing large is sent */
#define PMTU_AGAIN_MS 1000       /* a round that told nothing is repeated after this */

/* The datagram that carries as much as the tunnel's MTU allows. */
uint16_t size_largest(const struct path *p);
/* Longest datagram to send on this path now. */
uint16_t size_datagram(const struct path *p);
/* Longest inner packet for a session's DATA now. */
uint16_t size_inner(const struct path *p);
/* Longest inner packet for it, within the tunnel's MTU. */
size_t size_fits(struct session *s);
/* Until a size that was confirmed, or a round that told nothing, is asked for again. */
uint32_t size_wait_ms(const struct pmtu *m);
/* Starts the timer of the probes, if this is sooner. */
void size_arm(struct session *s, struct jv_time at);
/* A datagram longer than PROTO_PROBE_LEAST goes out, the first one since the last round began. */
void size_large(struct session *s, struct jv_time now);
/* The session has moved to this path, or the path to another address: what is known is a guess. */
void size_moved(struct path *p);
