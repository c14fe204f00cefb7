/*
 * What an engine is made of and has to give back: a client's own state with its timers, and the slabs of sessions, paths and
 * keys. Called by engine_new() and engine_free() alone.
 *
 * On the thread of the engine.
 */
#include "session/setup.h"

#include <stdlib.h>

#include "session/client_state.h"
#include "session/connect.h"
#include "session/failover.h"
#include "session/inside.h"
#include "session/keys.h"
#include "session/ladder.h"
#include "session/session.h"
#include "session/uplink.h"
#include "session/welcome.h"
#include "session/wheel.h"

bool setup_client(struct engine *e, struct jv_time now)
{
	struct client *c = calloc(1, sizeof(*c));
	const size_t items = (size_t)POLICY_PARTS_MAX * POLICY_ITEMS_MAX;

	if (!c)
		return false;
	e->client = c;
	c->engine = e;
	c->connecting_since = now;
	c->items = calloc(items, sizeof(c->items[0]));
	c->coming = calloc(items, sizeof(c->coming[0]));
	c->accepted = calloc(items, sizeof(c->accepted[0]));
	ladder_init(c);
	timer_init(&c->settle, uplink_settle);
	timer_init(&c->retry, connect_retry);
	timer_init(&c->complain, connect_complain);
	timer_init(&c->waiting.due, welcome_waited);
	failover_init(c);
	return c->items && c->coming && c->accepted;
}

void setup_client_free(struct engine *e)
{
	struct client *c = e->client;

	if (!c)
		return;
	free(c->items);
	free(c->coming);
	free(c->accepted);
	inside_free(c);
	crypto_wipe(c, sizeof(*c));
	free(c);
}

bool setup_slabs(struct engine *e, size_t sessions)
{
	const size_t token = e->config->role == ROLE_CLIENT ? PROTO_TOKEN_LEN : 0;

	key_store_init(&e->key_store, e->cache, sessions);
	for (size_t i = 0; i <= PROTO_SLOTS_MAX; i++)
		slab_init(&e->session_slab[i], sizeof(struct session) + i * (sizeof(struct slot) + token),
			  sessions);
	slab_init(&e->paths, sizeof(struct path), sessions * PROTO_SLOTS_MAX);
	slab_init(&e->lags, sizeof(struct lags), sessions);
	slab_init(&e->healths, sizeof(struct health), sessions * PROTO_SLOTS_MAX);
	slab_init(&e->upkeeps, sizeof(struct upkeep), sessions * PROTO_SLOTS_MAX);
	slab_init(&e->pmtus, sizeof(struct pmtu), sessions * PROTO_SLOTS_MAX);
	slab_init(&e->trials, sizeof(struct trial), sessions * PROTO_SLOTS_MAX);
	slab_init(&e->jumps, sizeof(struct jump), sessions);
	slab_init(&e->orders, sizeof(struct jump_order), sessions);
	slab_init(&e->exchanges, sizeof(struct exchange), sessions);
	slab_init(&e->flaps, sizeof(struct flapping), sessions);
	slab_init(&e->passages, sizeof(struct passage), sessions);
	slab_init(&e->rebindings, sizeof(struct rebindings), sessions);
	slab_init(&e->rares, sizeof(struct rare), sessions);
	/* The one in force and the one that waits; and one more while the latter changes. */
	return policies_init(&e->policies, 2 * sessions + 1);
}

void setup_slabs_free(struct engine *e)
{
	key_store_free(&e->key_store);
	policies_free(&e->policies);
	for (size_t i = 0; i <= PROTO_SLOTS_MAX; i++)
		slab_free(&e->session_slab[i]);
	slab_free(&e->paths);
	nears_free(&e->nears);
	slab_free(&e->lags);
	slab_free(&e->healths);
	slab_free(&e->upkeeps);
	slab_free(&e->pmtus);
	slab_free(&e->trials);
	slab_free(&e->jumps);
	slab_free(&e->orders);
	slab_free(&e->exchanges);
	slab_free(&e->flaps);
	slab_free(&e->passages);
	slab_free(&e->rebindings);
	slab_free(&e->rares);
}

size_t setup_slabs_bytes(const struct engine *e)
{
	const struct slab *const slabs[] = {
		&e->paths,     &e->lags,  &e->healths,  &e->upkeeps, &e->pmtus,         &e->trials, &e->jumps,
		&e->orders,
		&e->exchanges, &e->flaps, &e->passages, &e->rebindings, &e->rares, &e->policies.held,
	};
	size_t bytes = key_store_bytes(&e->key_store);

	for (size_t i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++)
		bytes += slab_bytes(slabs[i]);
	for (size_t i = 0; i <= PROTO_SLOTS_MAX; i++)
		bytes += slab_bytes(&e->session_slab[i]);
	return bytes;
}
