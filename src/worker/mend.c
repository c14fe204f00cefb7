#include "worker/mend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/own.h"

struct mending {
	struct netlink *nl;
	const struct wanted_for *w;
	const struct device_state *device;
	struct mend *m;
};

/* --- what cannot be set --- */

static const char *why_not(const struct mending *g, bool v6, int rc, char buf[120])
{
	if (v6 && g->device->v6_off)
		snprintf(buf, 120, "IPv6 is switched off there (net.ipv6.conf.%s.disable_ipv6 = 1)",
			 g->w->name);
	else if (v6 && !g->device->v6)
		snprintf(buf, 120, "%s",
			 g->device->mtu < 1280 ? "its MTU is too small for IPv6 (1280)"
					       : "this kernel has no IPv6");
	else
		snprintf(buf, 120, "%s", strerror(-rc));
	return buf;
}

static bool is_v6_off(const struct mending *g)
{
	return g->device->v6_off || !g->device->v6;
}

static void cannot(const struct mending *g, bool v6, int rc, const char *what, const char *name)
{
	struct mend *m = g->m;
	char why[120];

	if (v6 && is_v6_off(g))
		m->v6_off = true;
	else if (m->error == 0)
		m->error = rc;
	if (m->trouble[0])
		m->more++;
	else
		snprintf(m->trouble, sizeof(m->trouble), "cannot set %s %s: %s", what, name,
			 why_not(g, v6, rc, why));
}

/* --- the link --- */

static void mend_link(const struct mending *g, uint16_t mtu)
{
	int rc;

	/* Nobody routes link-local addresses through the tunnel: what the kernel would say from one is noise to both ends. */
	if (g->device->v6 && !g->device->quiet && netlink_no_link_local(g->nl, g->w->ifindex) == 0)
		g->m->link++;
	if (g->device->up && g->device->mtu == mtu)
		return;
	rc = netlink_link_up(g->nl, g->w->ifindex, mtu);
	if (rc < 0)
		cannot(g, false, rc, "MTU and up on", g->w->name);
	else
		g->m->link++;
}

/* --- addresses --- */

static bool has(const struct prefix *list, size_t n, const struct prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].len == p->len && ip_equal(&list[i].ip, &p->ip))
			return true;
	return false;
}

static void add_address(const struct mending *g, const struct prefix *p)
{
	const bool v6 = !ip_is_v4(&p->ip);
	char text[PREFIX_STRLEN];
	int rc = v6 && is_v6_off(g) ? -EACCES : netlink_address(g->nl, g->w->ifindex, p, true);

	if (rc < 0)
		cannot(g, v6, rc, "address", prefix_format(p, text));
	else
		g->m->addresses++;
}

static void mend_addresses(const struct mending *g, const struct prefix *former, size_t nformer)
{
	const struct wanted_for *w = g->w;
	struct prefix *now = NULL;
	size_t n = 0;
	int rc = held_addresses(g->nl, w->ifindex, &now, &n);

	for (size_t i = 0; rc == 0 && i < w->naddresses; i++)
		if (!has(now, n, &w->addresses[i]))
			add_address(g, &w->addresses[i]);
	for (size_t i = 0; rc == 0 && i < nformer; i++)
		if (has(now, n, &former[i]) && !has(w->addresses, w->naddresses, &former[i]) &&
		    netlink_address(g->nl, w->ifindex, &former[i], false) == 0)
			g->m->addresses++;
	free(now);
}

/* --- routes --- */

/* A kernel without routes by source refuses such a route: then it is set without the source. */
static int set_route(const struct mending *g, const struct held_route *r)
{
	struct held_route plain = *r;
	int rc = held_route_set(g->nl, r, true);

	if (r->from.len == 0 || rc != -EINVAL)
		return rc;
	memset(&plain.from, 0, sizeof(plain.from));
	rc = held_route_set(g->nl, &plain, true);
	g->m->no_sources |= rc == 0;
	return rc;
}

static void add_route(void *ctx, const struct held_route *r)
{
	const struct mending *g = ctx;
	char text[PREFIX_STRLEN];
	int rc;

	if (r->hops == 1 && r->hop.ifindex == g->w->ifindex && r->v6 && is_v6_off(g))
		rc = -EACCES;
	else
		rc = set_route(g, r);
	if (rc == 0)
		g->m->routes++;
	else if (r->table != tunnel_escape_table(g->w->mark) || g->w->server)
		cannot(g, r->v6, rc, "route", prefix_format(&r->dst, text));
	/* else the uplink has just gone, and its successor will be told of */
}

static void remove_route(void *ctx, const struct held_route *r)
{
	const struct mending *g = ctx;

	if (held_route_set(g->nl, r, false) == 0)
		g->m->routes++;
}

struct route_changes {
	const struct mending *g;
	const struct held_route **list;
	size_t n;
};

static bool goes_by_itself(const struct mending *g, const struct held_route *r)
{
	return g->w->ending && r->hops == 1 && r->hop.ifindex == g->w->ifindex;
}

static void note(void *ctx, const struct held_route *r)
{
	struct route_changes *c = ctx;

	if (!goes_by_itself(c->g, r))
		c->list[c->n++] = r;
}

