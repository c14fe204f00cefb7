/*
 * Open addressing with linear probing; an entry without a value is empty.
 *
 * On the thread of its owner.
 */
#include "session/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CACHE_LINE 64
#define SLOTS_MIN 64

struct entry {
	uint64_t key;
	void *value;
};

struct table {
	struct entry *entry;
	size_t mask; /* slots - 1 */
	size_t count;
	size_t limit;
};

static struct entry *entries_new(size_t slots)
{
	struct entry *e;

	if (slots > SIZE_MAX / 2 / sizeof(*e))
		return NULL;
	e = aligned_alloc(CACHE_LINE, slots * sizeof(*e));
	if (e)
		memset(e, 0, slots * sizeof(*e));
	return e;
}

struct table *table_new(size_t limit)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->limit = limit;
	t->mask = SLOTS_MIN - 1;
	t->entry = entries_new(SLOTS_MIN);
	if (!t->entry) {
		free(t);
		return NULL;
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	free(t->entry);
	free(t);
}

size_t table_count(const struct table *t)
{
	return t->count;
}

size_t table_bytes(const struct table *t)
{
	return (t->mask + 1) * sizeof(t->entry[0]);
}

/* The slot that holds `key`, or the empty one where it belongs. */
static size_t probe(const struct entry *entry, size_t mask, uint64_t key)
{
	size_t i = (size_t)key & mask;

	while (entry[i].value && entry[i].key != key)
		i = (i + 1) & mask;
	return i;
}

static int grow(struct table *t)
{
	size_t mask = t->mask * 2 + 1;
	struct entry *bigger = entries_new(mask + 1);

	if (!bigger)
		return -ENOMEM;
	for (size_t i = 0; i <= t->mask; i++) {
		if (t->entry[i].value)
			bigger[probe(bigger, mask, t->entry[i].key)] = t->entry[i];
	}
	free(t->entry);
	t->entry = bigger;
	t->mask = mask;
	return 0;
}

int table_insert(struct table *t, uint64_t key, void *value)
{
	size_t i = probe(t->entry, t->mask, key);

	if (!value)
		bug("table_insert: no value");
	if (t->entry[i].value)
		return -EEXIST;
	if (t->count >= t->limit)
		return -ENOSPC;
	if (t->count + 1 > (t->mask + 1) / 4 * 3) {
		int err = grow(t);

		if (err < 0)
			return err;
		i = probe(t->entry, t->mask, key);
	}
	t->entry[i] = (struct entry){ key, value };
	t->count++;
	return 0;
}

void *table_find(const struct table *t, uint64_t key)
{
	return t->entry[probe(t->entry, t->mask, key)].value;
}

/*
 * Closes the hole: an entry behind it moves in unless its home lies between the hole and itself, for
 * then a probe from its home would not pass the hole.
 */
static void close_hole(struct table *t, size_t hole)
{
	for (size_t i = (hole + 1) & t->mask; t->entry[i].value; i = (i + 1) & t->mask) {
		size_t from_home = (i - (size_t)t->entry[i].key) & t->mask;
		size_t from_hole = (i - hole) & t->mask;

		if (from_home < from_hole)
			continue;
		t->entry[hole] = t->entry[i];
		hole = i;
	}
	t->entry[hole] = (struct entry){ 0, NULL };
}

void *table_remove(struct table *t, uint64_t key)
{
	size_t i = probe(t->entry, t->mask, key);
	void *value = t->entry[i].value;

	if (!value)
		return NULL;
	close_hole(t, i);
	t->count--;
	return value;
}

void table_prefetch(const struct table *t, uint64_t key)
{
	__builtin_prefetch(&t->entry[(size_t)key & t->mask]);
}

void *table_next(const struct table *t, size_t *cursor)
{
	while (*cursor <= t->mask) {
		void *value = t->entry[(*cursor)++].value;

		if (value)
			return value;
	}
	return NULL;
}
