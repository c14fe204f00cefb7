/*
 * A reload: the next configuration takes over from the running one, keeps what only a restart can change, and
 * counts what did change, so that nobody's session notices a change that is not its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/peers.h"
#include "config/value.h"

/* Appends to a list of names. */
static int name_key(char **restart, const char *path)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", *restart ? *restart : "", *restart ? ", " : "", path) < 0)
		return -ENOMEM;
	free(*restart);
	*restart = longer;
	return 0;
}

static int keep_all(struct config *next, const struct config *running, char **restart)
{
	int err = 0;

	for (size_t i = 0; i < config_table.count && !err; i++) {
		const struct key *k = &config_table.keys[i];

		if (!(k->restart & 1u << running->role) || value_same(k, next, running))
			continue;
		err = name_key(restart, k->path);
		if (!err)
			err = value_copy(k, next, running);
	}
	if (!err && next->role == ROLE_SERVER)
		err = peers_push_default(next);
	if (!err)
		peers_inherit(next);
	return err;
}

/* With the running tunnel addresses kept, a peer of the next file may stand on one of them. */
static bool address_taken(const struct config *c)
{
	for (size_t i = 0; c->owners && i < c->tunnel.naddresses; i++) {
		const struct ip *own = &c->tunnel.addresses[i].ip;
		uint32_t owner = config_owner(c, own);

		for (size_t j = 0; owner != LPM_NONE && j < c->peers[owner].naddresses; j++) {
			const struct prefix *a = &c->peers[owner].addresses[j];

			if (prefix_contains(a, own) && a->len >= c->tunnel.addresses[i].len)
				return true;
		}
	}
	return false;
}

/* From here on they are nobody else's. */
static int reserve_own(struct config *c)
{
	int err = 0;

	for (size_t i = 0; c->owners && i < c->tunnel.naddresses && err != -ENOMEM; i++) {
		const struct prefix own = { c->tunnel.addresses[i].ip, 128 };

		err = lpm_add(c->owners, &own, OWNER_SELF, NULL); /* -EEXIST: it stands twice */
	}
	return err == -ENOMEM ? err : 0;
}

/* --- peers --- */

static bool same_push(const struct config_peer *a, const struct config_peer *b)
{
	return a->nroutes == b->nroutes && a->ndns == b->ndns &&
	       !memcmp(&a->policy, &b->policy, sizeof(a->policy)) &&
	       (!a->nroutes || !memcmp(a->routes, b->routes, a->nroutes * sizeof(*a->routes))) &&
	       (!a->ndns || !memcmp(a->dns, b->dns, a->ndns * sizeof(*a->dns)));
}

/*
 * What stays keeps its index, so that a reload costs those who hold one what has changed and not what there is; what is
 * new takes the places of what is gone. What stood behind the end of a list that has become shorter moves, too.
 */
static int keep_places(struct config *next, const struct config *running)
{
	const size_t n = next->npeers;
	uint32_t *to = calloc(n + 1, sizeof(*to)), place = 0;
	bool *taken = calloc(n + 1, sizeof(*taken));
	int err = -ENOMEM;

	for (size_t i = 0; to && taken && i < n; i++) {
		const ptrdiff_t was = config_find_peer(running, next->peers[i].public_key);

		to[i] = was >= 0 && (size_t)was < n ? (uint32_t)was : UINT32_MAX;
		if (to[i] != UINT32_MAX)
			taken[to[i]] = true;
	}
	for (size_t i = 0; to && taken && i < n; i++) {
		if (to[i] != UINT32_MAX)
			continue;
		while (taken[place])
			place++;
		to[i] = place++;
	}
	if (to && taken)
		err = peers_reorder(next, to);
	free(to);
	free(taken);
	return err;
}

/* What stays keeps its worker and its count of changes; marks what is new with home = workers. */
static void follow_peers(struct config *next, const struct config *running, uint32_t workers, size_t *load)
{
	const bool mtu = running && running->tunnel.mtu != next->tunnel.mtu; /* pushed like the rest */

	for (size_t i = 0; i < next->npeers; i++) {
		struct config_peer *peer = &next->peers[i];
		ptrdiff_t was = running ? config_find_peer(running, peer->public_key) : -1;
		const struct config_peer *old = was >= 0 ? &running->peers[was] : NULL;

		peer->home = old && old->home < workers ? old->home : workers;
		peer->generation = old ? old->generation + (mtu || !same_push(old, peer)) : 1;
		if (peer->home < workers)
			load[peer->home]++;
	}
}

static void house_peers(struct config *next, uint32_t workers, size_t *load)
{
	for (size_t i = 0; i < next->npeers; i++) {
		uint32_t least = 0;

		if (next->peers[i].home < workers)
			continue;
		for (uint32_t w = 1; w < workers; w++)
			if (load[w] < load[least])
				least = w;
		next->peers[i].home = least;
		load[least]++;
	}
}

int config_adopt(struct config *next, const struct config *running, uint32_t workers, char **restart)
{
	size_t *load;
	int err = 0;

	*restart = NULL;
	if (!workers)
		workers = 1;
	if (running && running->role != next->role)
		return name_key(restart, "role") ? -ENOMEM : -EINVAL;
	load = calloc(workers, sizeof(*load));
	if (!load)
		return -ENOMEM;
	next->generation = running ? running->generation + 1 : 1;
	if (running)
		err = keep_all(next, running, restart);
	if (!err && address_taken(next))
		err = -EINVAL;
	if (!err)
		err = reserve_own(next);
	if (!err && running && next->npeers > 0)
		err = keep_places(next, running);
	if (!err) {
		follow_peers(next, running, workers, load);
		house_peers(next, workers, load);
	}
	free(load);
	return err;
}
