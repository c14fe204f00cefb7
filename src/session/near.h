/*
 * The near ends of routes: socket, own address, and the scope of a link-local one. Few, and shared by many paths: each is kept
 * once, and counted. A path holds the number of its own.
 */
#pragma once

#include "base/hash.h"
#include "session/travel.h"

#define NEARS_MAX 65535 /* numbers are 16 bits */
#define NEARS_BUCKETS 64

struct near {
	struct ip local;
	uint32_t socket, scope;
	uint32_t users; /* 0: not in use */
	uint16_t next;  /* of the same bucket, or of those not in use; 0: none */
};

struct nears {
	struct near *at; /* the first is no path's */
	size_t n, room;  /* that were ever in use, with the first; there is room for */
	uint16_t unused; /* the first of them, or 0 */
	uint16_t bucket[NEARS_BUCKETS];
	struct hash_key key;
};

void nears_init(struct nears *all, const struct hash_key *key);
void nears_free(struct nears *all);
/* That of this route, with one user more; 0: no memory, or no number left. */
uint16_t nears_take(struct nears *all, const struct route *r);
/* It has one user less. 0 is no number. */
void nears_drop(struct nears *all, uint16_t number);

static inline bool near_is(const struct near *n, const struct route *r)
{
	return n->socket == r->socket && n->scope == r->remote.scope && ip_equal(&n->local, &r->local);
}
