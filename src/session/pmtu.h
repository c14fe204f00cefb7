/*
 * Path MTU by probing (RFC 8899), for each path and direction by itself: which datagrams pass that way whole?
 *
 * Sizes are those of datagrams, UDP payload. A path that nothing is known of is taken to carry all that the tunnel's
 * MTU makes, until a probe of that size is lost and a smaller one is not: the network may fragment our packets, but
 * not our probes, so doubt costs nothing and no inner sender is told of an MTU that is only feared.
 *
 * A session that sends nothing large never probes. While large packets go out, the size in use is confirmed every
 * PMTU_CONFIRM_MS, and at once when they are met by silence or the session has moved: so a hole that swallows
 * them is found by probes, before it can pass for loss.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "jumpvpn/proto.h"

struct path;
struct pmtu;
struct session;

#define PMTU_STEP 16        /* bytes: nearer than that the search ends */
#define PMTU_TRIES 3        /* of each size; more where PINGs are lost too */
#define PMTU_TRIES_MAX 10
/* So many small probes answered and no large one, both ways: by chance that happens once in 128 times, whatever is
 * lost. */
#define PMTU_DOUBT_SMALL 7
#define PMTU_DOUBT_TRIES 16
#define PMTU_FORGIVE_MS 60000    /* loss is taken for a matter of size no more often */
#define PMTU_ERRORS 2            /* rounds in a row without an answer to any size, while PINGs have theirs */
#define PMTU_RAISE_MIN_MS 10000  /* from a smaller size up again: after this, */
#define PMTU_RAISE_MAX_MS 600000 /* twice as long each time, up to RFC 8899's 600 s */

const char *pmtu_state_name(unsigned int state);

/* The last PING was answered: if something is missing since the one before, and it was large, is it its size? */
void pmtu_ponged(struct path *p, uint32_t peer_received, struct jv_time now);
/* A first guess: what another socket of the same candidate found. */
void pmtu_inherit(struct path *p, const struct pmtu *from);
/*
 * A window proves that packets are lost. True: that may be for their size; PMTU_LOSS is told later when it is
 * not. Only small probes that pass and large ones that do not can show that, and at most once in PMTU_FORGIVE_MS: loss
 * that goes on with the smaller size is loss.
 */
bool pmtu_doubts(struct path *p, struct jv_time now);

struct frame;
/* PROBE from the peer: answered, within bounds. */
void pmtu_probed(struct path *p, const struct frame *f, struct jv_time now);
/* What a probe, or the want of answers, tells of the path beside sizes: to be acted upon at once. */
enum pmtu_found {
	PMTU_NOTHING,
	PMTU_STALLED, /* CONTROL passes, and nothing that is larger: no DATA would */
	PMTU_LOSS,    /* packets are lost, and not for their size: the verdict that was held back stands */
};
/* PROBE_ACK from the peer. */
enum pmtu_found pmtu_acked(struct path *p, const struct frame *f, struct jv_time now);
/* Is the round's time over, or the doubt's? Sends the next probes, or ends it. */
enum pmtu_found pmtu_round_due(struct path *p, struct jv_time now);
enum pmtu_found pmtu_doubt_due(struct path *p, struct jv_time now);
/* What is to be asked next, on the path that carries data and on the others; starts the timer for it. */
void pmtu_look(struct session *s, struct jv_time now);
