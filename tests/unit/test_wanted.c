/* What a tunnel wants of the kernel's routing, and how that compares with what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "net/own.h"
#include "worker/wanted.h"

#define TUNNEL 7
#define UPLINK 3

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_true(prefix_parse(text, &p));
	return p;
}

static struct ip ip(const char *text)
{
	struct ip a;

	assert_true(ip_parse(text, &a));
	return a;
}

static struct wanted_for client(const struct prefix *routes, size_t n)
{
	return (struct wanted_for){
		.name = "jump0", .ifindex = TUNNEL, .mark = tunnel_mark("jump0"), .routes = routes, .nroutes = n
	};
}

static struct tunnel_way way(const char *to, const char *from, const char *gateway)
{
	struct tunnel_way w = { .ifindex = UPLINK, .interface = "eth0" };

	w.endpoint.ip = ip(to);
	w.source = ip(from);
	if (gateway)
		w.gateway = ip(gateway);
	return w;
}

struct wanted {
	struct held_route *route;
	struct held_rule *rule;
	size_t nroutes, nrules;
};

static struct wanted want(const struct wanted_for *w, bool v6, const struct held_rule *now, size_t nnow)
{
	struct wanted x;

	assert_int_equal(wanted_routes(w, &x.route, &x.nroutes), 0);
	assert_int_equal(wanted_rules(w, v6, x.route, x.nroutes, now, nnow, &x.rule, &x.nrules), 0);
	return x;
}

static void done(struct wanted *x)
{
	held_routes_free(x->route, x->nroutes);
	free(x->rule);
}

static size_t routes_in(const struct wanted *x, uint32_t table, bool refuses)
{
	size_t n = 0;

	for (size_t i = 0; i < x->nroutes; i++)
		n += x->route[i].table == table && x->route[i].refuses == refuses;
	return n;
}

static const struct held_rule machine[] = {
	{ .action = FR_ACT_TO_TBL, .table = RT_TABLE_LOCAL, .suppress = -1 },
	{ .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN, .suppress = -1, .pref = 32766 },
	{ .action = FR_ACT_TO_TBL, .table = RT_TABLE_DEFAULT, .suppress = -1, .pref = 32767 },
};
#define MACHINE sizeof(machine) / sizeof(*machine)

/* Each with one that refuses behind it; a default route, and what is around an endpoint, in the tunnel's own table. */
static void test_tables(void **state)
{
	const struct prefix routes[] = { prefix("10.0.0.0/8"), prefix("0.0.0.0/0"), prefix("192.0.0.0/12"),
					 prefix("128.0.0.0/1"), prefix("2000::/3"), prefix("10.0.0.0/8") };
	const struct tunnel_way ways[] = { way("192.0.2.1", "10.1.1.2", "10.1.1.1") };
	struct wanted_for w = client(routes, 6);
	struct wanted x;

	(void)state;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(routes_in(&x, RT_TABLE_MAIN, false), 2);
	assert_int_equal(routes_in(&x, RT_TABLE_MAIN, true), 2);
	assert_int_equal(routes_in(&x, w.mark, false), 3);
	done(&x);
	w.ways = ways;
	w.nways = 1;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(routes_in(&x, RT_TABLE_MAIN, false), 1);
	assert_int_equal(routes_in(&x, w.mark, false), 4);
	assert_int_equal(routes_in(&x, tunnel_escape_table(w.mark), false), 1);
	done(&x);
	w.table = 77;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(x.nroutes, 5);
	assert_int_equal(routes_in(&x, 77, false), 5);
	assert_int_equal(x.nrules, 0);
	done(&x);
	w.table = TUNNEL_TABLE_OFF;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(x.nroutes + x.nrules, 0);
	done(&x);
}

