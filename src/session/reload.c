/*
 * Server: a new configuration. A peer may be gone, elsewhere in the list, or under another policy.
 *
 * What has changed is found, and memory for it made, by whoever brings the configuration (reload_prepare(), on any thread).
 * The thread of the engine then looks at these peers alone, and nothing that is left to do can fail. All the rest here is
 * on that thread.
 */
#include "session/reload.h"

#include <stdlib.h>
#include <string.h>

#include "session/admit.h"
#include "session/life.h"
#include "session/tell.h"
#include "session/trail.h"

#define POLICIES_PER_MS 32 /* told to clients, one after the other: packets go in between */
#define GONE UINT32_MAX
#define ROOM_MIN 16

/* A peer whose index, policy or addresses are others now. */
struct change {
	uint32_t was, is; /* indices in the two lists; GONE */
	bool ends;        /* its sessions: it is gone, or has other addresses */
	/* held in between */
	struct session *session;
	struct caller *caller;
};

struct engine_peers {
	size_t max_sessions; /* the worker's part of the configuration's */
	struct session **by_peer;
	struct caller **callers;
	size_t room;
	struct change *change;
	size_t n;
};

/* --- what has changed --- */

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

/* Does it differ, and how? */
static bool compare(const struct config *running, const struct config *next, uint32_t was, struct change *c)
{
	const struct config_peer *old = &running->peers[was];
	const ptrdiff_t i = config_find_peer(next, old->public_key);
	const struct config_peer *peer = i >= 0 ? &next->peers[i] : NULL;

	*c = (struct change){ .was = was, .is = peer ? (uint32_t)i : GONE };
	c->ends = !peer || !same_addresses(peer, old);
	return c->ends || c->is != was || peer->generation != old->generation ||
	       running->tunnel.mtu != next->tunnel.mtu;
}

static bool find_changes(struct engine_peers *p, const struct config *running, const struct config *next)
{
	struct change c;
	size_t n = 0;

	for (uint32_t i = 0; i < running->npeers; i++)
		n += compare(running, next, i, &c);
	p->change = malloc((n + 1) * sizeof(*p->change));
	if (!p->change)
		return false;
	for (uint32_t i = 0; i < running->npeers; i++)
		if (compare(running, next, i, &c))
			p->change[p->n++] = c;
	return true;
}

/* Of max_sessions a worker has as large a part as it has of the peers, rounded up: where there may be one for each peer, each
 * gets one. */
static size_t part_of(const struct config *config, uint32_t worker, uint32_t workers)
{
	uint64_t housed = 0;

	for (size_t i = 0; i < config->npeers; i++)
		housed += config->peers[i].home % workers == worker;
	return housed == 0 ? 0 : (config->max_sessions * housed + config->npeers - 1) / config->npeers;
}

struct engine_peers *reload_prepare(const struct config *running, const struct config *next, uint32_t worker,
				    uint32_t workers)
{
	struct engine_peers *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->max_sessions = part_of(next, worker, workers);
	/* With room to grow into, so that it seldom has to move. */
	for (p->room = ROOM_MIN; p->room < next->npeers + 1;)
		p->room *= 2;
	p->by_peer = calloc(p->room, sizeof(p->by_peer[0]));
	p->callers = calloc(p->room, sizeof(p->callers[0]));
	if (p->by_peer && p->callers && (!running || find_changes(p, running, next)))
		return p;
	reload_drop(p);
	return NULL;
}

void reload_drop(struct engine_peers *p)
{
	if (!p)
		return;
	free(p->by_peer);
	free(p->callers);
	free(p->change);
	free(p);
}

/* --- places --- */

