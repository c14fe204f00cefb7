/*
 * Expanded keys of one worker, bounded: a session keeps 32 bytes a key, the cache expands on use.
 *
 * Set-associative by the caller's number for the key; a full set gives up its least recently used
 * entry, which is wiped. Numbers are never reused for another key (the engine counts them up), so a
 * stale entry cannot be taken for a live one.
 */
#pragma once

#include "crypto/crypto.h"

struct keycache;

/* `entries` is rounded up to a power of two. NULL without memory. */
struct keycache *keycache_new(size_t entries);
void keycache_free(struct keycache *c); /* wipes */
/* Good until the next call. NULL: there is no memory to expand the key. */
struct aead_key *keycache_aead(struct keycache *c, uint64_t number, enum suite suite,
			       const uint8_t key[PROTO_KEY_LEN]);
/* The same; never NULL. */
struct mask_key *keycache_mask(struct keycache *c, uint64_t number, enum suite suite,
			       const uint8_t key[PROTO_KEY_LEN]);
/* Wipes the entry of a key that will not be used again. */
void keycache_drop(struct keycache *c, uint64_t number);