/* What is in `a` and not in `b`, together; and what did not go so, one by one. */
static void change_routes(const struct mending *g, const struct held_route *a, size_t na,
			  const struct held_route *b, size_t nb, bool add)
{
	void (*const one)(void *, const struct held_route *) = add ? add_route : remove_route;
	void *ctx = (void *)(uintptr_t)g;
	struct route_changes c = { g, calloc(na + 1, sizeof(*c.list)), 0 };
	int *rc = calloc(na + 1, sizeof(*rc));

	if (c.list && rc) {
		wanted_missing(a, na, b, nb, note, &c);
		held_routes_set(g->nl, c.list, c.n, add, rc);
		for (size_t i = 0; i < c.n; i++) {
			if (rc[i] == 0)
				g->m->routes++;
			else
				one(ctx, c.list[i]);
		}
	} else {
		wanted_missing(a, na, b, nb, one, ctx);
	}
	free(c.list);
	free(rc);
}

/* --- rules --- */

struct rules {
	struct held_rule *list;
	size_t n;
	int rc;
};

static struct rules rules_now(const struct mending *g, bool v6)
{
	struct rules r = { .n = 0 };

	r.rc = held_rules(g->nl, v6, &r.list, &r.n);
	return r;
}

static void mend_rules(const struct mending *g, bool v6, const struct rules *now, const struct held_route *routes,
		       size_t nroutes)
{
	struct held_rule *wish = NULL;
	size_t n = 0;
	int rc = now->rc;

	if (rc == 0)
		rc = wanted_rules(g->w, v6, routes, nroutes, now->list, now->n, &wish, &n);
	if (rc == 0 && !wanted_rules_are(g->w, wish, n, now->list, now->n)) {
		for (size_t i = 0; rc == 0 && i < n; i++, g->m->rules++)
			rc = held_rule_set(g->nl, v6, &wish[i], true);
		for (size_t i = 0; rc == 0 && i < now->n; i++)
			if (wanted_rule_is_own(g->w, &now->list[i])) {
				rc = held_rule_set(g->nl, v6, &now->list[i], false);
				g->m->rules++;
			}
	}
	free(wish);
	if (rc < 0 && (n > 0 || !v6))
		cannot(g, v6, rc, v6 ? "IPv6 rules" : "IPv4 rules", "of the routing");
}

static void leave_way(const struct mending *g, struct held_route *r)
{
	void *ctx = (void *)(uintptr_t)g;

	remove_route(ctx, r);
	free(r->several);
}

/*
 * IPv4 ways that are not wanted any more go before others come, and leave the list: who asks the kernel to take a route with
 * one hop away loses one with several that begins with the same.
 */
static size_t leave_ways(const struct mending *g, struct held_route *now, size_t nnow, const struct held_route *wish,
			 size_t n)
{
	const uint32_t table = tunnel_escape_table(g->w->mark);
	size_t kept = 0;

	for (size_t i = 0; i < nnow; i++) {
		if (!now[i].v6 && now[i].table == table &&
		    (n == 0 || !bsearch(&now[i], wish, n, sizeof(*wish), held_route_compare)))
			leave_way(g, &now[i]);
		else
			memmove(&now[kept++], &now[i], sizeof(*now));
	}
	return kept;
}

static void mend_routes_and_rules(const struct mending *g, const struct rules rules[2])
{
	const struct held_by by = wanted_by(g->w->name, g->w->ifindex);
	struct held_route *now = NULL, *wish = NULL;
	size_t nnow = 0, n = 0;
	int rc = held_routes(g->nl, &by, &now, &nnow);

	if (rc == 0)
		rc = wanted_routes(g->w, &wish, &n);
	if (rc == 0) {
		nnow = leave_ways(g, now, nnow, wish, n);
		change_routes(g, wish, n, now, nnow, true);
		mend_rules(g, false, &rules[0], wish, n);
		mend_rules(g, true, &rules[1], wish, n);
		change_routes(g, now, nnow, wish, n, false);
	} else {
		cannot(g, false, rc, "routes", "as wanted");
	}
	held_routes_free(now, nnow);
	held_routes_free(wish, n);
}

/* Which table our routes belong in depends on the rules of others. */
static void mend_routing(const struct mending *g)
{
	const struct rules rules[2] = { rules_now(g, false), rules_now(g, true) };
	struct wanted_for w = *g->w;
	const struct mending here = { g->nl, &w, g->device, g->m };

	for (size_t i = 0; i < 2; i++)
		w.shadowed[i] = wanted_is_shadowed(rules[i].list, rules[i].n);
	mend_routes_and_rules(&here, rules);
	free(rules[0].list);
	free(rules[1].list);
}

void mend_device(struct netlink *nl, const struct wanted_for *w, uint16_t mtu, const struct prefix *former,
		 size_t nformer, struct mend *m)
{
	struct device_state device;
	const struct mending g = { nl, w, &device, m };
	int rc;

	*m = (struct mend){ .error = 0 };
	rc = device_look(nl, w->ifindex, &device);
	if (rc == 0 && mtu > 0) {
		mend_link(&g, mtu);
		if (m->link > 0)
			(void)device_look(nl, w->ifindex, &device); /* IPv6 comes and goes with the MTU */
		mend_addresses(&g, former, nformer);
	}
	mend_routing(&g);
}

static void append(char *buf, size_t size, unsigned int n, const char *one, const char *several)
{
	const size_t len = strlen(buf);

	if (n > 0)
		snprintf(buf + len, size - len, "%s%u %s", len > 0 ? ", " : "", n, n == 1 ? one : several);
}

const char *mend_text(const struct mend *m, char buf[80])
{
	buf[0] = '\0';
	append(buf, 80, m->link, "setting", "settings");
	append(buf, 80, m->addresses, "address", "addresses");
	append(buf, 80, m->routes, "route", "routes");
	append(buf, 80, m->rules, "rule", "rules");
	return buf;
}
