#include "worker/wanted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/own.h"

/* Of all tunnels on this machine: none travels in another by chance. */
#define MARKS 0x4a000000u
#define MARKS_MASK 0xff000000u
/* Behind the default route of any manager IPv6 would be, without a metric. */
#define METRIC_V6 1
/* So wide that it stands for a default route, as 0.0.0.0/1 and 2000::/3 do. */
#define WIDE_V4 (96 + 8)
#define WIDE_V6 16
/* Where there is no rule for every packet but that for local addresses. */
#define PREF_LAST 32767
/* Of others, that every packet is looked up in: so many are merged with the tunnel's. */
#define TABLES_MAX 8

struct held_by wanted_by(const char *name, int ifindex)
{
	const uint32_t mark = tunnel_mark(name);

	return (struct held_by){ .ifindex = ifindex, .table = mark, .last_metric = 0xff000000u | (mark & 0x00fffffeu) };
}

/* --- routes --- */

struct route_list {
	struct held_route *list;
	size_t n, max;
	bool no_memory;
};

static struct held_route *add_route(struct route_list *l, uint32_t table, const struct prefix *dst)
{
	static struct held_route nowhere;
	struct held_route *r;

	if (l->n == l->max) {
		const size_t max = l->max ? 2 * l->max : 16;
		struct held_route *more = realloc(l->list, max * sizeof(*more));

		l->no_memory |= !more;
		if (!more)
			return &nowhere;
		l->list = more;
		l->max = max;
	}
	r = &l->list[l->n++];
	memset(r, 0, sizeof(*r));
	r->v6 = !ip_is_v4(&dst->ip);
	r->table = table;
	r->dst = (struct prefix){ ip_masked(&dst->ip, dst->len), dst->len };
	return r;
}

static void add_device_route(struct route_list *l, const struct wanted_for *w, uint32_t table, const struct prefix *dst)
{
	struct held_route *r = add_route(l, table, dst);

	r->metric = r->v6 ? METRIC_V6 : 0;
	r->hops = 1;
	r->hop.ifindex = w->ifindex;
}

static void add_refusal(struct route_list *l, const struct wanted_for *w, uint32_t table, const struct prefix *dst)
{
	struct held_route *r = add_route(l, table, dst);

	r->refuses = 1;
	r->metric = wanted_by(w->name, w->ifindex).last_metric;
}

static bool is_wide(const struct prefix *p)
{
	return p->len < (ip_is_v4(&p->ip) ? WIDE_V4 : WIDE_V6);
}

static bool is_around_endpoint(const struct wanted_for *w, const struct prefix *p)
{
	for (size_t i = 0; i < w->nways; i++)
		if (prefix_contains(p, &w->ways[i].endpoint.ip))
			return true;
	return false;
}

/* Where an ordinary route is found: a main table behind others' tables is not asked, when one of those has a default route. */
static uint32_t ordinary_table(const struct wanted_for *w, const struct prefix *p)
{
	return w->shadowed[!ip_is_v4(&p->ip)] ? w->mark : RT_TABLE_MAIN;
}

static uint32_t table_of(const struct wanted_for *w, const struct prefix *p)
{
	if (w->server)
		return is_wide(p) ? tunnel_escape_table(w->mark) : w->mark;
	return is_wide(p) || is_around_endpoint(w, p) ? w->mark : ordinary_table(w, p);
}

/*
 * The kernel's own routes to the networks of addresses do not come back when somebody has taken them away. What a server's
 * peer has as its default route refuses nothing: it is not for the server's own packets.
 */
static void add_wished(struct route_list *l, const struct wanted_for *w)
{
	for (size_t i = 0; i < w->naddresses; i++) {
		const uint32_t table = ordinary_table(w, &w->addresses[i]);

		if (w->addresses[i].len == 128)
			continue;
		add_device_route(l, w, table, &w->addresses[i]);
		add_refusal(l, w, table, &w->addresses[i]);
	}
	for (size_t i = 0; i < w->nroutes; i++) {
		const uint32_t table = table_of(w, &w->routes[i]);

		add_device_route(l, w, table, &w->routes[i]);
		if (!w->server || table == w->mark)
			add_refusal(l, w, table, &w->routes[i]);
	}
}

