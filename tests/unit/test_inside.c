/* What is inside of the tunnel is nobody's outside: no session travels in a session, and no peer speaks for the server. */
#include "session/engine.h"
#include "session/info.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

static void give_network(struct world *w, unsigned int peer, const char *network)
{
	assert_true(prefix_parse(network,
				 &w->config->peers[peer].addresses[1])); /* world_start() makes the owners */
}

#define SOMEBODY_ELSE 5000 /* sees to the routes (tunnel.table) */

/* Whatever networks lie behind others, a client is where its packets come from: answers go past the tunnel. */
static void test_network_of_another(void **state)
{
	struct world *w = world_new(1, 2);

	(void)state;
	give_network(w, 1, "198.51.100.0/24"); /* where client 0 is: see world_net.c */
	world_attach(w);
	assert_int_equal(world_count(w, 0, COUNT_DROP_INSIDE), 0);
	world_free(w);
}

/* A client that calls from an address inside of the tunnel is not answered; all others are. */
static void hello_from_inside(uint32_t table, const char *network, const char *own)
{
	struct world *w = world_new(1, 2);

	give_network(w, 1, network);
	w->config->tunnel.table = table;
	assert_true(prefix_parse(own, &w->config->tunnel.addresses[0]));
	world_start(w);
	world_run(w, 3000);
	assert_null(world_peer(w, 0));
	assert_non_null(world_peer(w, 1));
	assert_true(world_count(w, 0, COUNT_DROP_INSIDE) > 0);
	assert_int_equal(w->engine[0].e->nsessions, 1);
	world_free(w);
}

static void test_hello_from_inside(void **state)
{
	(void)state;
	hello_from_inside(SOMEBODY_ELSE, "198.51.100.0/24", "10.8.0.1/24");
	hello_from_inside(0, "198.51.100.0/25", "198.51.100.1/24");
}

/* A peer whose network is the whole world says nothing about where the others are. */
static void test_default_network(void **state)
{
	struct world *w = world_new(1, 2);

	(void)state;
	give_network(w, 1, "0.0.0.0/0");
	world_attach(w);
	assert_int_equal(world_count(w, 0, COUNT_DROP_INSIDE), 0);
	world_free(w);
}

