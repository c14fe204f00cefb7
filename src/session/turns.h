/*
 * HELLOs that wait for their key agreement, served by turn of the network they come from (IPv4 /24, IPv6 /48): a flood
 * from thousands of addresses in one network delays that network alone. Networks are told apart by a keyed hash, in a
 * fixed number of queues; of all queues together the longest gives way when there is no more room. Of one address and port
 * one waits: the last that came, in the place of the first.
 */
#pragma once

#include "base/hash.h"
#include "session/job.h"

#define TURNS_MAX 256  /* that wait */
#define TURNS_NETS 256 /* queues */

struct turn {
	struct list jobs; /* the first to come is the first */
	struct list node; /* of turns->ring, if not empty */
	size_t n;
};

struct turns {
	struct hash_key key;
	struct list ring; /* queues that are not empty, the next to be served first */
	size_t n;
	uint32_t waited_ms; /* what the last one that was taken had waited for; 0: none waits */
	size_t from; /* where the longest is looked for first: among many as long, not always the same gives way */
	struct turn turn[TURNS_NETS];
};

void turns_init(struct turns *t, const struct hash_key *key);
/* NULL, or who has to give way, which may be `j` itself: an earlier one of the same address and port, or the last of the
 * longest queue. It belongs to the caller. */
struct job *turns_add(struct turns *t, struct job *j);
/* NULL: nobody waits. */
struct job *turns_next(struct turns *t);