/* The larger ones, or much smaller ones, for those that there are. */
static void take_room(struct engine *e, struct engine_peers *p)
{
	const size_t n = e->peer_room < p->room ? e->peer_room : p->room;

	e->max_sessions = p->max_sessions;
	if (p->room <= e->peer_room && p->room > e->peer_room / 8)
		return;
	if (n > 0) {
		memcpy(p->by_peer, e->by_peer, n * sizeof(p->by_peer[0]));
		memcpy(p->callers, e->callers, n * sizeof(p->callers[0]));
	}
	free(e->by_peer);
	free(e->callers);
	e->by_peer = p->by_peer;
	e->callers = p->callers;
	e->peer_room = p->room;
	p->by_peer = NULL;
	p->callers = NULL;
}

bool reload_begin(struct engine *e)
{
	struct engine_peers *p = reload_prepare(NULL, e->config, e->worker, e->workers);

	if (!p)
		return false;
	take_room(e, p);
	reload_drop(p);
	return true;
}

void reload_free(struct engine *e)
{
	for (size_t i = 0; i < e->peer_room; i++)
		free(e->callers[i]);
	free(e->by_peer);
	free(e->callers);
}

/* --- what it means for the sessions --- */

/* Under the old configuration, in which they have a name. */
static void end_sessions(struct engine *e, const struct change *c, struct jv_time now)
{
	const struct caller *caller = e->callers[c->was];

	if (e->by_peer[c->was])
		life_end(e->by_peer[c->was], REASON_PEER_REMOVED, now);
	while (caller && caller->has.s[0])
		life_end(caller->has.s[0], REASON_PEER_REMOVED, now);
	if (caller && caller->has.superseded)
		life_forget(caller->has.superseded);
}

static void lift(struct engine *e, struct change *c)
{
	c->session = e->by_peer[c->was];
	c->caller = e->callers[c->was];
	e->by_peer[c->was] = NULL;
	e->callers[c->was] = NULL;
}

static void put(struct engine *e, const struct change *c)
{
	if (c->is == GONE) {
		free(c->caller);
		return;
	}
	e->by_peer[c->is] = c->session;
	e->callers[c->is] = c->caller;
	if (c->session)
		c->session->peer = c->is;
	if (!c->caller)
		return;
	for (unsigned int i = 0; i < BIRTHS_MAX && c->caller->has.s[i]; i++)
		c->caller->has.s[i]->peer = c->is;
	if (c->caller->has.superseded)
		c->caller->has.superseded->peer = c->is;
}

static void session_configure(struct session *s, const struct config *config, uint64_t *owed, struct jv_time now)
{
	const struct config_peer *peer = &config->peers[s->peer];

	if (peer->generation == s->policy_generation && s->mtu == config->tunnel.mtu)
		return;
	s->mtu = config->tunnel.mtu;
	if (session_policy(s, &peer->policy, peer->generation))
		tell_policy_later(s, (*owed)++ / POLICIES_PER_MS, now);
}

static void sessions_configure(const struct change *c, const struct config *config, uint64_t *owed,
			       struct jv_time now)
{
	if (c->session)
		session_configure(c->session, config, owed, now);
	for (unsigned int i = 0; c->caller && i < BIRTHS_MAX && c->caller->has.s[i]; i++)
		session_configure(c->caller->has.s[i], config, owed, now);
}

void reload_server(struct engine *e, const struct config *config, struct engine_peers *next, struct jv_time now)
{
	uint64_t owed = 0;

	e->policy_version = config->generation;
	for (size_t i = 0; i < next->n; i++)
		if (next->change[i].ends)
			end_sessions(e, &next->change[i], now);
	trail_unattached_all(e, now); /* who waits there goes by his old index */
	for (size_t i = 0; i < next->n; i++)
		lift(e, &next->change[i]);
	take_room(e, next);
	e->config = config;
	admit_configured(e);
	for (size_t i = 0; i < next->n; i++)
		put(e, &next->change[i]);
	for (size_t i = 0; i < next->n; i++)
		if (next->change[i].is != GONE)
			sessions_configure(&next->change[i], config, &owed, now);
	reload_drop(next);
}
