/* A reload: generations, home workers, and what only a restart can change. */
#include <errno.h>

#include "shortage.h"
#include "test_config.h"

#define PEER_A "  - { name: a, public_key: " KEY_A ", addresses: [ 10.8.0.2 ] }\n"
#define PEER_B "  - { name: b, public_key: " KEY_B ", addresses: [ 10.8.0.3 ]"
#define TUNNEL "tunnel: { addresses: [ 10.8.0.1/24 ] }\n"

static struct config *start(const char *text, uint32_t workers)
{
	struct config *c = parse_good(text);
	char *restart;

	assert_int_equal(config_adopt(c, NULL, workers, &restart), 0);
	assert_null(restart);
	assert_int_equal(c->generation, 1);
	return c;
}

/* The next configuration; what needs a restart must be as expected. */
static struct config *reload(struct config *running, const char *text, uint32_t workers, const char *expect)
{
	struct config *c = parse_good(text);
	char *restart;

	assert_int_equal(config_adopt(c, running, workers, &restart), 0);
	if (expect)
		assert_string_equal(restart, expect);
	else
		assert_null(restart);
	assert_int_equal(c->generation, running->generation + 1);
	free(restart);
	config_free(running);
	return c;
}

/* The MTU goes out with the rest of a peer's policy, so that changes everybody's. */
static void test_mtu_generation(void **state)
{
	struct config *c = start(SERVER TUNNEL "peers:\n" PEER_A PEER_B " }\n", 1);

	c = reload(c,
		   SERVER "tunnel: { addresses: [ 10.8.0.1/24 ], mtu: 1380 }\npeers:\n" PEER_A PEER_B " }\n",
		   1, NULL);
	assert_int_equal(c->peers[0].generation, 2);
	assert_int_equal(c->peers[1].generation, 2);
	c = reload(c,
		   SERVER "tunnel: { addresses: [ 10.8.0.1/24 ], mtu: 1380 }\npeers:\n" PEER_A PEER_B " }\n",
		   1, NULL);
	assert_int_equal(c->peers[0].generation, 2);
	config_free(c);
}

static uint32_t owner(const struct config *c, const char *address)
{
	struct ip ip;

	assert_true(ip_parse(address, &ip));
	return config_owner(c, &ip);
}

static uint32_t place(const struct config *c, const char *name)
{
	uint32_t i = 0;

	while (i < c->npeers && strcmp(c->peers[i].name, name) != 0)
		i++;
	assert_true(i < c->npeers);
	assert_int_equal(config_find_peer(c, c->peers[i].public_key), i);
	assert_int_equal(owner(c, strcmp(name, "a") == 0   ? "10.8.0.2"
				  : strcmp(name, "b") == 0 ? "10.8.0.3"
							   : "10.8.0.4"),
			 i);
	return i;
}

/* Who stays keeps his index, wherever he stands in the file; who is new takes the place of who is gone. */
static void test_places(void **state)
{
	static const char a[] = PEER_A, b[] = PEER_B " }\n",
			  c[] = "  - { name: c, public_key: " KEY_C ", addresses: [ 10.8.0.4, \"fd00::/16\" ] }\n";
	struct config *running = start(SERVER TUNNEL "peers:\n" PEER_A PEER_B " }\n", 2);
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), "%speers:\n%s%s%s", SERVER TUNNEL, c, b, a);
	running = reload(running, text, 2, NULL);
	assert_int_equal(place(running, "a"), 0);
	assert_int_equal(place(running, "b"), 1);
	assert_int_equal(place(running, "c"), 2);
	snprintf(text, sizeof(text), "%speers:\n%s%s", SERVER TUNNEL, c, b);
	running = reload(running, text, 2, NULL); /* the last one moves into the hole */
	assert_int_equal(place(running, "b"), 1);
	assert_int_equal(place(running, "c"), 0);
	snprintf(text, sizeof(text), "%speers:\n%s%s", SERVER TUNNEL, a, c);
	running = reload(running, text, 2, NULL);
	assert_int_equal(place(running, "c"), 0);
	assert_int_equal(place(running, "a"), 1);
	snprintf(text, sizeof(text), "%s", SERVER TUNNEL);
	running = reload(running, text, 2, NULL);
	assert_int_equal(running->npeers, 0);
	config_free(running);
}

