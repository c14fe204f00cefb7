/* Good files: every key where it belongs, defaults where nothing is said, peers from several files. */
#include <syslog.h>

#include "test_config.h"

static void test_server_minimal(void **state)
{
	struct config *c = parse_good(SERVER);

	assert_string_equal(c->file, "t");
	assert_int_equal(c->generation, 1);
	assert_int_equal(c->role, ROLE_SERVER);
	assert_int_equal(c->node_id, 1);
	assert_string_equal(c->node_name, "");
	for (int i = 0; i < 32; i++) {
		assert_int_equal(c->private_key[i], 'C');
		assert_int_equal(c->public_key[i], 0);
	}
	assert_int_equal(c->workers, 0);
	assert_string_equal(c->user, "");
	assert_string_equal(c->tunnel.name, "jump0");
	assert_int_equal(c->tunnel.naddresses, 0);
	assert_false(c->tunnel.addresses_set);
	assert_false(c->tunnel.routes_set);
	assert_false(c->tunnel.mtu_set);
	assert_int_equal(c->tunnel.mtu, 1420);
	assert_int_equal(c->nlisten, 1);
	assert_string_equal(endpoint_text(&c->listen[0].at), "0.0.0.0:4433");
	assert_int_equal(c->npeers, 0);
	assert_null(c->peers_dir);
	assert_non_null(c->owners);
	assert_int_equal(c->push.nroutes, 0);
	assert_true(c->audit.syslog);
	assert_int_equal(c->audit.syslog_facility, LOG_AUTHPRIV);
	assert_null(c->audit.jsonl);
	assert_non_null(strstr(c->control_socket, "/jumpvpn/control.sock"));
	assert_false(c->metrics.on);
	assert_int_equal(config_find_peer(c, c->private_key), -1);
#define X(section, key, KIND, def, least, most) assert_int_equal(c->policy.key, def);
	POLICY_LIST(X)
#undef X
	config_free(c);
}

static void test_client_minimal(void **state)
{
	struct config *c = parse_good(CLIENT);

	assert_int_equal(c->role, ROLE_CLIENT);
	assert_int_equal(c->workers, 1);
	assert_true(c->tunnel.dns);
	assert_memory_equal(c->server_public_key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 32);
	assert_int_equal(c->nendpoints, 1);
	assert_string_equal(c->endpoints[0].host, "vpn.example.net");
	assert_int_equal(c->endpoints[0].port, 4433);
	assert_int_equal(c->ntransports, 1);
	assert_string_equal(c->transports[0].name, "default");
	assert_string_equal(c->transports[0].interface, "");
	assert_true(ip_is_zero(&c->transports[0].address));
	assert_string_equal(c->transports[0].endpoint.host, "");
	assert_int_equal(c->policy.handshake_timeout_ms, 5000);
	config_free(c);
}

static const char server_full[] =
	"version: 1.0\n"
	"role: server\n"
	"node: { id: 0, name: gw-1 }\n"
	"private_key_file: key\n"
	"listen: [ \"udp://192.0.2.1:1\", \"udp://[2001:db8::1]:65535\" ]\n"
	"workers: 256\n"
	"user: jumpvpn\n"
	"tunnel: { name: vpn-9.1, addresses: [ 10.8.0.1/24, \"fd00:8::1/64\" ], mtu: 1280 }\n"
	"peers:\n"
	"  - name: alice@example.net\n"
	"    public_key: " KEY_A "\n"
	"    addresses: [ 10.8.0.2, \"fd00:8::2\" ]\n"
	"    psk_file: psk\n"
	"    policy: { switching: { drain_ms: 0, improvement_factor: 1.5 } }\n"
	"  - name: \"no\"\n"
	"    public_key: " KEY_B "\n"
	"    addresses: [ 10.8.0.3/32, 192.168.0.0/16, 10.0.0.0/8 ]\n"
	"    routes: [ 0.0.0.0/0 ]\n"
	"    dns: []\n"
	"policy:\n"
	"  volatility: { loss_volatile_threshold: 0.05, latency_volatile_threshold_ms: 10000 }\n"
	"  switching: { drain_ms: 10000, rescue_bytes: 0 }\n"
	"  security: { replay_window: 65536 }\n"
	"push: { dns: [ 10.8.0.1, \"fd00:8::1\" ] }\n"
	"audit: { syslog: { facility: local7 }, jsonl: /var/log/a.jsonl }\n"
	"control: { socket: sock }\n"
	"metrics: { listen: \"[::1]:9551\" }\n";

