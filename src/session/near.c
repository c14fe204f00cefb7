/*
 * On the thread of the engine.
 */
#include "session/near.h"

#include <stdlib.h>
#include <string.h>

void nears_init(struct nears *all, const struct hash_key *key)
{
	*all = (struct nears){ .key = *key };
}

void nears_free(struct nears *all)
{
	free(all->at);
	all->at = NULL;
	all->n = all->room = 0;
}

static uint16_t *bucket_of(struct nears *all, const struct near *n)
{
	uint8_t bytes[sizeof(n->local) + sizeof(n->socket) + sizeof(n->scope)];

	memcpy(bytes, &n->local, sizeof(n->local));
	memcpy(bytes + sizeof(n->local), &n->socket, sizeof(n->socket));
	memcpy(bytes + sizeof(n->local) + sizeof(n->socket), &n->scope, sizeof(n->scope));
	return &all->bucket[hash_bytes(&all->key, bytes, sizeof(bytes)) % NEARS_BUCKETS];
}

static bool grow(struct nears *all)
{
	const size_t room = all->room ? all->room * 2 : 4;
	struct near *more = realloc(all->at, room * sizeof(*more));

	if (!more)
		return false;
	memset(more + all->room, 0, (room - all->room) * sizeof(*more));
	all->at = more;
	all->room = room;
	if (all->n == 0)
		all->n = 1;
	return true;
}

static uint16_t fresh(struct nears *all)
{
	const uint16_t number = all->unused;

	if (number) {
		all->unused = all->at[number].next;
		return number;
	}
	if (all->n > NEARS_MAX || (all->n == all->room && !grow(all)))
		return 0;
	return (uint16_t)all->n++;
}

uint16_t nears_take(struct nears *all, const struct route *r)
{
	struct near n = { .local = r->local, .socket = r->socket, .scope = r->remote.scope, .users = 1 };
	uint16_t *first = bucket_of(all, &n), number;

	for (number = *first; number; number = all->at[number].next)
		if (near_is(&all->at[number], r))
			break;
	if (number) {
		all->at[number].users++;
		return number;
	}
	number = fresh(all);
	if (number) {
		n.next = *first;
		all->at[number] = n;
		*first = number;
	}
	return number;
}

void nears_drop(struct nears *all, uint16_t number)
{
	struct near *n;
	uint16_t *link;

	if (number == 0)
		return;
	n = &all->at[number];
	if (--n->users > 0)
		return;
	link = bucket_of(all, n);
	while (*link != number)
		link = &all->at[*link].next;
	*link = n->next;
	n->next = all->unused;
	all->unused = number;
}