static bool is_link_local(const struct ip *ip)
{
	return !ip_is_v4(ip) && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

/* Nobody asks a routing table for the way to a link-local address. */
static bool has_escape(const struct tunnel_way *way)
{
	return way->ifindex > 0 && !ip_is_zero(&way->source) && !is_link_local(&way->endpoint.ip) &&
	       ip_is_v4(&way->source) == ip_is_v4(&way->endpoint.ip);
}

static void add_hop(struct held_route *r, const struct tunnel_way *way)
{
	struct route_hop hop;

	memset(&hop, 0, sizeof(hop));
	hop.ifindex = way->ifindex;
	hop.gateway = way->gateway;
	(void)held_route_add_hop(r, &hop);
}

/* IPv4: one route with all ways, for the filter takes any of them; IPv6: by source, for its filters take the first alone. */
static void add_escapes(struct route_list *l, const struct wanted_for *w)
{
	const uint32_t table = tunnel_escape_table(w->mark);
	const size_t first = l->n;

	for (size_t i = 0; i < w->nways; i++) {
		const struct tunnel_way *way = &w->ways[i];
		const struct prefix dst = { way->endpoint.ip, 128 };
		struct held_route *r = NULL;

		if (!has_escape(way))
			continue;
		for (size_t k = first; k < l->n && !r; k++)
			if (ip_equal(&l->list[k].dst.ip, &dst.ip) &&
			    (ip_is_v4(&dst.ip) || w->no_sources || ip_equal(&l->list[k].from.ip, &way->source)))
				r = &l->list[k];
		if (r && r->v6)
			continue;
		if (!r) {
			r = add_route(l, table, &dst);
			r->metric = r->v6 ? METRIC_V6 : 0;
			if (r->v6 && !w->no_sources)
				r->from = (struct prefix){ way->source, 128 };
		}
		add_hop(r, way);
	}
}

static size_t unique(struct held_route *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (i == 0 || held_route_compare(&list[kept - 1], &list[i]) != 0)
			memmove(&list[kept++], &list[i], sizeof(*list));
		else
			free(list[i].several);
	return kept;
}

int wanted_routes(const struct wanted_for *w, struct held_route **out, size_t *n)
{
	struct route_list l = { .n = 0 };

	*out = NULL;
	*n = 0;
	if (w->table == TUNNEL_TABLE_AUTO) {
		add_wished(&l, w);
		add_escapes(&l, w);
	} else if (w->table != TUNNEL_TABLE_OFF) {
		for (size_t i = 0; i < w->nroutes; i++)
			add_device_route(&l, w, w->table, &w->routes[i]);
	}
	if (l.no_memory) {
		held_routes_free(l.list, l.n);
		return -ENOMEM;
	}
	if (l.n > 0)
		qsort(l.list, l.n, sizeof(*l.list), held_route_compare);
	*out = l.list;
	*n = l.n > 0 ? unique(l.list, l.n) : 0;
	return 0;
}

void wanted_missing(const struct held_route *a, size_t na, const struct held_route *b, size_t nb,
		    void (*each)(void *ctx, const struct held_route *r), void *ctx)
{
	size_t k = 0;

	for (size_t i = 0; i < na; i++) {
		while (k < nb && held_route_compare(&b[k], &a[i]) < 0)
			k++;
		if (k == nb || held_route_compare(&b[k], &a[i]) != 0)
			each(ctx, &a[i]);
	}
}

/* --- rules --- */

struct rule_list {
	struct held_rule *list;
	size_t n, max;
	uint32_t pref;
	uint32_t tables[TABLES_MAX]; /* of others, in their order */
	size_t ntables;
	bool no_memory;
};

static void add_rule(struct rule_list *l, struct held_rule r)
{
	if (l->n == l->max) {
		const size_t max = l->max ? 2 * l->max : 16;
		struct held_rule *more = realloc(l->list, max * sizeof(*more));

		l->no_memory |= !more;
		if (!more)
			return;
		l->list = more;
		l->max = max;
	}
	r.ours = true;
	r.pref = l->pref;
	l->list[l->n++] = r;
}

/* The table of a rule that leaps over ours decides nothing, and tells whose rule it is. */
bool wanted_rule_is_own(const struct wanted_for *w, const struct held_rule *r)
{
	return r->ours && ((r->table & ~1u) == w->mark || (r->mask == UINT32_MAX && r->mark == w->mark) ||
			   (r->iif[0] && strcmp(r->iif, w->name) == 0));
}

static bool takes_all(const struct held_rule *r)
{
	if (r->ours || r->pref == 0 || r->action != FR_ACT_TO_TBL || r->table == RT_TABLE_LOCAL || r->other)
		return false;
	if (r->from.len > 0 || r->to.len > 0 || r->iif[0] || r->oif[0])
		return false;
	return r->invert || r->mask == 0; /* "not fwmark" is how other tunnels take all but their own */
}

static uint32_t pref_of_others(const struct held_rule *now, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (takes_all(&now[i]))
			return now[i].pref;
	return PREF_LAST;
}

/* Those before the main one, and that, which is always the last. */
static size_t tables_of_others(const struct held_rule *now, size_t n, uint32_t out[TABLES_MAX])
{
	size_t k = 0;

	for (size_t i = 0; i < n && k < TABLES_MAX - 1; i++) {
		if (!takes_all(&now[i]))
			continue;
		if (now[i].table == RT_TABLE_MAIN)
			break;
		out[k++] = now[i].table;
	}
	out[k++] = RT_TABLE_MAIN;
	return k;
}

/* A first look at the main table for what is narrow, as wg-quick has it, finds all our ordinary routes. */
bool wanted_is_shadowed(const struct held_rule *now, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (takes_all(&now[i]))
			return now[i].table != RT_TABLE_MAIN || now[i].suppress >= WIDE_V4 - 96;
	return false;
}

static struct held_rule leap(const struct wanted_for *w, uint32_t to)
{
	return (struct held_rule){ .action = FR_ACT_GOTO, .target = to, .table = w->mark, .suppress = -1 };
}

static void leap_mark(struct rule_list *l, const struct wanted_for *w, uint32_t mark, uint32_t mask)
{
	struct held_rule r = leap(w, l->pref + 1);

	r.mark = mark;
	r.mask = mask;
	add_rule(l, r);
}

/* Our own outer packets, those of other tunnels, and what is bound to an uplink. */
static void add_leaps(struct rule_list *l, const struct wanted_for *w, const struct held_rule *now, size_t nnow)
{
	leap_mark(l, w, MARKS, MARKS_MASK);
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++) {
		bool known = w->own_marks[i] == 0;

		for (size_t k = 0; !known && k < i; k++)
			known = w->own_marks[k] == w->own_marks[i];
		if (!known)
			leap_mark(l, w, w->own_marks[i], UINT32_MAX);
	}
	for (size_t i = 0; i < nnow; i++)
		if (!now[i].ours && now[i].invert && now[i].mask && takes_all(&now[i]))
			leap_mark(l, w, now[i].mark, now[i].mask);
}