/* Whatever lies behind a peer, the server's own addresses are the server's: those in force, not those of the file. */
static void test_own_address_is_reserved(void **state)
{
	static const char peers[] = "peers:\n  - { name: a, public_key: " KEY_A
				    ", addresses: [ 10.0.0.0/8, \"fd00::/16\" ] }\n";
	char text[512], next[512];
	struct config *c;

	(void)state;
	snprintf(text, sizeof(text), "%s%s%s", SERVER,
		 "tunnel: { addresses: [ 10.8.0.1/24, \"fd00:8::1/64\" ] }\n", peers);
	snprintf(next, sizeof(next), "%s%s%s", SERVER, "tunnel: { addresses: [ 10.9.0.1/24 ] }\n", peers);
	c = start(text, 1);
	assert_int_equal(owner(c, "10.8.0.1"), LPM_NONE);
	assert_int_equal(owner(c, "fd00:8::1"), LPM_NONE);
	assert_int_equal(owner(c, "10.8.0.2"), 0);
	c = reload(c, next, 1, "tunnel.addresses");
	assert_int_equal(owner(c, "10.8.0.1"), LPM_NONE);
	assert_int_equal(owner(c, "10.9.0.1"), 0);
	config_free(c);
}

static void refused(struct config *running, const char *text, const char *expect)
{
	struct config *c = parse_good(text);
	char *restart;

	assert_int_equal(config_adopt(c, running, 2, &restart), -EINVAL);
	assert_string_equal(restart, expect);
	free(restart);
	config_free(c);
}

/* A peer's generation grows when what is pushed to it changes, and only then. */
static void test_generations(void **state)
{
	struct config *c = start(SERVER TUNNEL "peers:\n" PEER_A PEER_B " }\n", 1);

	assert_int_equal(c->peers[0].generation, 1);
	c = reload(c, SERVER TUNNEL "peers:\n" PEER_A PEER_B " }\n", 1, NULL);
	assert_int_equal(c->peers[0].generation, 1);
	assert_int_equal(c->peers[1].generation, 1);
	c = reload(c, SERVER TUNNEL "peers:\n" PEER_A PEER_B ", dns: [ 10.8.0.1 ] }\n", 1, NULL);
	assert_int_equal(c->peers[0].generation, 1);
	assert_int_equal(c->peers[1].generation, 2);
	c = reload(c,
		   SERVER TUNNEL "peers:\n" PEER_A PEER_B
				 ", dns: [ 10.8.0.1 ], policy: { switching: { drain_ms: 1 } } }\n",
		   1, NULL);
	assert_int_equal(c->peers[1].generation, 3);
	c = reload(c,
		   SERVER TUNNEL "push: { routes: [ 10.9.0.0/16 ] }\npeers:\n" PEER_A PEER_B
				 ", dns: [ 10.8.0.1 ], policy: { switching: { drain_ms: 1 } } }\n",
		   1, NULL);
	assert_int_equal(c->peers[0].generation, 2);
	assert_int_equal(c->peers[1].generation, 4);
	c = reload(c,
		   SERVER TUNNEL
		   "push: { routes: [ 10.9.0.0/16 ] }\npolicy: { session: { rekey_after_ms: 10000 } }\n"
		   "peers:\n" PEER_A PEER_B
		   ", routes: [ 10.9.0.0/16 ], dns: [ 10.8.0.1 ], policy: { switching: { drain_ms: 1 } } }\n",
		   1, NULL);
	assert_int_equal(c->peers[0].generation, 3);
	assert_int_equal(c->peers[1].generation, 5);
	config_free(c);
}

