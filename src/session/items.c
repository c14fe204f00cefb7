/*
 * Server: what lies in the tunnel. Which addresses, routes and name servers a peer is given, and which outer addresses lead
 * inside, from where nobody is heard.
 *
 * On the thread of the engine.
 */
#include "session/items.h"

struct item_list {
	struct net_item *out;
	size_t n, max; /* n may grow beyond max: only the first ones are written */
};

static void item_add(struct item_list *l, enum net_item_kind kind, const struct ip *ip, uint8_t len)
{
	if (l->n < l->max)
		l->out[l->n] = (struct net_item){ kind, { *ip, len } };
	l->n++;
}

static bool is_routed(const struct config_peer *peer, const struct ip *ip)
{
	for (size_t i = 0; i < peer->nroutes; i++)
		if (prefix_contains(&peer->routes[i], ip))
			return true;
	return false;
}

/* The length of the longest of these prefixes that holds all of `p`, or -1. */
static int longest_around(const struct prefix *list, size_t n, const struct prefix *p)
{
	int len = -1;

	for (size_t i = 0; i < n; i++)
		if (list[i].len <= p->len && prefix_contains(&list[i], &p->ip) && list[i].len > len)
			len = list[i].len;
	return len;
}

/*
 * The shell leads outer packets past the networks behind peers, where the routes are its own affair; not past those of the
 * server's own addresses.
 */
bool items_lead_to(const struct engine *e, const struct ip *remote)
{
	const struct config *c = e->config;
	const struct prefix host = { *remote, 128 };

	if (lpm_find_special(c->owners, remote) == LPM_NONE)
		return false;
	return c->tunnel.table != 0 || longest_around(c->tunnel.addresses, c->tunnel.naddresses, &host) >= 0;
}

/* Is it where the peer is itself? A route into the tunnel would cut it off from its own network. */
static bool is_at_peer(const struct config *c, uint32_t index, const struct prefix *route)
{
	const struct config_peer *peer = &c->peers[index];

	if (config_owner(c, &route->ip) != index)
		return false;
	return longest_around(peer->addresses, peer->naddresses, route) >
	       longest_around(c->tunnel.addresses, c->tunnel.naddresses, route);
}

size_t items_of(const struct engine *e, const struct session *s, struct net_item *out, size_t max)
{
	const struct config_peer *peer = &e->config->peers[s->peer];
	struct item_list l = { .out = out, .max = max };

	for (size_t i = 0; i < peer->naddresses; i++)
		if (peer->addresses[i].len == 128)
			item_add(&l, NET_ITEM_ADDRESS, &peer->addresses[i].ip, 128);
	for (size_t i = 0; i < peer->nroutes; i++)
		if (!is_at_peer(e->config, s->peer, &peer->routes[i]))
			item_add(&l, NET_ITEM_ROUTE, &peer->routes[i].ip, peer->routes[i].len);
	for (size_t i = 0; peer->nroutes > 0 && i < e->config->tunnel.naddresses; i++)
		if (!is_routed(peer, &e->config->tunnel.addresses[i].ip))
			item_add(&l, NET_ITEM_ROUTE, &e->config->tunnel.addresses[i].ip, 128);
	for (size_t i = 0; i < peer->ndns; i++)
		item_add(&l, NET_ITEM_DNS, &peer->dns[i], 128);
	return l.n;
}