/* A route that refuses is found by who is bound to another device, too: in IPv4. */
static void add_bound(struct rule_list *l, const struct wanted_for *w)
{
	for (size_t i = 0; i < w->nways; i++) {
		struct held_rule r = leap(w, l->pref + 1);
		bool known = w->ways[i].ifindex <= 0 || !w->ways[i].interface[0];

		for (size_t k = 0; !known && k < i; k++)
			known = strcmp(w->ways[k].interface, w->ways[i].interface) == 0;
		snprintf(r.oif, sizeof(r.oif), "%s", w->ways[i].interface);
		if (!known)
			add_rule(l, r);
	}
}

static void add_ways(struct rule_list *l, const struct wanted_for *w, bool v6)
{
	for (size_t i = 0; i < w->nways; i++) {
		const struct tunnel_way *way = &w->ways[i];
		struct held_rule r = { .action = FR_ACT_TO_TBL,
				       .table = tunnel_escape_table(w->mark),
				       .suppress = -1,
				       .from = { way->source, 128 },
				       .to = { way->endpoint.ip, 128 } };
		bool known = !has_escape(way) || ip_is_v4(&way->source) == v6;

		for (size_t k = 0; !known && k < i; k++)
			known = has_escape(&w->ways[k]) && ip_equal(&w->ways[k].source, &way->source) &&
				ip_equal(&w->ways[k].endpoint.ip, &way->endpoint.ip);
		if (!known)
			add_rule(l, r);
	}
}