static void peer_line(char *text, unsigned int i)
{
	char key64[KEY_BASE64_LEN + 1], line[160];
	uint8_t key[32] = { 9, (uint8_t)i };

	base64_encode(key64, key, 32);
	snprintf(line, sizeof(line), "  - { name: p%u, public_key: \"%s\", addresses: [ 10.8.1.%u ] }\n", i,
		 key64, i);
	strcat(text, line);
}

/* Who stays keeps its worker, wherever it stands in the new file; who is new goes to the least busy one. */
static void test_homes(void **state)
{
	char text[4096] = SERVER "peers:\n", next[4096] = SERVER "peers:\n";
	uint32_t count[3] = { 0 }, was[9];
	struct config *c;

	for (unsigned int i = 0; i < 9; i++)
		peer_line(text, i);
	c = start(text, 3);
	for (unsigned int i = 0; i < 9; i++) {
		was[i] = c->peers[i].home;
		assert_true(was[i] < 3);
		count[was[i]]++;
	}
	assert_int_equal(count[0], 3);
	assert_int_equal(count[1], 3);
	assert_int_equal(count[2], 3);
	/* in reverse, without two of worker 1's, with four new ones */
	for (unsigned int i = 13, gone = 0; i--;) {
		if (i < 9 && was[i] == 1 && gone++ < 2)
			continue;
		peer_line(next, i);
	}
	c = reload(c, next, 3, NULL);
	assert_int_equal(c->npeers, 11);
	memset(count, 0, sizeof(count));
	for (size_t i = 0; i < c->npeers; i++) {
		unsigned int number = (unsigned int)atoi(c->peers[i].name + 1);

		if (number < 9)
			assert_int_equal(c->peers[i].home, was[number]);
		count[c->peers[i].home]++;
	}
	assert_in_range(count[0], 3, 4);
	assert_in_range(count[1], 3, 4);
	assert_in_range(count[2], 3, 4);
	config_free(c);
}

/* Everything that needs a restart at once: named in the order of the schema, and as it was. */
static void test_restart(void **state)
{
	struct config *c = start(SERVER TUNNEL "peers:\n" PEER_A, 2);
	char *socket = strdup(c->control_socket);

	c = reload(
		c,
		"version: \"1.0\"\nnode: { id: 9, name: other }\nprivate_key_file: key2\n"
		"listen: [ \"udp://0.0.0.0:4434\", \"udp://[::]:1\" ]\nworkers: 7\ncpu_affinity: false\ncpu_priority: false\nuser: nobody\n"
		"tunnel: { name: jump9, addresses: [ 10.9.0.1/24, \"fd00::1/64\" ], mtu: 1300 }\n"
		"control: { socket: /tmp/s }\naudit: { syslog: false }\npeers:\n" PEER_A,
		2,
		"node.id, private_key_file, listen, workers, cpu_affinity, cpu_priority, user, tunnel.name, tunnel.addresses, "
		"control.socket");
	assert_int_equal(c->node_id, 1);
	assert_int_equal(c->private_key[0], 'C');
	assert_int_equal(c->nlisten, 1);
	assert_string_equal(endpoint_text(&c->listen[0].at), "0.0.0.0:4433");
	assert_int_equal(c->workers, 0);
	assert_string_equal(c->user, "");
	assert_string_equal(c->tunnel.name, "jump0");
	assert_int_equal(c->tunnel.naddresses, 1);
	assert_string_equal(prefix_text(&c->tunnel.addresses[0]), "10.8.0.1/24");
	assert_string_equal(c->control_socket, socket);
	/* these are live */
	assert_string_equal(c->node_name, "other");
	assert_int_equal(c->tunnel.mtu, 1300);
	assert_false(c->audit.syslog);
	/* the routes that are pushed follow the addresses in force: for the peer only the MTU changed */
	assert_int_equal(c->push.nroutes, 1);
	assert_string_equal(prefix_text(&c->peers[0].routes[0]), "10.8.0.0/24");
	assert_int_equal(c->peers[0].generation, 2);
	free(socket);
	config_free(c);
}

