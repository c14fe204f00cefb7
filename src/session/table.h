/*
 * Open addressing from a 64-bit key to a pointer: linear probing, backward-shift deletion (no
 * tombstones, so lookups never degrade), at most 3/4 full, capacity doubles up to a limit given at the start.
 *
 * The caller gives keys that strangers cannot choose (the random part of locators it issued itself), so the
 * key is its own hash (its low bits). Entries are 16 bytes, four in a cache line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;

/* Starts small; never holds more than `limit` entries. NULL without memory. */
struct table *table_new(size_t limit);
void table_free(struct table *t);
size_t table_count(const struct table *t);
size_t table_bytes(const struct table *t); /* of its entries, used or not */
/* 0, -EEXIST (and nothing changed), -ENOSPC at the limit, -ENOMEM. `value` is not NULL; key 0 is allowed. */
int table_insert(struct table *t, uint64_t key, void *value);
/* The value, or NULL. */
void *table_find(const struct table *t, uint64_t key);
/* The removed value, or NULL. */
void *table_remove(struct table *t, uint64_t key);
/* Begins to load the line that table_find() will read. */
void table_prefetch(const struct table *t, uint64_t key);
/* The next entry at or behind *cursor (start with 0), or NULL at the end. The table must not change
 * meanwhile. */
void *table_next(const struct table *t, size_t *cursor);
