/*
 * Open addressing from a 64-bit key to the object that bears it: linear probing, backward-shift deletion (no
 * tombstones, so lookups never degrade), at most 3/4 full, capacity doubles up to a limit given at the start.
 *
 * An object may stand under several keys, which lie in it at equal distances, 8 bytes in network order each, and do not
 * change while it does. An entry is no more than the object's address, which of its keys that is, and a few bits of the key,
 * so that an object is looked at only when it is most likely the one: 8 bytes, eight in a cache line.
 *
 * The caller gives keys that strangers cannot choose (the random part of locators it issued itself), so the
 * key is its own hash (its low bits).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_KEYS 16 /* of one object, at most */

struct table;

/* Starts small; never holds more than `limit` entries. Key n of an object is at `key_at` + n * `key_step` in it. NULL
 * without memory. */
struct table *table_new(size_t limit, size_t key_at, size_t key_step);
void table_free(struct table *t);
size_t table_count(const struct table *t);
size_t table_bytes(const struct table *t); /* of its entries, used or not */
/* Under this key, its `n`th, which it need not bear before this has succeeded. 0, -EEXIST (and nothing changed), -ENOSPC at
 * the limit, -ENOMEM. `object` is not NULL; key 0 is allowed. */
int table_insert(struct table *t, uint64_t key, void *object, unsigned int n);
/* The object, and which of its keys that is (if `n` is not NULL); or NULL. */
void *table_find(const struct table *t, uint64_t key, unsigned int *n);
/* The object that stood there, or NULL. */
void *table_remove(struct table *t, uint64_t key);
/* Begins to load the line that table_find() will read. */
void table_prefetch(const struct table *t, uint64_t key);
/* What table_find() will answer, most likely: the object is not looked at, so that it can be loaded meanwhile. */
void *table_guess(const struct table *t, uint64_t key, unsigned int *n);