/* IPv4: all ways in one route; IPv6: one for each source. An address that nothing leads to has none. */
static void test_ways(void **state)
{
	struct tunnel_way ways[] = { way("192.0.2.1", "10.1.1.2", "10.1.1.1"), way("192.0.2.1", "10.1.2.2", "10.1.2.1"),
				     way("2001:db8::1", "fd01:1::2", "fe80::1"), way("2001:db8::1", "fd01:2::2", NULL),
				     way("192.0.2.9", "10.1.1.2", NULL), way("fe80::9", "fe80::2", NULL) };
	struct wanted_for w = client(NULL, 0);
	struct wanted x;

	(void)state;
	ways[1].ifindex = UPLINK + 1;
	ways[4].ifindex = 0;
	w.ways = ways;
	w.nways = 6;
	x = want(&w, true, machine, MACHINE);
	assert_int_equal(x.nroutes, 3);
	for (size_t i = 0; i < x.nroutes; i++)
		assert_int_equal(x.route[i].hops, x.route[i].v6 ? 1 : 2);
	assert_int_equal(x.nrules, 2); /* of IPv6; nobody has to leap over these */
	done(&x);
	w.no_sources = true;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(x.nroutes, 2);
	assert_int_equal(x.nrules, 2);
	done(&x);
}

/* Right before the first rule of others that takes every packet, and behind all that are about some. */
static void test_place(void **state)
{
	const struct prefix routes[] = { prefix("0.0.0.0/0") };
	const struct held_rule others[] = {
		machine[0],
		{ .action = FR_ACT_TO_TBL, .table = 100, .suppress = -1, .pref = 100, .from = prefix("10.1.1.7") },
		{ .action = FR_ACT_TO_TBL, .table = 101, .suppress = -1, .pref = 101, .other = true },
		{ .action = FR_ACT_TO_TBL, .table = 9, .suppress = -1, .pref = 200, .ours = true },
		{ .action = FR_ACT_TO_TBL, .table = 51820, .suppress = -1, .pref = 300, .invert = true, .mark = 5,
		  .mask = UINT32_MAX },
		machine[1],
	};
	const struct wanted_for w = client(routes, 1);
	struct wanted x;
	bool leaps = false;

	(void)state;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(x.nrules, 3); /* marked ones leap, the main table, the tunnel */
	assert_int_equal(x.rule[0].pref, 32765);
	assert_int_equal(x.rule[0].target, 32766);
	done(&x);
	x = want(&w, false, others, sizeof(others) / sizeof(*others));
	for (size_t i = 0; i < x.nrules; i++) {
		assert_int_equal(x.rule[i].pref, 299);
		assert_true(wanted_rule_is_own(&w, &x.rule[i]));
		leaps |= x.rule[i].action == FR_ACT_GOTO && x.rule[i].mark == 5 && x.rule[i].target == 300;
	}
	assert_true(leaps);
	done(&x);
}

/* Behind another's table in one family, the tunnel's own table has all that the main one would have had. */
static void test_shadowed(void **state)
{
	const struct prefix routes[] = { prefix("10.60.0.0/16"), prefix("fd60::/64") };
	const struct prefix address = prefix("10.8.0.1/24");
	const struct held_rule others[] = {
		machine[0],
		{ .action = FR_ACT_TO_TBL, .table = 9, .suppress = -1, .pref = 100, .ours = true },
		{ .action = FR_ACT_TO_TBL, .table = 100, .suppress = -1, .pref = 100, .from = prefix("10.1.1.7") },
		{ .action = FR_ACT_TO_TBL, .table = 201, .suppress = -1, .pref = 32500 },
		machine[1],
	};
	struct held_rule narrow_first = { .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN, .pref = 300 };
	struct wanted_for w = client(routes, 2);
	struct wanted x;

	(void)state;
	assert_false(wanted_is_shadowed(machine, MACHINE));
	assert_false(wanted_is_shadowed(others, 3));
	assert_true(wanted_is_shadowed(others, sizeof(others) / sizeof(*others)));
	assert_false(wanted_is_shadowed(&narrow_first, 1));
	narrow_first.suppress = 16;
	assert_true(wanted_is_shadowed(&narrow_first, 1));
	w.addresses = &address;
	w.naddresses = 1;
	for (int server = 0; server < 2; server++) {
		w.server = server;
		w.shadowed[0] = false;
		x = want(&w, false, machine, MACHINE);
		assert_int_equal(routes_in(&x, RT_TABLE_MAIN, false), server ? 1 : 3);
		done(&x);
		w.shadowed[0] = true;
		x = want(&w, false, others, sizeof(others) / sizeof(*others));
		assert_int_equal(routes_in(&x, RT_TABLE_MAIN, false), server ? 0 : 1); /* fd60::/64 */
		assert_int_equal(routes_in(&x, w.mark, false), server ? 3 : 2);
		assert_int_equal(routes_in(&x, w.mark, true), server ? 3 : 2);
		assert_int_equal(x.nrules, 7); /* marked ones leap; 201, main, the tunnel: /24 and /16 */
		for (size_t i = 0; i < x.nrules; i++)
			assert_int_equal(x.rule[i].pref, 32499);
		assert_int_equal(x.rule[1].table, 201);
		assert_int_equal(x.rule[1].suppress, 24);
		assert_int_equal(x.rule[2].table, RT_TABLE_MAIN);
		assert_int_equal(x.rule[3].table, w.mark);
		done(&x);
	}
}

