/*
 * What a client lets its server have inside: of what the server says, addresses, routes and name servers that the
 * client's own file and its shell accept; and of its packets, those from where the client sends to. Where they may go
 * to is the kernel's to say, as for any router, unless the file has a list.
 *
 * On the thread of the engine.
 */
#include "session/inside.h"

#include <errno.h>

#include "session/client_state.h"
#include "session/session.h"

#define OWN 0 /* a number in the tables, where only being there counts */

static bool lies_within(const struct config_networks *list, const struct prefix *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (p->len >= list->at[i].len && prefix_contains(&list->at[i], &p->ip))
			return true;
	return !list->set;
}

static const struct config_networks *list_for(const struct config *c, enum net_item_kind kind)
{
	if (kind == NET_ITEM_ADDRESS)
		return &c->accept.addresses;
	return kind == NET_ITEM_ROUTE ? &c->accept.routes : &c->accept.dns;
}

/* What the file names is accepted; without a list, what the shell does not keep for itself. */
static bool accepts(const struct engine *e, const struct net_item *item)
{
	const struct config_networks *list = list_for(e->config, item->kind);

	if (list->set)
		return lies_within(list, &item->prefix);
	return !e->io.net_taken || !e->io.net_taken(e->ctx, item);
}

static bool add_all(struct lpm *l, const struct prefix *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lpm_add(l, &list[i], OWN, NULL) == -ENOMEM)
			return false;
	return true;
}

static bool add_items(struct lpm *l, const struct client *c, enum net_item_kind kind)
{
	for (size_t i = 0; i < c->naccepted; i++)
		if (c->accepted[i].kind == kind && !add_all(l, &c->accepted[i].prefix, 1))
			return false;
	return true;
}

static struct lpm *sources_of(const struct client *c)
{
	const struct config *cfg = c->engine->config;
	struct lpm *l = lpm_new(c->naccepted + cfg->accept.sources.n);
	bool ok = l && add_all(l, cfg->accept.sources.at, cfg->accept.sources.n);

	if (ok && cfg->tunnel.routes_set)
		ok = add_all(l, cfg->tunnel.routes, cfg->tunnel.nroutes);
	else if (ok)
		ok = add_items(l, c, NET_ITEM_ROUTE);
	if (ok)
		return l;
	lpm_free(l);
	return NULL;
}

static struct lpm *destinations_of(const struct client *c)
{
	const struct prefix everywhere[] = { { ip_from_v4((const uint8_t[4]){ 0 }), 96 }, { .len = 0 } };
	const struct config *cfg = c->engine->config;
	const bool listed = cfg->accept.destinations.set;
	struct lpm *l = lpm_new(c->naccepted + cfg->accept.destinations.n + 2);
	bool ok = l && (listed ? add_all(l, cfg->accept.destinations.at, cfg->accept.destinations.n)
			       : add_all(l, everywhere, 2));

	for (size_t i = 0; ok && cfg->tunnel.addresses_set && i < cfg->tunnel.naddresses; i++) {
		const struct prefix host = { cfg->tunnel.addresses[i].ip, 128 };

		ok = add_all(l, &host, 1);
	}
	if (ok && !cfg->tunnel.addresses_set)
		ok = add_items(l, c, NET_ITEM_ADDRESS);
	if (ok)
		return l;
	lpm_free(l);
	return NULL;
}

void inside_set_up(struct client *c)
{
	struct engine *e = c->engine;
	struct net_setup n = { .mtu = c->mtu, .items = c->accepted };

	c->naccepted = c->nrefused = 0;
	for (size_t i = 0; i < c->nitems; i++)
		if (accepts(e, &c->items[i]))
			c->accepted[c->naccepted++] = c->items[i];
	for (size_t i = 0; i < c->nitems; i++)
		if (!accepts(e, &c->items[i]))
			c->accepted[c->naccepted + c->nrefused++] = c->items[i];
	n.count = c->naccepted;
	n.refused = c->accepted + c->naccepted;
	n.nrefused = c->nrefused;
	inside_free(c);
	c->sources = sources_of(c);
	c->destinations = destinations_of(c);
	if (!c->sources || !c->destinations) { /* nothing passes, until the server has said it all again */
		e->counters.n[COUNT_NO_MEMORY]++;
		c->session->policy_generation = 0;
	}
	e->io.net_setup(e->ctx, &n);
}

void inside_free(struct client *c)
{
	lpm_free(c->sources);
	lpm_free(c->destinations);
	c->sources = c->destinations = NULL;
}

bool inside_takes(const struct client *c, const struct ip *src, const struct ip *dst)
{
	return c->sources && c->destinations && lpm_find(c->sources, src) != LPM_NONE &&
	       lpm_find(c->destinations, dst) != LPM_NONE;
}