static void test_role_refused(void **state)
{
	struct config *c = start(SERVER TUNNEL, 2);

	refused(c, CLIENT, "role");
	config_free(c);
}

/* The tunnel's address stays, and a peer of the new file stands on it. */
static void test_address_refused(void **state)
{
	struct config *c = start(SERVER TUNNEL, 2);

	refused(c,
		SERVER "tunnel: { addresses: [ 10.8.0.254/24 ] }\n"
		       "peers: [ { name: a, public_key: " KEY_A ", addresses: [ 10.8.0.1 ] } ]\n",
		"tunnel.addresses");
	config_free(c);
}

/* On a client addresses are live: they only override what the server says. */
static void test_client(void **state)
{
	struct config *c = start(CLIENT "tunnel: { addresses: [ 10.8.0.9/24 ] }\n", 1);

	c = reload(c, CLIENT "tunnel: { addresses: [ 10.8.0.10/24 ], name: other }\n", 1, "tunnel.name");
	assert_string_equal(prefix_text(&c->tunnel.addresses[0]), "10.8.0.10/24");
	assert_string_equal(c->tunnel.name, "jump0");
	config_free(c);
}

/* A reload of `running`; what it is refused for is told, or there is no memory for that either. */
static bool reload_short_of_memory(const struct config *running)
{
	struct config_errors errors = { 0 };
	struct config *next = config_load("short.yaml", &errors);
	char *restart = NULL;
	const bool taken = next && config_adopt(next, running, 2, &restart) == 0;

	assert_true(!next || errors.count == 0);
	if (taken) { /* then it is whole */
		assert_int_equal(next->npeers, 2);
		assert_int_equal(owner(next, "10.8.0.3"), 1);
		assert_int_equal(next->peers[1].nroutes, 1);
		assert_int_equal(next->peers[1].policy.max_lifetime_ms, 61000);
		assert_int_equal(next->peers[1].psk[0], 'B');
		assert_int_equal(next->generation, running->generation + 1);
	}
	free(restart);
	config_free(next);
	config_errors_free(&errors);
	return taken;
}

/* Each allocation of a reload fails once, in turn: it is refused, and nothing leaks; or it was none that mattered, such as
 * a buffer of a stream. */
static void test_short_of_memory(void **state)
{
	struct config *running = start(SERVER TUNNEL "peers:\n" PEER_A PEER_B " }\n", 2);
	unsigned int held = 0, rounds = 0, refusals = 0;

	if (!shortage_works()) {
		config_free(running);
		skip();
	}
	put_file("short.yaml",
		 SERVER TUNNEL "peers:\n" PEER_A PEER_B
			       ", routes: [ 10.9.0.0/16 ], psk_file: psk, policy: { session: { max_lifetime_ms: 61000 } } }\n",
		 0600);
	shortage_begin(&held);
	assert_true(reload_short_of_memory(running));
	for (; shortage_next(); rounds++) {
		const long before = shortage.live;
		bool taken;

		shortage_arm();
		taken = reload_short_of_memory(running);
		shortage_disarm();
		assert_int_equal(shortage.live, before);
		refusals += !taken;
	}
	assert_true(rounds > 50);
	assert_in_range(refusals, rounds / 2, rounds);
	config_free(running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mtu_generation),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_own_address_is_reserved), cmocka_unit_test(test_generations),
		cmocka_unit_test(test_homes),          cmocka_unit_test(test_restart),
		cmocka_unit_test(test_role_refused),   cmocka_unit_test(test_address_refused),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_short_of_memory),
	};

	return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