/* The lengths of prefix, in their family's own bits, that stand in this table. */
static void lengths(const struct held_route *routes, size_t n, uint32_t table, bool v6, bool has[129])
{
	for (size_t i = 0; i < n; i++)
		if (routes[i].v6 == v6 && routes[i].table == table && routes[i].hops > 0)
			has[routes[i].dst.len - (v6 ? 0 : 96)] = true;
}

/* As if all tables were one: from the longest prefix of ours to the shortest, first what those of others know better. */
static void merge_tables(struct rule_list *l, const struct wanted_for *w, uint32_t table, const bool has[129],
			 const char *iif)
{
	for (int len = 128; len >= 0; len--) {
		struct held_rule better = { .action = FR_ACT_TO_TBL,
					    .suppress = len,
					    .invert = !iif[0],
					    .mark = iif[0] ? 0 : w->mark,
					    .mask = iif[0] ? 0 : UINT32_MAX };
		struct held_rule own = { .action = FR_ACT_TO_TBL, .table = table, .suppress = len - 1 };

		if (!has[len])
			continue;
		snprintf(better.iif, sizeof(better.iif), "%s", iif);
		snprintf(own.iif, sizeof(own.iif), "%s", iif);
		for (size_t i = 0; i < l->ntables; i++) {
			better.table = l->tables[i];
			add_rule(l, better);
		}
		add_rule(l, own);
	}
}

static bool any_length(const bool has[129])
{
	for (int i = 0; i <= 128; i++)
		if (has[i])
			return true;
	return false;
}

int wanted_rules(const struct wanted_for *w, bool v6, const struct held_route *routes, size_t nroutes,
		 const struct held_rule *now, size_t nnow, struct held_rule **out, size_t *n)
{
	struct rule_list l = { .pref = pref_of_others(now, nnow) - 1 };
	bool narrow[129] = { false }, wide[129] = { false };

	*out = NULL;
	*n = 0;
	if (w->table != TUNNEL_TABLE_AUTO)
		return 0;
	l.ntables = tables_of_others(now, nnow, l.tables);
	lengths(routes, nroutes, w->mark, v6, narrow);
	if (w->server)
		lengths(routes, nroutes, tunnel_escape_table(w->mark), v6, wide);
	if (any_length(narrow) || any_length(wide))
		add_leaps(&l, w, now, nnow);
	add_ways(&l, w, v6);
	if (any_length(narrow) && !v6)
		add_bound(&l, w);
	merge_tables(&l, w, w->mark, narrow, "");
	merge_tables(&l, w, tunnel_escape_table(w->mark), wide, w->name);
	*out = l.list;
	*n = l.n;
	if (!l.no_memory)
		return 0;
	free(l.list);
	*out = NULL;
	return -ENOMEM;
}

bool wanted_rules_are(const struct wanted_for *w, const struct held_rule *wish, size_t n, const struct held_rule *now,
		      size_t nnow)
{
	bool taken = false; /* every packet, by another's rule */
	size_t k = 0;

	for (size_t i = 0; i < nnow; i++) {
		if (wanted_rule_is_own(w, &now[i])) {
			if (taken || k == n || !held_rule_equal(&now[i], &wish[k]))
				return false;
			k++;
			continue;
		}
		taken |= takes_all(&now[i]);
		if (k > 0 && !taken && !now[i].ours)
			return false; /* a later one about some packets alone */
	}
	return k == n;
}
