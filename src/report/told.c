#include "report/told.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static size_t slot_of(const struct told_table *tt, const uint8_t id[16])
{
	static const struct hash_key key;

	return hash_bytes(&key, id, 16) & (tt->buckets - 1);
}

struct told *told_first(const struct told_table *tt, const uint8_t id[16])
{
	return tt->bucket[slot_of(tt, id)];
}

struct told *told_find(const struct told_table *tt, uint32_t number, const uint8_t id[16])
{
	for (struct told *t = told_first(tt, id); t; t = t->next)
		if (t->origin->number == number && memcmp(t->id, id, sizeof(t->id)) == 0)
			return t;
	return NULL;
}

static void grow(struct told_table *tt)
{
	struct told **old = tt->bucket;
	const size_t n = tt->buckets;
	struct told **bigger = calloc(2 * n, sizeof(struct told *));

	if (!bigger)
		return; /* slower, not wrong */
	tt->bucket = bigger;
	tt->buckets = 2 * n;
	for (size_t i = 0; i < n; i++) {
		while (old[i]) {
			struct told *t = old[i];
			const size_t slot = slot_of(tt, t->id);

			old[i] = t->next;
			t->next = tt->bucket[slot];
			tt->bucket[slot] = t;
		}
	}
	free(old);
}

/* A gap costs the same however many sessions there are: each notices by itself. */
uint64_t told_gaps(const struct told *t)
{
	return t->origin->gaps[t->worker] + t->origin->gaps_any;
}

bool told_is_unsure(const struct told *t)
{
	return t->gaps != told_gaps(t);
}

struct told *told_new(struct told_table *tt, struct origin *o, const struct audit_record *r)
{
	struct told *t = calloc(1, sizeof(*t));
	size_t slot;

	if (!t)
		return NULL;
	if (tt->living >= tt->buckets)
		grow(tt);
	t->origin = o;
	memcpy(t->id, r->session_id, sizeof(t->id));
	t->worker = r->worker;
	t->gaps = told_gaps(t);
	t->client = r->client;
	t->active = AUDIT_NO_PATH;
	t->born = t->left_attached = t->switches.last = t->rebindings.last = t->bounds_at = t->minute = TIME_NEVER;
	t->since = t->last = r->at;
	slot = slot_of(tt, t->id);
	t->next = tt->bucket[slot];
	tt->bucket[slot] = t;
	o->living++;
	tt->living++;
	tt->sessions++;
	return t;
}

void told_forget(struct told_table *tt, struct told *t)
{
	struct told **at = &tt->bucket[slot_of(tt, t->id)];

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->origin->living--;
	tt->living--;
	free(t->switches.at);
	free(t->rebindings.at);
	free(t);
}

bool told_has_ended(const struct told_table *tt, uint32_t number, const uint8_t id[16])
{
	const size_t n = tt->ended < TOLD_RECENT ? tt->ended : TOLD_RECENT;

	for (size_t i = 0; i < n; i++)
		if (tt->recent[i].number == number && memcmp(tt->recent[i].id, id, 16) == 0)
			return true;
	return false;
}

struct origin *told_origin(struct told_table *tt, uint32_t number)
{
	struct origin *o;

	for (struct list *l = tt->origins.next; l != &tt->origins; l = l->next) {
		o = container_of(l, struct origin, node);
		if (o->number == number)
			return o;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->number = number;
	list_append(&tt->origins, &o->node);
	return o;
}

void told_ended(struct told_table *tt, struct told *t)
{
	const size_t at = tt->ended++ % TOLD_RECENT;

	memcpy(tt->recent[at].id, t->id, sizeof(t->id));
	tt->recent[at].number = t->origin->number;
	told_forget(tt, t);
}

void told_origin_free(struct origin *o)
{
	list_remove(&o->node);
	free(o);
}

bool told_init(struct told_table *tt)
{
	list_init(&tt->origins);
	tt->buckets = 64;
	tt->bucket = calloc(tt->buckets, sizeof(struct told *));
	return tt->bucket != NULL;
}

void told_free(struct told_table *tt)
{
	for (size_t i = 0; i < tt->buckets; i++)
		while (tt->bucket[i])
			told_forget(tt, tt->bucket[i]);
	while (!list_is_empty(&tt->origins))
		told_origin_free(container_of(tt->origins.next, struct origin, node));
	free(tt->bucket);
}