/* The interface of a link-local address is kept by its name: it may come with any number. */
static void test_listen_interface(void **state)
{
	struct config *c =
		parse_good("version: \"1.0\"\nprivate_key_file: key\n"
			   "listen: [ \"udp://[fe80::1%nowhere0]:4433\", \"udp://[fe80::1%7]:4433\" ]\n");
	char buf[LISTEN_STRLEN];

	(void)state;
	assert_string_equal(c->listen[0].interface, "nowhere0");
	assert_int_equal(c->listen[0].at.scope, 0);
	assert_string_equal(config_listen_format(&c->listen[0], buf), "[fe80::1%nowhere0]:4433");
	assert_string_equal(c->listen[1].interface, "");
	assert_int_equal(c->listen[1].at.scope, 7);
	config_free(c);
}

static void check_server_lists(const struct config *c)
{
	assert_int_equal(c->nlisten, 2);
	assert_string_equal(endpoint_text(&c->listen[0].at), "192.0.2.1:1");
	assert_string_equal(endpoint_text(&c->listen[1].at), "[2001:db8::1]:65535");
	assert_int_equal(c->tunnel.naddresses, 2);
	assert_true(c->tunnel.addresses_set);
	assert_string_equal(prefix_text(&c->tunnel.addresses[0]), "10.8.0.1/24");
	assert_string_equal(prefix_text(&c->tunnel.addresses[1]), "fd00:8::1/64");
	/* not said, so the networks of the addresses */
	assert_int_equal(c->push.nroutes, 2);
	assert_string_equal(prefix_text(&c->push.routes[0]), "10.8.0.0/24");
	assert_string_equal(prefix_text(&c->push.routes[1]), "fd00:8::/64");
	assert_int_equal(c->push.ndns, 2);
	assert_string_equal(ip_text(&c->push.dns[1]), "fd00:8::1");
}

