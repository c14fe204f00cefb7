/*
 * Open addressing with linear probing; an entry of 0 is empty.
 *
 *     bits 0..47: the object's address    48..51: which of its keys    52..63: bits of the key that do not tell its place
 *
 * On the thread of its owner.
 */
#include "session/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/wire.h"

#define CACHE_LINE 64
#define SLOTS_MIN 64
#define AHEAD 16 /* entries: so far before an object's key is needed it is asked for, when all are */

#define NUMBER_SHIFT 48
#define TAG_SHIFT 52
#define KEY_SHIFT 8 /* the tag's bits in the key end so far from its top */
_Static_assert(TABLE_KEYS <= 1 << (TAG_SHIFT - NUMBER_SHIFT), "its number has place beside the address");

struct table {
	uint64_t *entry;
	size_t mask; /* slots - 1 */
	size_t count;
	size_t limit;
	size_t key_at, key_step;
};

static uint64_t *entries_new(size_t slots)
{
	uint64_t *e;

	if (slots > SIZE_MAX / 2 / sizeof(*e))
		return NULL;
	e = aligned_alloc(CACHE_LINE, slots * sizeof(*e));
	if (e)
		memset(e, 0, slots * sizeof(*e));
	return e;
}

struct table *table_new(size_t limit, size_t key_at, size_t key_step)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->limit = limit;
	t->key_at = key_at;
	t->key_step = key_step;
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

static char *object_of(uint64_t entry)
{
	return (char *)(uintptr_t)(entry & ((UINT64_C(1) << NUMBER_SHIFT) - 1));
}

static unsigned int number_of(uint64_t entry)
{
	return entry >> NUMBER_SHIFT & (TABLE_KEYS - 1);
}

static const char *key_place(const struct table *t, uint64_t entry)
{
	return object_of(entry) + t->key_at + number_of(entry) * t->key_step;
}

static uint64_t key_of(const struct table *t, uint64_t entry)
{
	be64 key;

	memcpy(key.b, key_place(t, entry), sizeof(key.b));
	return get_be64(key);
}

static uint64_t tag_of(uint64_t key)
{
	return key << KEY_SHIFT >> TAG_SHIFT;
}

/* The slot that holds `key`, or the empty one where it belongs; and what is in it. */
static inline size_t probe(const struct table *t, uint64_t key, uint64_t *entry)
{
	const uint64_t tag = tag_of(key);
	const be64 bytes = put_be64(key);
	size_t i = (size_t)key & t->mask;

	for (; (*entry = t->entry[i]) != 0; i = (i + 1) & t->mask)
		if (*entry >> TAG_SHIFT == tag && memcmp(key_place(t, *entry), bytes.b, sizeof(bytes.b)) == 0)
			break;
	return i;
}

/* Among entries that do not hold this key. */
static size_t place(const uint64_t *entry, size_t mask, uint64_t key)
{
	size_t i = (size_t)key & mask;

	while (entry[i])
		i = (i + 1) & mask;
	return i;
}

static int grow(struct table *t)
{
	size_t mask = t->mask * 2 + 1;
	uint64_t *bigger = entries_new(mask + 1);

	if (!bigger)
		return -ENOMEM;
	for (size_t i = 0; i <= t->mask; i++) {
		const uint64_t soon = t->entry[(i + AHEAD) & t->mask];

		if (soon)
			__builtin_prefetch(key_place(t, soon));
		if (t->entry[i])
			bigger[place(bigger, mask, key_of(t, t->entry[i]))] = t->entry[i];
	}
	free(t->entry);
	t->entry = bigger;
	t->mask = mask;
	return 0;
}

int table_insert(struct table *t, uint64_t key, void *object, unsigned int n)
{
	const uint64_t entry = tag_of(key) << TAG_SHIFT | (uint64_t)n << NUMBER_SHIFT | (uintptr_t)object;
	uint64_t there;
	size_t i = probe(t, key, &there);

	if (!object || n >= TABLE_KEYS || object_of(entry) != object)
		bug("table_insert: key %u of %p", n, object);
	if (there)
		return -EEXIST;
	if (t->count >= t->limit)
		return -ENOSPC;
	if (t->count + 1 > (t->mask + 1) / 4 * 3) {
		int err = grow(t);

		if (err < 0)
			return err;
		i = place(t->entry, t->mask, key);
	}
	t->entry[i] = entry;
	t->count++;
	return 0;
}

void *table_find(const struct table *t, uint64_t key, unsigned int *n)
{
	uint64_t entry;

	probe(t, key, &entry);
	if (n)
		*n = number_of(entry);
	return object_of(entry);
}

/*
 * Closes the hole: an entry behind it moves in unless its home lies between the hole and itself, for
 * then a probe from its home would not pass the hole.
 */
static void close_hole(struct table *t, size_t hole)
{
	for (size_t i = (hole + 1) & t->mask; t->entry[i]; i = (i + 1) & t->mask) {
		size_t from_home = (i - (size_t)key_of(t, t->entry[i])) & t->mask;
		size_t from_hole = (i - hole) & t->mask;

		if (from_home < from_hole)
			continue;
		t->entry[hole] = t->entry[i];
		hole = i;
	}
	t->entry[hole] = 0;
}

void *table_remove(struct table *t, uint64_t key)
{
	uint64_t entry;
	size_t i = probe(t, key, &entry);
	void *object = object_of(entry);

	if (!object)
		return NULL;
	close_hole(t, i);
	t->count--;
	return object;
}

void table_prefetch(const struct table *t, uint64_t key)
{
	__builtin_prefetch(&t->entry[(size_t)key & t->mask]);
}

void *table_guess(const struct table *t, uint64_t key, unsigned int *n)
{
	size_t i = (size_t)key & t->mask;

	while (t->entry[i] && t->entry[i] >> TAG_SHIFT != tag_of(key))
		i = (i + 1) & t->mask;
	*n = number_of(t->entry[i]);
	return object_of(t->entry[i]);
}
