/* Two set-associative shelves, of AEAD keys and of mask keys, side by side under the same numbers. */
#include "crypto/keycache.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4 /* slots of one set: together one cache line */
#define ALIGNMENT 64
#define ENTRIES_MAX ((size_t)1 << 24)

struct slot {
	uint64_t number;
	uint64_t used; /* tick of the last use; 0: empty */
};

struct shelf {
	struct slot *slots;
	uint8_t *keys;
	size_t stride;
	void (*clear)(void *key);
};

struct keycache {
	struct shelf aead;
	struct shelf mask;
	size_t entries;
	uint64_t tick;
};

static void clear_aead(void *key)
{
	aead_key_clear(key);
}

static void clear_mask(void *key)
{
	mask_key_clear(key);
}

static bool shelf_init(struct shelf *s, size_t entries, size_t key_size, void (*clear)(void *key))
{
	s->stride = (key_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	s->clear = clear;
	s->slots = aligned_alloc(ALIGNMENT, entries * sizeof(*s->slots));
	s->keys = aligned_alloc(ALIGNMENT, entries * s->stride);
	if (!s->slots || !s->keys)
		return false;
	memset(s->slots, 0, entries * sizeof(*s->slots));
	return true;
}

static void *key_at(const struct shelf *s, size_t i)
{
	return s->keys + i * s->stride;
}

static void slot_clear(struct shelf *s, size_t i)
{
	if (!s->slots[i].used)
		return;
	s->clear(key_at(s, i));
	s->slots[i].used = 0;
}

/* First slot of the number's set. Multiplying spreads numbers that are all of one residue. */
static size_t set_of(const struct keycache *c, uint64_t number)
{
	uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	return (size_t)mixed * WAYS & (c->entries - 1);
}

/* The number's slot, or with *found false the one to fill: an empty one, else the least recently used. */
static size_t shelf_find(const struct shelf *s, size_t first, uint64_t number, bool *found)
{
	size_t oldest = first;

	for (size_t i = first; i < first + WAYS; i++) {
		if (s->slots[i].used && s->slots[i].number == number) {
			*found = true;
			return i;
		}
		if (s->slots[i].used < s->slots[oldest].used)
			oldest = i;
	}
	*found = false;
	return oldest;
}

/* The key's memory; with *found false it is empty and the caller expands the key there. */
static void *shelf_take(struct keycache *c, struct shelf *s, uint64_t number, bool *found)
{
	size_t i = shelf_find(s, set_of(c, number), number, found);

	if (!*found)
		slot_clear(s, i);
	s->slots[i].number = number;
	s->slots[i].used = ++c->tick;
	return key_at(s, i);
}

/* Nothing came to stand there. */
static void shelf_untake(struct shelf *s, const void *key)
{
	s->slots[(size_t)((const uint8_t *)key - s->keys) / s->stride].used = 0;
}

static void shelf_drop(struct keycache *c, struct shelf *s, uint64_t number)
{
	bool found;
	size_t i = shelf_find(s, set_of(c, number), number, &found);

	if (found)
		slot_clear(s, i);
}

static void shelf_free(struct shelf *s, size_t entries)
{
	for (size_t i = 0; s->slots && s->keys && i < entries; i++)
		slot_clear(s, i);
	free(s->slots);
	free(s->keys);
}

struct keycache *keycache_new(size_t entries)
{
	struct keycache *c;
	size_t rounded = WAYS;

	if (entries > ENTRIES_MAX)
		return NULL;
	while (rounded < entries)
		rounded *= 2;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	if (!shelf_init(&c->aead, rounded, aead_key_size(), clear_aead) ||
	    !shelf_init(&c->mask, rounded, mask_key_size(), clear_mask)) {
		keycache_free(c); /* with no entries yet: nothing to wipe */
		return NULL;
	}
	c->entries = rounded;
	return c;
}

void keycache_free(struct keycache *c)
{
	if (!c)
		return;
	shelf_free(&c->aead, c->entries);
	shelf_free(&c->mask, c->entries);
	free(c);
}

struct aead_key *keycache_aead(struct keycache *c, uint64_t number, enum suite suite,
			       const uint8_t key[PROTO_KEY_LEN])
{
	bool found;
	struct aead_key *k = shelf_take(c, &c->aead, number, &found);

	if (found || aead_key_init(k, suite, key))
		return k;
	shelf_untake(&c->aead, k);
	return NULL;
}

struct mask_key *keycache_mask(struct keycache *c, uint64_t number, enum suite suite,
			       const uint8_t key[PROTO_KEY_LEN])
{
	bool found;
	struct mask_key *k = shelf_take(c, &c->mask, number, &found);

	if (!found)
		mask_key_init(k, suite, key);
	return k;
}

void keycache_drop(struct keycache *c, uint64_t number)
{
	shelf_drop(c, &c->aead, number);
	shelf_drop(c, &c->mask, number);
}
