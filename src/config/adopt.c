/*
 * A reload: the next configuration takes over from the running one, keeps what only a restart can change, and
 * counts what did change, so that nobody's session notices a change that is not its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/parse.h"

static const void *at(const struct config *c, size_t offset)
{
	return (const char *)c + offset;
}

static size_t list_count(const struct config *c, const struct key *k)
{
	return *(const size_t *)at(c, k->count_at);
}

static bool same_elements(const struct key *k, const void *a, const void *b, size_t count)
{
	const struct config_listen *x = a, *y = b;

	if (k->type != KEY_LISTEN)
		return !count || !memcmp(a, b, count * key_size(k));
	for (size_t i = 0; i < count; i++)
		if (!endpoint_equal(&x[i].at, &y[i].at) || strcmp(x[i].interface, y[i].interface) != 0)
			return false;
	return true;
}

static bool same_value(const struct key *k, const struct config *a, const struct config *b)
{
	if (key_trait(k)->list)
		return list_count(a, k) == list_count(b, k) &&
		       same_elements(k, *(void *const *)at(a, k->at), *(void *const *)at(b, k->at),
				     list_count(a, k));
	if (k->type == KEY_FILE)
		return !strcmp(*(char *const *)at(a, k->at), *(char *const *)at(b, k->at));
	return !memcmp(at(a, k->at), at(b, k->at), key_size(k));
}

static void *copy(const void *data, size_t len)
{
	void *out = malloc(len ? len : 1);

	if (out && len)
		memcpy(out, data, len);
	return out;
}

/* Puts the running value in place of the next one. */
static int keep_value(const struct key *k, struct config *next, const struct config *running)
{
	char *to = (char *)next + k->at;
	bool list = key_trait(k)->list;
	const void *old;
	size_t len;
	void *kept;

	if (!list && k->type != KEY_FILE) {
		memcpy(to, at(running, k->at), key_size(k));
		return 0;
	}
	old = *(void *const *)at(running, k->at);
	len = list ? list_count(running, k) * key_size(k) : strlen(old) + 1;
	kept = copy(old, len);
	if (!kept)
		return -ENOMEM;
	free(*(void **)(void *)to);
	*(void **)(void *)to = kept;
	if (list)
		*(size_t *)(void *)((char *)next + k->count_at) = list_count(running, k);
	if (k->set_at)
		*(bool *)((char *)next + k->set_at) = *(const bool *)at(running, k->set_at);
	return 0;
}

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

		if (!(k->restart & 1u << running->role) || same_value(k, next, running))
			continue;
		err = name_key(restart, k->path);
		if (!err)
			err = keep_value(k, next, running);
	}
	if (!err && next->role == ROLE_SERVER)
		err = push_routes_default(next);
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
	if (!err) {
		follow_peers(next, running, workers, load);
		house_peers(next, workers, load);
	}
	free(load);
	return err;
}