static void check_alice(const struct config_peer *p)
{
	assert_string_equal(p->name, "alice@example.net");
	assert_memory_equal(p->public_key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 32);
	assert_true(p->has_psk);
	assert_memory_equal(p->psk, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", 32);
	assert_int_equal(p->naddresses, 2);
	assert_string_equal(prefix_text(&p->addresses[0]), "10.8.0.2");
	assert_string_equal(prefix_text(&p->addresses[1]), "fd00:8::2");
	assert_int_equal(p->nroutes, 2);
	assert_string_equal(prefix_text(&p->routes[0]), "10.8.0.0/24");
	assert_int_equal(p->ndns, 2);
	assert_string_equal(ip_text(&p->dns[0]), "10.8.0.1");
	assert_int_equal(p->generation, 1);
	/* its own; the server's, though that stands later in the file; the default */
	assert_int_equal(p->policy.drain_ms, 0);
	assert_int_equal(p->policy.improvement_factor, 1500000);
	assert_int_equal(p->policy.replay_window, 65536);
	assert_int_equal(p->policy.loss_volatile_threshold, 50000);
	assert_int_equal(p->policy.switch_cooldown_ms, 1500);
}

static void check_no(const struct config_peer *p)
{
	assert_string_equal(p->name, "no");
	assert_false(p->has_psk);
	assert_int_equal(p->naddresses, 3);
	assert_string_equal(prefix_text(&p->addresses[0]), "10.8.0.3");
	assert_string_equal(prefix_text(&p->addresses[1]), "192.168.0.0/16");
	assert_int_equal(p->nroutes, 1);
	assert_string_equal(prefix_text(&p->routes[0]), "0.0.0.0/0");
	assert_int_equal(p->ndns, 0);
	assert_int_equal(p->policy.drain_ms, 10000);
}

static uint32_t owner(const struct config *c, const char *address)
{
	struct ip ip;

	assert_true(ip_parse(address, &ip));
	return lpm_find(c->owners, &ip);
}

static void test_server_full(void **state)
{
	struct config *c = parse_good(server_full);

	assert_int_equal(c->node_id, 0);
	assert_string_equal(c->node_name, "gw-1");
	assert_int_equal(c->workers, 256);
	assert_string_equal(c->user, "jumpvpn");
	assert_string_equal(c->tunnel.name, "vpn-9.1");
	assert_int_equal(c->tunnel.mtu, 1280);
	assert_true(c->tunnel.mtu_set);
	check_server_lists(c);
	assert_int_equal(c->npeers, 2);
	check_alice(&c->peers[0]);
	check_no(&c->peers[1]);
	assert_int_equal(owner(c, "10.8.0.2"), 0);
	assert_int_equal(owner(c, "fd00:8::2"), 0);
	assert_int_equal(owner(c, "192.168.3.4"), 1);
	assert_int_equal(owner(c, "10.9.9.9"), 1);
	assert_int_equal(owner(c, "fd00:8::3"), LPM_NONE);
	assert_int_equal(config_find_peer(c, c->peers[1].public_key), 1);
	assert_int_equal(config_find_peer(c, c->private_key), -1);
	assert_int_equal(c->policy.drain_ms, 10000);
	assert_int_equal(c->policy.rescue_bytes, 0);
	assert_int_equal(c->policy.latency_volatile_threshold_ms, 10000);
	assert_true(c->audit.syslog);
	assert_int_equal(c->audit.syslog_facility, LOG_LOCAL7);
	assert_string_equal(c->audit.jsonl, "/var/log/a.jsonl");
	assert_string_equal(c->control_socket, "sock");
	assert_true(c->metrics.on);
	assert_string_equal(endpoint_text(&c->metrics.listen), "[::1]:9551");
	config_free(c);
}

static void test_client_full(void **state)
{
	struct config *c =
		parse_good("version: \"1.0\"\nrole: client\nprivate_key_file: key\nworkers: 1\n"
			   "server:\n  public_key: " KEY_A "\n  psk_file: psk\n"
			   "  endpoints: [ \"udp://[2001:db8::1]:1\", \"udp://[fe80::1%eth0]:2\", "
			   "\"udp://192.0.2.1:3\", \"udp://vpn:4\" ]\n"
			   "transports:\n"
			   "  - { name: wifi, interface: wlan0, address: 192.0.2.7 }\n"
			   "  - { name: lte, endpoint: \"udp://vpn2.example.net:443\" }\n"
			   "tunnel: { addresses: [ 10.0.0.9/24 ], routes: [], dns: false, mtu: 576 }\n"
			   "accept: { routes: [ 0.0.0.0/0 ], dns: [], sources: [ 10.1.0.0/16 ] }\n"
			   "audit: { syslog: false }\n");

	assert_memory_equal(c->server_psk, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", 32);
	assert_int_equal(c->nendpoints, 4);
	assert_string_equal(c->endpoints[0].host, "2001:db8::1");
	assert_string_equal(c->endpoints[1].host, "fe80::1%eth0");
	assert_string_equal(c->endpoints[2].host, "192.0.2.1");
	assert_string_equal(c->endpoints[3].host, "vpn");
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(c->endpoints[i].port, i + 1);
	assert_true(c->accept.routes.set && c->accept.dns.set && !c->accept.addresses.set);
	assert_int_equal(c->accept.routes.n, 1);
	assert_int_equal(c->accept.dns.n, 0);
	assert_string_equal(prefix_text(&c->accept.sources.at[0]), "10.1.0.0/16");
	assert_int_equal(c->ntransports, 2);
	assert_string_equal(c->transports[0].name, "wifi");
	assert_string_equal(c->transports[0].interface, "wlan0");
	assert_string_equal(ip_text(&c->transports[0].address), "192.0.2.7");
	assert_string_equal(c->transports[0].endpoint.host, "");
	assert_string_equal(c->transports[1].endpoint.host, "vpn2.example.net");
	assert_int_equal(c->transports[1].endpoint.port, 443);
	assert_true(c->tunnel.addresses_set);
	assert_string_equal(prefix_text(&c->tunnel.addresses[0]), "10.0.0.9/24");
	assert_true(c->tunnel.routes_set);
	assert_int_equal(c->tunnel.nroutes, 0);
	assert_false(c->tunnel.dns);
	assert_int_equal(c->tunnel.mtu, 576);
	assert_true(c->tunnel.mtu_set);
	assert_false(c->audit.syslog);
	config_free(c);
}

/* Every row of the policy takes its least and its most, and refuses what lies beyond. */
static void test_policy_bounds(void **state)
{
	static const struct {
		const char *section, *key;
		uint32_t least, most;
		bool fraction;
	} rows[] = {
#define X(s, k, KIND, def, lo, hi) { #s, #k, lo, hi, #KIND[0] == 'P' && #KIND[1] == 'P' },
		POLICY_LIST(X)
#undef X
	};
	char text[512];

	for (size_t i = 0; i < POLICY_KEYS; i++) {
		for (int n = 0; n < 4; n++) {
			int64_t v =
				n < 2 ? (int64_t)rows[i].least - (n == 0) : (int64_t)rows[i].most + (n == 3);
			struct config_errors e;
			struct config *c;

			if (rows[i].fraction)
				snprintf(text, sizeof(text), SERVER "policy: { %s: { %s: %d.%06d } }\n",
					 rows[i].section, rows[i].key, (int)(v / 1000000),
					 (int)(v % 1000000));
			else
				snprintf(text, sizeof(text), SERVER "policy: { %s: { %s: %d } }\n",
					 rows[i].section, rows[i].key, (int)v);
			c = config_parse("t", STR(text), &e);
			assert_int_equal(e.count, n == 0 || n == 3);
			if (c)
				assert_int_equal(((const uint32_t *)(const void *)&c->policy)[i], v);
			config_free(c);
			config_errors_free(&e);
		}
	}
}

/* Relative paths start where the main file is, in the files of peers_dir too. */
static void test_peers_dir(void **state)
{
	struct config_errors e;
	struct config *c;
	char buf[1024];

	assert_int_equal(mkdir("etc", 0755), 0);
	assert_int_equal(mkdir("etc/peers.d", 0755), 0);
	put_file("etc/key", KEY_C, 0600);
	put_file("etc/psk", KEY_B, 0600);
	put_file("etc/peers.d/20.yaml",
		 "- { name: c, public_key: " KEY_C ", addresses: [ 10.0.0.4 ], psk_file: psk }\n", 0644);
	put_file("etc/peers.d/10.yaml", "- name: b\n  public_key: " KEY_B "\n  addresses: [ 10.0.0.3 ]\n",
		 0644);
	put_file("etc/peers.d/30.yaml", "[]\n", 0644);
	put_file("etc/peers.d/README", "not for us", 0644);
	put_file("etc/peers.d/.40.yaml", "nor this", 0644);
	put_file("etc/server.yaml",
		 SERVER "peers_dir: peers.d\npeers: [ { name: a, public_key: " KEY_A
			", addresses: [ 10.0.0.2 ] } ]\n"
			"policy: { switching: { drain_ms: 7 } }\n",
		 0644);
	c = config_load("etc/server.yaml", &e);
	assert_string_equal(messages(&e, buf, sizeof(buf)), "");
	assert_non_null(c);
	assert_string_equal(c->peers_dir, "etc/peers.d");
	assert_int_equal(c->npeers, 3);
	assert_string_equal(c->peers[0].name, "a");
	assert_string_equal(c->peers[1].name, "b");
	assert_string_equal(c->peers[2].name, "c");
	assert_true(c->peers[2].has_psk);
	assert_int_equal(c->peers[2].policy.drain_ms, 7);
	assert_int_equal(owner(c, "10.0.0.4"), 2);
	config_free(c);
}

/* `check` of a file whose keys are made later. */
static void test_check_notes(void **state)
{
	struct config_errors e, notes;
	struct config *c;
	char buf[1024];

	put_file("later.yaml",
		 "version: \"1.0\"\nrole: server\nprivate_key_file: later.key\n"
		 "listen: [ \"udp://0.0.0.0:1\" ]\ntunnel: { addresses: [ 10.8.0.1/24 ] }\n",
		 0644);
	c = config_check("later.yaml", &e, &notes);
	assert_non_null(c);
	assert_int_equal(e.count, 0);
	config_errors_free(&e);
	assert_string_equal(messages(&notes, buf, sizeof(buf)),
			    "later.yaml:3:19: private_key_file: later.key does not exist yet; make it with: "
			    "(umask 077; jumpvpnd keygen > later.key)\n");
	config_free(c);
	/* a key that is there and wrong is an error here too */
	put_file("later.key", KEY_A, 0644);
	assert_null(config_check("later.yaml", &e, &notes));
	assert_int_equal(e.count, 1);
	config_errors_free(&e);
	config_errors_free(&notes);
}

/* A network around the server's own address is allowed, and means less than it says. */
static void test_check_own_address(void **state)
{
	struct config_errors e, notes;
	struct config *c;
	char buf[1024];

	put_file("wide.yaml",
		 SERVER "tunnel: { addresses: [ 10.8.0.1/24 ] }\n"
			"peers:\n  - { name: a, public_key: " KEY_A
			", addresses: [ 10.9.0.2, 10.0.0.0/8 ] }\n",
		 0644);
	c = config_check("wide.yaml", &e, &notes);
	assert_non_null(c);
	assert_string_equal(
		messages(&notes, buf, sizeof(buf)),
		"wide.yaml:7:97: peers[0].addresses[1]: 10.0.0.0/8 holds this server's own address "
		"10.8.0.1 (tunnel.addresses), which stays the server's: what the peer sends from it is "
		"dropped\n");
	config_free(c);
	config_errors_free(&e);
	config_errors_free(&notes);
}

/* Fewer sessions than peers is allowed, and to be noticed. */
static void test_check_max_sessions(void **state)
{
	struct config_errors e, notes;
	struct config *c;
	char buf[1024];

	put_file("few.yaml",
		 SERVER "tunnel: { addresses: [ 10.8.0.1/24 ] }\n"
			"max_sessions: 1\n"
			"peers:\n  - { name: a, public_key: " KEY_A ", addresses: [ 10.8.0.2 ] }\n"
			"  - { name: b, public_key: " KEY_B ", addresses: [ 10.8.0.3 ] }\n",
		 0644);
	c = config_check("few.yaml", &e, &notes);
	assert_non_null(c);
	assert_int_equal(c->max_sessions, 1);
	assert_string_equal(
		messages(&notes, buf, sizeof(buf)),
		"few.yaml:6:15: max_sessions: 1: not all of the 2 peers can have a session at a time\n");
	config_free(c);
	config_errors_free(&e);
	config_errors_free(&notes);
}

static char source_dir[512];

/* The examples, as they are shipped; their key files may be there or not. */
static void test_examples(void **state)
{
	static const char *const names[] = { "server", "client" };

	for (int i = 0; i < 2; i++) {
		struct config_errors e, notes;
		struct config *c;
		char file[600], buf[4096];

		snprintf(file, sizeof(file), "%s/conf/%s.yaml", source_dir, names[i]);
		if (access(file, R_OK))
			skip();
		c = config_check(file, &e, &notes);
		assert_string_equal(messages(&e, buf, sizeof(buf)), "");
		assert_non_null(c);
		assert_int_equal(c->role, i ? ROLE_CLIENT : ROLE_SERVER);
		config_free(c);
		config_errors_free(&notes);
	}
}

static void expect_line(const char *text, const char *key, const char *value)
{
	size_t len = strlen(key);
	const char *line = text;

	while (line && !(!strncmp(line, key, len) && line[len] == ' ')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		fail_msg("%s is missing", key);
	line += len + strspn(line + len, " ");
	if (strncmp(line, value, strlen(value)) || line[strlen(value)] != '\n')
		fail_msg("%s: expected %s, found %.*s", key, value, (int)strcspn(line, "\n"), line);
}

/* Values in force, defaults too; secrets are not among them. */
static void test_effective(void **state)
{
	struct config *c = parse_good(server_full);
	char *text = config_effective(c);

	assert_non_null(text);
	expect_line(text, "version", "1.0");
	expect_line(text, "private_key_file", "(set, not shown)");
	expect_line(text, "node.id", "0");
	expect_line(text, "listen", "udp://192.0.2.1:1, udp://[2001:db8::1]:65535");
	expect_line(text, "push.routes", "10.8.0.0/24, fd00:8::/64");
	expect_line(text, "policy.volatility.loss_volatile_threshold", "0.05");
	expect_line(text, "policy.session.max_lifetime_ms", "86400000");
	expect_line(text, "peers[0].public_key", KEY_A);
	expect_line(text, "peers[0].psk_file", "(set, not shown)");
	expect_line(text, "peers[0].policy.switching.drain_ms", "0");
	expect_line(text, "peers[1].dns", "-");
	assert_null(strstr(text, "tunnel.dns"));
	assert_null(strstr(text, "peers[1].policy."));
	assert_null(strstr(text, KEY_C)); /* the private key */
	free(text);
	config_free(c);
}

/* Ten thousand peers, found by key and by address. */
static void test_many_peers(void **state)
{
	enum { COUNT = 10000 };
	size_t size = 200 * COUNT;
	char *text = malloc(size), key64[KEY_BASE64_LEN + 1];
	uint8_t key[32] = { 1 };
	struct config *c;
	size_t len;

	assert_non_null(text);
	len = (size_t)snprintf(text, size, SERVER "peers:\n");
	for (uint32_t i = 0; i < COUNT; i++) {
		key[30] = (uint8_t)(i >> 8);
		key[31] = (uint8_t)i;
		base64_encode(key64, key, 32);
		len += (size_t)snprintf(text + len, size - len,
					" - { name: p%u, public_key: \"%s\", addresses: [ 10.1.%u.%u ] }\n",
					i, key64, i >> 8, i & 0xff);
	}
	c = parse_good(text);
	assert_int_equal(c->npeers, COUNT);
	assert_int_equal(config_find_peer(c, key), COUNT - 1);
	assert_int_equal(owner(c, "10.1.2.3"), 0x203);
	config_free(c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_interface),  cmocka_unit_test(test_server_minimal),
		cmocka_unit_test(test_client_minimal),    cmocka_unit_test(test_server_full),
		cmocka_unit_test(test_client_full),       cmocka_unit_test(test_policy_bounds),
		cmocka_unit_test(test_peers_dir),         cmocka_unit_test(test_check_notes),
		cmocka_unit_test(test_check_max_sessions),
		cmocka_unit_test(test_check_own_address), cmocka_unit_test(test_effective),
		cmocka_unit_test(test_many_peers),        cmocka_unit_test(test_examples),
	};

	if (!getcwd(source_dir, sizeof(source_dir))) /* tests run where the sources are */
		return 1;
	return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