/* Each transport's own, once or twice: none of them comes into the tunnel. */
static void test_marks(void **state)
{
	const struct prefix routes[] = { prefix("0.0.0.0/0") };
	struct wanted_for w = client(routes, 1);
	struct wanted x;
	size_t leaps = 0;

	(void)state;
	w.own_marks[1] = 77;
	w.own_marks[2] = 78;
	w.own_marks[7] = 77;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(x.nrules, 5);
	for (size_t i = 0; i < x.nrules; i++)
		leaps += x.rule[i].action == FR_ACT_GOTO && (x.rule[i].mark == 77 || x.rule[i].mark == 78);
	assert_int_equal(leaps, 2);
	done(&x);
}

static struct held_rule *join(const struct held_rule *a, size_t na, const struct held_rule *b, size_t nb,
			      const struct held_rule *c, size_t nc)
{
	struct held_rule *all = calloc(na + nb + nc, sizeof(*all));

	assert_non_null(all);
	for (size_t i = 0; i < na; i++)
		all[i] = a[i];
	for (size_t i = 0; i < nb; i++)
		all[na + i] = b[i];
	for (size_t i = 0; i < nc; i++)
		all[na + nb + i] = c[i];
	return all;
}

static bool are(const struct wanted_for *w, const struct wanted *x, const struct held_rule *between, size_t n, size_t cut)
{
	struct held_rule *front = join(machine, 1, between, n, x->rule, x->nrules - cut);
	struct held_rule *now = join(front, 1 + n + x->nrules - cut, machine + 1, MACHINE - 1, NULL, 0);
	const bool same = wanted_rules_are(w, x->rule, x->nrules, now, n + x->nrules - cut + MACHINE);

	free(front);
	free(now);
	return same;
}

static void test_comparison(void **state)
{
	const struct prefix routes[] = { prefix("0.0.0.0/0"), prefix("128.0.0.0/1") };
	struct held_rule one = { .action = FR_ACT_TO_TBL, .table = 5, .suppress = -1, .pref = 9, .oif = "eth0" };
	struct held_rule all = { .action = FR_ACT_TO_TBL, .table = 5, .suppress = -1, .pref = 9 };
	const struct wanted_for w = client(routes, 2);
	struct wanted_for another = client(routes, 2);
	struct wanted x = want(&w, false, machine, MACHINE), y;

	(void)state;
	assert_int_equal(x.nrules, 5); /* a pair for each length of prefix */
	assert_int_equal(x.rule[1].suppress, 1);
	assert_int_equal(x.rule[2].suppress, 0);
	assert_int_equal(x.rule[4].suppress, -1);
	assert_true(are(&w, &x, NULL, 0, 0));
	assert_false(are(&w, &x, NULL, 0, 1));
	assert_true(are(&w, &x, &one, 1, 0));
	assert_false(are(&w, &x, &all, 1, 0));
	assert_false(are(&w, &x, &x.rule[0], 1, 0)); /* twice */
	another.name = "jump1";
	another.mark = tunnel_mark("jump1");
	y = want(&another, false, machine, MACHINE);
	assert_true(are(&w, &x, y.rule, y.nrules, 0)); /* another tunnel's are none of ours */
	done(&x);
	done(&y);
}

static void take(void *ctx, const struct held_route *r)
{
	struct prefix *last = ctx;

	*last = r->dst;
	last->len++;
}