/* The client's newest PING, sent on by somebody inside: neither the active path nor another one leads there then. */
static void path_moves_inside(uint8_t number, uint32_t table, const char *address)
{
	struct world *w = world_new(1, 2);
	struct route from = world_stranger(3), before;
	struct datagram ping;
	struct session *s, *peer;
	struct a_frame f;

	w->config->tunnel.table = table;
	world_attach(w);
	s = world_session(w, 0);
	peer = world_peer(w, 0);
	before = session_route(session_path_numbered(peer, number));
	assert_true(ip_parse(address, &from.remote.ip));
	w->recording = RECORD_SENT;
	world_swallow_frame(w, true, FRAME_BIT(FRAME_PING), 1);
	f = world_a_ping(s, 0x7fffffff, number, w->now);
	send_frame(session_path_numbered(s, number), LIES(&f), w->now);
	ping = world_recorded(w, true, FRAME_BIT(FRAME_PING));
	world_inject_up(w, &from, ping.data, ping.len);
	assert_true(route_equal(world_route(session_path_numbered(peer, number)), &before));
	assert_false(path_trial(session_path_numbered(peer, number)));
	assert_int_equal(world_count(w, 0, COUNT_DROP_INSIDE), 1);
	assert_int_equal(w->stranger_datagrams, 0);
	world_run(w, 1000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static void test_path_inside(void **state)
{
	(void)state;
	path_moves_inside(0, 0, "10.8.0.2"); /* through itself */
	path_moves_inside(0, 0, "10.8.0.3"); /* through another */
	path_moves_inside(1, SOMEBODY_ELSE, "10.9.1.77");
}

/* 10.8.0.0/16 lies behind the peer, but for the server's own address. */
static void test_own_address(void **state)
{
	struct world *w = world_new(1, 1);
	const struct prefix own = { w->config->tunnel.addresses[0].ip, 128 };
	uint8_t packet[60];
	uint64_t sent;

	(void)state;
	give_network(w, 0, "10.8.0.0/16");
	world_attach(w);
	assert_int_equal(lpm_add(w->config->owners, &own, OWNER_SELF, NULL), 0);
	world_inner(w, WORLD_WORKERS, packet, world_packet(packet, sizeof(packet), "10.8.0.77", "10.8.0.1"));
	world_run(w, 10);
	assert_int_equal(world_count(w, 0, COUNT_DROP_BAD_SOURCE), 0);
	assert_int_equal(world_count(w, 0, COUNT_RX_PACKETS), 1);
	world_inner(w, WORLD_WORKERS, packet, world_packet(packet, sizeof(packet), "10.8.0.1", "10.8.0.9"));
	world_run(w, 10);
	assert_int_equal(world_count(w, 0, COUNT_DROP_BAD_SOURCE), 1);
	assert_int_equal(world_count(w, 0, COUNT_RX_PACKETS), 1);

	sent = world_count(w, 0, COUNT_TX_PACKETS);
	world_inner(w, 0, packet, world_packet(packet, sizeof(packet), "10.8.0.77", "10.8.0.1"));
	assert_int_equal(world_count(w, 0, COUNT_DROP_NO_OWNER), 1);
	assert_int_equal(world_count(w, 0, COUNT_TX_PACKETS), sent);
	world_free(w);
}

/* --- what a client takes --- */

static void down(struct world *w, const char *src, const char *dst, bool taken)
{
	const unsigned int client = WORLD_WORKERS;
	const uint64_t rx = world_count(w, client, COUNT_RX_PACKETS);
	const uint64_t bad = world_count(w, client, COUNT_DROP_BAD_SOURCE);
	uint8_t packet[60];

	world_inner(w, 0, packet, world_packet(packet, sizeof(packet), src, dst));
	world_run(w, 10);
	assert_int_equal(world_count(w, client, COUNT_RX_PACKETS) - rx, taken);
	assert_int_equal(world_count(w, client, COUNT_DROP_BAD_SOURCE) - bad, !taken);
}

/* The client's route is 10.8.0.0/24, and 10.9.0.0/24 is what the server believes to lie behind it. */
static void test_client_takes(void **state)
{
	struct world *w = world_new(1, 1);

	(void)state;
	world_attach(w);
	down(w, "10.8.0.1", "10.8.0.2", true);
	down(w, "10.8.0.77", "10.8.0.2", true);
	down(w, "192.168.1.1", "10.8.0.2", false); /* somebody on a link of the client's, it says */
	down(w, "127.0.0.1", "10.8.0.2", false);
	down(w, "10.8.0.1", "10.9.0.7", true); /* where that is, the kernel knows */
	world_free(w);
}

/* `accept.destinations: []`: nothing but the client's own addresses. */
static void test_client_is_no_router(void **state)
{
	struct world *w = world_new(1, 1);

	(void)state;
	w->client[0].config.accept.destinations.set = true;
	world_attach(w);
	down(w, "10.8.0.1", "10.8.0.2", true);
	down(w, "10.8.0.1", "10.9.0.7", false);
	world_free(w);
}

static void test_client_has_lists(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *c = &w->client[0].config;
	struct prefix sources, destinations, route;

	(void)state;
	assert_true(prefix_parse("192.168.1.0/24", &sources) && prefix_parse("10.9.0.0/25", &destinations) &&
		    prefix_parse("172.16.0.0/12", &route));
	c->accept.sources = (struct config_networks){ &sources, 1, true };
	c->accept.destinations = (struct config_networks){ &destinations, 1, true };
	c->tunnel.routes = &route; /* instead of the server's */
	c->tunnel.nroutes = 1;
	c->tunnel.routes_set = true;
	world_attach(w);
	down(w, "192.168.1.1", "10.8.0.2", true);
	down(w, "172.16.3.4", "10.9.0.7", true);
	down(w, "172.16.3.4", "10.9.0.200", false);
	down(w, "10.8.0.77", "10.8.0.2", false);
	world_free(w);
}

/* accept.routes without 10.8.0.0/24: it is no route, and what comes from there is not delivered. */
static void test_route_is_refused(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *c = &w->client[0].config;
	struct session_info info;
	struct prefix other;

	(void)state;
	assert_true(prefix_parse("10.8.0.0/25", &other)); /* narrower is not within */
	c->accept.routes = (struct config_networks){ &other, 1, true };
	world_attach(w);
	assert_int_equal(w->client[0].items, 2);
	for (size_t i = 0; i < w->client[0].items; i++)
		assert_int_not_equal(w->client[0].item[i].kind, NET_ITEM_ROUTE);
	down(w, "10.8.0.1", "10.8.0.2", false);
	assert_int_equal(world_view(w, WORLD_WORKERS, &info, 1), 1);
	assert_int_equal(info.nrefused, 1);
	assert_int_equal(info.refused[0].kind, NET_ITEM_ROUTE);
	assert_int_equal(info.refused[0].prefix.len, 120);
	world_free(w);
}

static bool is_route(void *ctx, const struct net_item *item)
{
	(void)ctx;
	return item->kind == NET_ITEM_ROUTE;
}

static size_t told_as_refused;

static void note_refused(void *ctx, const struct net_setup *n)
{
	(void)ctx;
	told_as_refused = n->nrefused;
	for (size_t i = 0; i < n->count; i++)
		assert_int_not_equal(n->items[i].kind, NET_ITEM_ROUTE);
	for (size_t i = 0; i < n->nrefused; i++)
		assert_int_equal(n->refused[i].kind, NET_ITEM_ROUTE);
}

/* Without accept: what is this machine's own is not the server's to give; where the file names it, it is. */
static void test_taken_here(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *c = &w->client[0].config;
	struct prefix all;
	struct engine *e;

	(void)state;
	world_attach(w);
	down(w, "10.8.0.1", "10.8.0.2", true);
	e = world_client_engine(w, 0);
	e->io.net_taken = is_route;
	e->io.net_setup = note_refused;
	engine_net_again(e);
	assert_int_equal(told_as_refused, 1);
	down(w, "10.8.0.1", "10.8.0.2", false);
	e->io.net_setup = world_io.net_setup;
	assert_true(prefix_parse("10.8.0.0/24", &all));
	c->accept.routes = (struct config_networks){ &all, 1, true };
	engine_net_again(e);
	down(w, "10.8.0.1", "10.8.0.2", true);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_of_another),  cmocka_unit_test(test_hello_from_inside),
		cmocka_unit_test(test_default_network),     cmocka_unit_test(test_path_inside),
		cmocka_unit_test(test_own_address),         cmocka_unit_test(test_client_takes),
		cmocka_unit_test(test_client_is_no_router), cmocka_unit_test(test_client_has_lists),
		cmocka_unit_test(test_route_is_refused),    cmocka_unit_test(test_taken_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
