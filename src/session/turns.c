#include "session/turns.h"

#include "session/job.h"

void turns_init(struct turns *t, const struct hash_key *key)
{
	t->key = *key;
	t->n = t->from = 0;
	list_init(&t->ring);
	for (size_t i = 0; i < TURNS_NETS; i++) {
		list_init(&t->turn[i].jobs);
		list_init(&t->turn[i].node);
		t->turn[i].n = 0;
	}
}

static struct turn *turn_of(struct turns *t, const struct job *j)
{
	const struct ip *from = &j->from.remote.ip;
	const struct ip net = ip_masked(from, ip_is_v4(from) ? 120 : 48);

	return &t->turn[hash_bytes(&t->key, net.b, sizeof(net.b)) % TURNS_NETS];
}

static struct job *take(struct turns *t, struct turn *q, struct list *node)
{
	list_remove(node);
	t->n--;
	if (--q->n == 0)
		list_remove(&q->node);
	return container_of(node, struct job, node);
}

static struct turn *longest(struct turns *t)
{
	struct turn *found = &t->turn[t->from++ % TURNS_NETS];

	for (size_t i = 0; i < TURNS_NETS; i++) {
		struct turn *q = &t->turn[(t->from + i) % TURNS_NETS];

		if (q->n > found->n)
			found = q;
	}
	return found;
}

/* The one that waits already of this address and port. */
static struct job *earlier(const struct turn *q, const struct job *j)
{
	struct list *pos;

	list_for_each(pos, &q->jobs) {
		struct job *other = container_of(pos, struct job, node);

		if (endpoint_equal(&other->from.remote, &j->from.remote))
			return other;
	}
	return NULL;
}

/* The later HELLO of one address and port replaces the one that waits; but not one of a proven address, if its own is not
 * proven, for that may be forged. Answers the one that does not wait. */
static struct job *replace(struct job *old, struct job *j)
{
	if (old->address_proven && !j->address_proven)
		return j;
	list_append(&old->node, &j->node);
	list_remove(&old->node);
	return old;
}

struct job *turns_add(struct turns *t, struct job *j)
{
	struct turn *q = turn_of(t, j), *most = NULL;
	struct job *out = earlier(q, j);

	if (out)
		return replace(out, j);
	if (t->n == TURNS_MAX) {
		most = longest(t);
		if (q->n >= most->n)
			return j;
		out = take(t, most, most->jobs.prev);
	}
	if (q->n++ == 0)
		list_append(&t->ring, &q->node);
	list_append(&q->jobs, &j->node);
	t->n++;
	return out;
}

struct job *turns_next(struct turns *t)
{
	struct turn *q;
	struct job *j;

	if (t->n == 0)
		return NULL;
	q = container_of(t->ring.next, struct turn, node);
	j = take(t, q, q->jobs.next);
	if (q->n > 0) { /* to the end of the ring */
		list_remove(&q->node);
		list_append(&t->ring, &q->node);
	}
	return j;
}