static void test_missing(void **state)
{
	const struct prefix routes[] = { prefix("10.0.0.0/8"), prefix("10.2.0.0/16"), prefix("172.16.0.0/12") };
	const struct prefix fewer[] = { routes[0], routes[2] };
	const struct wanted_for w = client(routes, 3), v = client(fewer, 2);
	struct wanted x = want(&w, false, NULL, 0), y = want(&v, false, NULL, 0);
	struct prefix last = { .len = 0 };

	(void)state;
	wanted_missing(y.route, y.nroutes, x.route, x.nroutes, take, &last);
	assert_int_equal(last.len, 0);
	wanted_missing(x.route, x.nroutes, y.route, y.nroutes, take, &last);
	assert_int_equal(last.len, routes[1].len + 1);
	assert_true(ip_equal(&last.ip, &routes[1].ip));
	done(&x);
	done(&y);
}

/* Routes that differ in one of several hops are two; the order in which hops were named is nothing. */
static void test_hops(void **state)
{
	struct tunnel_way ways[] = { way("192.0.2.1", "10.1.1.2", "10.1.1.1"), way("192.0.2.1", "10.1.2.2", "10.1.2.1"),
				     way("192.0.2.1", "10.1.1.2", "10.1.1.1") };
	struct wanted_for w = client(NULL, 0);
	struct wanted x, y;
	struct prefix last = { .len = 0 };

	(void)state;
	w.ways = ways;
	w.nways = 3;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(x.nroutes, 1);
	assert_int_equal(x.route[0].hops, 2);
	w.ways = &ways[1];
	w.nways = 2;
	y = want(&w, false, machine, MACHINE);
	assert_int_equal(held_route_compare(x.route, y.route), 0);
	done(&y);
	ways[1].gateway = ip("10.1.2.9");
	y = want(&w, false, machine, MACHINE);
	wanted_missing(x.route, x.nroutes, y.route, y.nroutes, take, &last);
	assert_int_equal(last.len, 128 + 1);
	for (uint32_t i = 2; i < ROUTE_HOPS_MAX; i++) {
		const struct route_hop hop = { .ifindex = UPLINK + 1 + (int)i };

		assert_true(held_route_add_hop(x.route, &hop));
	}
	assert_true(held_route_add_hop(x.route, &(struct route_hop){ .ifindex = UPLINK + 3 }));
	assert_false(held_route_add_hop(x.route, &(struct route_hop){ .ifindex = 100 }));
	assert_int_equal(x.route[0].hops, ROUTE_HOPS_MAX);
	done(&x);
	done(&y);
}

/* A network behind a peer stands beside the main table; its default route is for what comes out of the tunnel. */
static void test_server(void **state)
{
	const struct prefix routes[] = { prefix("10.60.0.0/16"), prefix("0.0.0.0/0") };
	const struct prefix address = prefix("10.8.0.1/24");
	struct wanted_for w = client(routes, 2);
	struct wanted x;
	size_t from_tunnel = 0;

	(void)state;
	w.server = true;
	w.addresses = &address;
	w.naddresses = 1;
	x = want(&w, false, machine, MACHINE);
	assert_int_equal(routes_in(&x, RT_TABLE_MAIN, false), 1);
	assert_int_equal(routes_in(&x, w.mark, false), 1);
	assert_int_equal(routes_in(&x, w.mark, true), 1);
	assert_int_equal(routes_in(&x, tunnel_escape_table(w.mark), false), 1);
	assert_int_equal(routes_in(&x, tunnel_escape_table(w.mark), true), 0);
	assert_int_equal(x.nrules, 5);
	for (size_t i = 0; i < x.nrules; i++)
		from_tunnel += strcmp(x.rule[i].iif, "jump0") == 0;
	assert_int_equal(from_tunnel, 2);
	done(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),	cmocka_unit_test(test_ways),	cmocka_unit_test(test_place),
		cmocka_unit_test(test_comparison), cmocka_unit_test(test_missing), cmocka_unit_test(test_server),
		cmocka_unit_test(test_shadowed), cmocka_unit_test(test_marks),
		cmocka_unit_test(test_hops),
	};

	return cmocka_run_group_tests_name("wanted", tests, NULL, NULL);
}
