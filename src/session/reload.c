/*
 * Server: all sessions under a new configuration. A peer may be gone, elsewhere in the list, or under another policy.
 *
 * On the thread of the engine.
 */
#include "session/reload.h"

#include <stdlib.h>

#include "session/admit.h"
#include "session/births.h"
#include "session/life.h"
#include "session/session.h"
#include "session/tell.h"
#include "session/trail.h"

#define POLICIES_PER_MS 32 /* told to clients, one after the other: packets go in between */

static bool same_addresses(const struct config_peer *a, const struct config_peer *b)
{
	if (a->naddresses != b->naddresses)
		return false;
	for (size_t i = 0; i < a->naddresses; i++)
		if (a->addresses[i].len != b->addresses[i].len ||
		    !ip_equal(&a->addresses[i].ip, &b->addresses[i].ip))
			return false;
	return true;
}

/* One session under the new configuration: its peer may be gone, elsewhere in the list, or under another
 * policy. */
static void session_configure(struct session *s, const struct config *old, const struct config *config,
			      uint64_t *owed, struct jv_time now)
{
	const ptrdiff_t i = config_find_peer(config, old->peers[s->peer].public_key);
	const struct config_peer *peer = i >= 0 ? &config->peers[i] : NULL;

	if (!peer || !same_addresses(peer, &old->peers[s->peer])) {
		life_end(s, REASON_PEER_REMOVED, now);
		return;
	}
	s->peer = (uint32_t)i;
	s->peer_name = peer->name;
	if (peer->generation == s->policy_generation && s->mtu == config->tunnel.mtu)
		return;
	s->mtu = config->tunnel.mtu;
	if (session_policy(s, &peer->policy, peer->generation))
		tell_policy_later(s, (*owed)++ / POLICIES_PER_MS, now);
}

/* One that is superseded: DATA under it is good while its peer is, with the same addresses. */
static void late_configure(struct session *s, const struct config *old, const struct config *config)
{
	const ptrdiff_t i = config_find_peer(config, old->peers[s->peer].public_key);

	if (i < 0 || !same_addresses(&config->peers[i], &old->peers[s->peer])) {
		life_forget(s);
		return;
	}
	s->peer = (uint32_t)i;
	s->peer_name = config->peers[i].name;
}

void reload_server(struct engine *e, const struct config *old, const struct config *config,
		   struct engine_peers *next, struct jv_time now)
{
	struct list *pos, *tmp;
	uint64_t owed = 0;

	list_for_each_safe(pos, tmp, &e->superseded)
		late_configure(container_of(pos, struct session, node), old, config);
	list_for_each_safe(pos, tmp, &e->sessions)
		session_configure(container_of(pos, struct session, node), old, config, &owed, now);
	/* The indices have changed: what hangs on them is made anew. */
	trail_unattached_all(e, now);
	admit_configure(e, old, config, next->callers);
	free(e->by_peer);
	free(e->births);
	e->max_sessions = next->max_sessions;
	e->by_peer = next->by_peer;
	e->births = next->births;
	free(next);
	list_for_each(pos, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		if (s->state == STATE_BIRTH)
			births_add(s);
		else
			e->by_peer[s->peer] = s;
	}
	list_for_each(pos, &e->superseded) {
		struct session *s = container_of(pos, struct session, node);

		e->births[s->peer].superseded = s;
	}
}
