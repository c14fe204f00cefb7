/*
 * Rescue: sealed DATA packets that are not known to have arrived are kept for a short while, and go out again,
 * same bytes, when the session moves.
 *
 * A session that sends has a ring of at most policy.rescue_bytes, headers included; one that has been silent for
 * a while has none. The ring is in the order of sealing. Its last part may wait: what is to go out again, and
 * behind it, so that nothing is overtaken, what was sealed since. The peer removes duplicates by its replay
 * window.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct session;

/* What is older is not sent any more: inner TCP has sent it again by itself, and its least timeout is far less
 * than this. */
#define RESCUE_AGE_MS 2000
/* All rings of one engine: 256 sessions that send at once with the default size. Those beyond have none, so
 * that ten thousand peers cannot take all memory. */
#define RESCUE_ENGINE_BYTES (UINT64_C(256) << 20)

/* May a datagram of `len` bytes be kept? Makes the ring when there is none. */
bool rescue_ready(struct session *s, size_t len, struct jv_time now);
/* No path is believed to carry DATA: the active one is dead and there is no other, or the JUMP to another had to
 * be repeated, and DATA that comes before it is refused. */
bool rescue_holds(const struct session *s);
/* DATA sealed now has to wait: for a path, or for others that are before it. */
bool rescue_queues(const struct session *s);
/* After rescue_ready(): where a datagram of `len` bytes is to be sealed, right behind the last one unless the ring
 * begins anew. Older ones give way. */
uint8_t *rescue_room(struct session *s, size_t len);
/* It stands there; `waits`: it has not been sent. */
void rescue_keep(struct session *s, size_t len, uint32_t epoch, uint64_t counter, uint8_t ecn, bool waits,
		 struct jv_time now);
/* A PING or PONG told what has arrived. What waits stays: behind a gap more may have arrived. */
void rescue_reported(struct session *s, uint8_t epoch, uint64_t highest);
/* A JUMP or JUMP_ACK told it, or a PONG while nothing was sent: of what waits, too. */
void rescue_arrived(struct session *s, uint8_t epoch, uint64_t highest);

/*
 * The session moves, and what may be lost is sent again on the path that carries DATA now. Who calls which:
 *
 *     rescue_at_once     the client, with its first JUMP: what was sent since the old path was last heard on
 *     rescue_rest        the client, with the JUMP_ACK to that JUMP: what rescue_at_once() has left out
 *     rescue_all         the server, when the path that was left is dead; the client, when its first JUMP was lost
 *     rescue_unreported  either end, on a path whose address or life is proven again
 *     rescue_overdue     either end, after a jump from a path that was well
 */
/* What was sent at `since` or later. */
void rescue_at_once(struct session *s, struct jv_time since, struct jv_time now);
/* All that is left goes again: beyond the report, and the few before it that may have been overtaken. */
void rescue_all(struct session *s, struct jv_time now);
/* As rescue_all(), but not those few: the peer does not know that it must expect duplicates. */
void rescue_unreported(struct session *s, struct jv_time now);
/* What has not gone out since the last rescue_at_once() or rescue_all(). */
void rescue_rest(struct session *s, struct jv_time now);
/* All, if any of it was sent before `limit`: on a path that is well it would have arrived. */
void rescue_overdue(struct session *s, struct jv_time limit, struct jv_time now);
/* Sends a little of what waits, if it may go, and arms the timer for the rest. */
void rescue_run(struct session *s, struct jv_time now);
/* As rescue_run(), for `len` bytes that have just joined: twice as many leave, so the queue gets shorter. */
void rescue_joined(struct session *s, size_t len, struct jv_time now);
void rescue_free(struct session *s);
