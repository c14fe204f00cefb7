/*
 * Policies by their hash, with a count of those that are under each.
 *
 * On the thread of the engine.
 */
#include "session/policies.h"

#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/wire.h"
#include "session/table.h"

struct held {
	struct policy policy;
	uint32_t holders;
	be64 hash;
	struct held *next; /* with the same hash */
};
_Static_assert(sizeof(struct policy) == POLICY_KEYS * sizeof(uint32_t), "policies are compared as bytes");

bool policies_init(struct policies *p, size_t most)
{
	slab_init(&p->held, sizeof(struct held), most);
	p->by_hash = table_new(most, offsetof(struct held, hash), 0);
	return p->by_hash;
}

void policies_free(struct policies *p)
{
	table_free(p->by_hash);
	slab_free(&p->held);
}

/* Policies come from this host's configuration, or from the server that a client trusts: the key need not be secret. */
static uint64_t hash_of(const struct policy *policy)
{
	static const struct hash_key key = { { 0 } };

	return hash_bytes(&key, policy, sizeof(*policy));
}

static struct held *find(struct held *h, const struct policy *policy)
{
	while (h && memcmp(&h->policy, policy, sizeof(*policy)) != 0)
		h = h->next;
	return h;
}

static struct held *add(struct policies *p, const struct policy *policy, uint64_t hash)
{
	struct held *first = table_find(p->by_hash, hash, NULL);
	struct held *h = slab_get(&p->held);

	if (!h)
		return NULL;
	h->policy = *policy;
	h->hash = put_be64(hash);
	if (first) {
		h->next = first->next;
		first->next = h;
	} else if (table_insert(p->by_hash, hash, h, 0) != 0) {
		slab_put(&p->held, h);
		return NULL;
	}
	return h;
}

const struct policy *policies_take(struct policies *p, const struct policy *policy)
{
	const uint64_t hash = hash_of(policy);
	struct held *h = find(table_find(p->by_hash, hash, NULL), policy);

	if (!h)
		h = add(p, policy, hash);
	if (!h)
		return NULL;
	h->holders++;
	return &h->policy;
}

static void forget(struct policies *p, struct held *h)
{
	const uint64_t hash = get_be64(h->hash);
	struct held *before = table_find(p->by_hash, hash, NULL);

	if (before == h) {
		table_remove(p->by_hash, hash);
		if (h->next) /* into the place that has just become free */
			table_insert(p->by_hash, hash, h->next, 0);
	} else {
		while (before->next != h)
			before = before->next;
		before->next = h->next;
	}
	slab_put(&p->held, h);
}

void policies_drop(struct policies *p, const struct policy *policy)
{
	struct held *h;

	if (!policy)
		return;
	h = container_of(policy, struct held, policy);
	if (--h->holders == 0)
		forget(p, h);
}
