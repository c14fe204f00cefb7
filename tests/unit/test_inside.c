/* What is inside of the tunnel is nobody's outside: no session travels in a session, and no peer speaks for the server. */
#include "world.h"

static void give_network(struct world *w, unsigned int peer, const char *network)
{
	assert_true(prefix_parse(network, &w->config->peers[peer].addresses[1])); /* world_start() makes the owners */
}

/* A client that calls from an address inside of the tunnel is not answered; all others are. */
static void test_hello_from_inside(void **state)
{
	struct world *w = world_new(1, 2);

	(void)state;
	give_network(w, 1, "198.51.100.0/24"); /* where client 0 is: see world_net.c */
	world_start(w);
	world_run(w, 3000);
	assert_null(world_peer(w, 0));
	assert_non_null(world_peer(w, 1));
	assert_true(world_count(w, 0, COUNT_DROP_INSIDE) > 0);
	assert_int_equal(w->engine[0].e->nsessions, 1);
	world_free(w);
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
static void path_moves_inside(uint8_t number, const char *address)
{
	struct world *w = world_new(1, 2);
	struct route from = world_stranger(3), before;
	struct datagram ping;
	struct session *s, *peer;
	struct frame f;

	world_attach(w);
	s = world_session(w, 0);
	peer = world_peer(w, 0);
	before = session_path_numbered(peer, number)->route;
	assert_true(ip_parse(address, &from.remote.ip));
	w->recording = RECORD_SENT;
	world_swallow_frame(w, true, FRAME_BIT(FRAME_PING), 1);
	f = world_a_ping(s, 0x7fffffff, number, w->now);
	control_frame(session_path_numbered(s, number), &f, w->now);
	ping = world_recorded(w, true, FRAME_BIT(FRAME_PING));
	world_inject_up(w, &from, ping.data, ping.len);
	assert_true(route_equal(&session_path_numbered(peer, number)->route, &before));
	assert_false(session_path_numbered(peer, number)->moving);
	assert_int_equal(world_count(w, 0, COUNT_DROP_INSIDE), 1);
	assert_int_equal(w->stranger_datagrams, 0);
	world_run(w, 1000);
	world_assert(w, world_all_attached(w));
	world_free(w);
}

static void test_path_inside(void **state)
{
	(void)state;
	path_moves_inside(0, "10.8.0.2"); /* through itself */
	path_moves_inside(0, "10.8.0.3"); /* through another */
	path_moves_inside(1, "10.9.1.77");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_from_inside),
		cmocka_unit_test(test_default_network),
		cmocka_unit_test(test_path_inside),
		cmocka_unit_test(test_own_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
