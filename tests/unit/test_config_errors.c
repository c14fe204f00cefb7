/* What is wrong with a file, and the whole message for it: position, key, what is allowed, what was meant. */
#include "test_config.h"

struct bad {
	const char *text;
	const char *expect;
};

/* clang-format off */
static const struct bad syntax[] = {
	{ "",
	  "t: the file is empty\n" },
	{ "# nothing here\n",
	  "t: the file is empty\n" },
	{ "[ 1, 2 ]\n",
	  "t:1:1: expected a mapping of keys and values, found a list\n" },
	{ "role\n",
	  "t:1:1: expected a mapping of keys and values, found a single value\n" },
	{ "version: \"1.0\n",
	  "t:2:1: not valid YAML: found unexpected end of stream (while scanning a "
	  "quoted scalar, which began at line 1)\n" },
	{ "a: b: c\n",
	  "t:1:5: not valid YAML: mapping values are not allowed in this context\n" },
	{ "version: \"1.0\"\n"
	  "---\n"
	  "role: server\n",
	  "t:2:1: a second document; a file holds one\n" },
	{ SERVER "workers: &w 2\n",
	  "t:5:10: workers: anchors are not allowed; write the value out\n" },
	{ SERVER "user: *u\n",
	  "t:5:7: user: aliases are not allowed; write the value out\n" },
	{ SERVER "workers: !!int 2\n",
	  "t:5:10: workers: tags are not allowed; write the value alone\n" },
	{ SERVER "<<: { user: x }\n",
	  "t:5:1: <<: unknown key; allowed: version, role, node, private_key_file, "
	  "listen, workers, max_sessions, cpu_affinity, cpu_priority, user, tunnel, udp, peers, peers_dir, policy, push, audit, "
	  "control, metrics\n" },
	{ SERVER "? [ a ]\n"
	  ": 1\n",
	  "t:5:3: a key must be a plain text\n" },
	{ SERVER "workers: 2\n"
	  "user: x\n"
	  "workers: 3\n",
	  "t:7:1: workers: the key stands twice; the first is at line 5\n" },
	{ SERVER "policy: { transport: { max_candidates: 1, max_candidates: 2 } }\n",
	  "t:5:43: policy.transport.max_candidates: the key stands twice; the first is "
	  "at line 5\n" },
	{ SERVER "user: \"a\\0b\"\n",
	  "t:5:7: user: control characters are not allowed in a text\n" },
	{ SERVER "user: \"a\\e[31m\"\n",
	  "t:5:7: user: control characters are not allowed in a text\n" },
	{ SERVER "user: \"a\001\"\n",
	  "t:5:9: not valid YAML: control characters are not allowed\n" },
	{ SERVER "x: [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]\n",
	  "t:5:19: x[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested deeper than 16 "
	  "levels\n" },
};

static const struct bad keys[] = {
	{ SERVER "polcy: {}\n",
	  "t:5:1: polcy: unknown key; did you mean \"policy\"?\n" },
	{ SERVER "policy:\n"
	  "  switching:\n"
	  "    drian_ms: 5\n",
	  "t:7:5: policy.switching.drian_ms: unknown key; did you mean \"drain_ms\"?\n" },
	{ SERVER "policy: { drain_ms: 5 }\n",
	  "t:5:11: policy.drain_ms: unknown key; did you mean \"switching.drain_ms\"?\n" },
	{ SERVER "mtu: 1400\n",
	  "t:5:1: mtu: unknown key; did you mean \"tunnel.mtu\"?\n" },
	{ SERVER "wibble: 1\n",
	  "t:5:1: wibble: unknown key; allowed: version, role, node, private_key_file, "
	  "listen, workers, max_sessions, cpu_affinity, cpu_priority, user, tunnel, udp, peers, peers_dir, policy, push, audit, "
	  "control, metrics\n" },
	{ SERVER "audit: { wibble: 1 }\n",
	  "t:5:10: audit.wibble: unknown key; allowed: syslog, jsonl, backlog\n" },
	{ SERVER "peers: [ { name: a, public_kay: x, public_key: " KEY_A ", addresses: [ 10.0.0.2 ] "
	  "} ]\n",
	  "t:5:21: peers[0].public_kay: unknown key; did you mean \"public_key\"?\n" },
	{ SERVER "server: { public_key: " KEY_A " }\n",
	  "t:5:1: server: belongs to role: client; this file has role: server\n" },
	{ SERVER "transports: []\n",
	  "t:5:1: transports: belongs to role: client; this file has role: server\n" },
	{ SERVER "tunnel: { dns: true }\n",
	  "t:5:11: tunnel.dns: belongs to role: client; this file has role: server\n" },
	{ CLIENT "listen: [ \"udp://0.0.0.0:1\" ]\n",
	  "t:5:1: listen: belongs to role: server; this file has role: client\n" },
	{ CLIENT "peers: []\n",
	  "t:5:1: peers: belongs to role: server; this file has role: client\n" },
	{ CLIENT "policy: {}\n",
	  "t:5:1: policy: belongs to role: server; this file has role: client\n" },
	{ CLIENT "push: { dns: [] }\n",
	  "t:5:1: push: belongs to role: server; this file has role: client\n" },
	{ "role: server\n",
	  "t:1:1: listen: is missing; write a list of endpoints\n"
	  "t:1:1: private_key_file: is missing; write the path of a key file\n"
	  "t:1:1: version: is missing; write the version \"1.0\"\n" },
	{ "role: client\n",
	  "t:1:1: private_key_file: is missing; write the path of a key file\n"
	  "t:1:1: server.endpoints: is missing; write a list of endpoints\n"
	  "t:1:1: server.public_key: is missing; write a public key\n"
	  "t:1:1: version: is missing; write the version \"1.0\"\n" },
	{ "version: \"1.0\"\n"
	  "role: client\n"
	  "private_key_file: key\n"
	  "server: { public_key: " KEY_A " }\n",
	  "t:4:1: server.endpoints: is missing; write a list of endpoints\n" },
	{ SERVER "peers:\n"
	  "  - name: a\n",
	  "t:6:5: peers[0].addresses: is missing; write a list of addresses\n"
	  "t:6:5: peers[0].public_key: is missing; write a public key\n" },
	{ CLIENT "transports: [ { interface: wlan0 } ]\n",
	  "t:5:15: transports[0].name: is missing; write a name\n" },
};

static const struct bad types[] = {
	{ SERVER "tunnel: jump0\n",
	  "t:5:9: tunnel: expected a mapping, found a single value\n" },
	{ SERVER "tunnel:\n",
	  "t:5:1: tunnel: has no value; write its keys, or leave it out\n" },
	{ SERVER "peers:\n",
	  "t:5:1: peers: has no value; write a list of peers, [] for an empty one, or "
	  "leave the key out\n" },
	{ SERVER "peers: {}\n",
	  "t:5:8: peers: expected a list of peers, found a mapping\n" },
	{ SERVER "peers: [ 5, ~ ]\n",
	  "t:5:10: peers[0]: expected a mapping, found a single value\n"
	  "t:5:13: peers[1]: has no value; write its keys, or leave it out\n" },
	{ SERVER "workers: [ 2 ]\n",
	  "t:5:10: workers: expected auto or a whole number, found a list\n" },
	{ SERVER "workers: { a: 2 }\n",
	  "t:5:10: workers: expected auto or a whole number, found a mapping\n" },
	{ SERVER "workers:\n",
	  "t:5:1: workers: has no value; write auto or a whole number, or leave the key "
	  "out\n" },
	{ SERVER "workers: ~\n",
	  "t:5:1: workers: has no value; write auto or a whole number, or leave the key "
	  "out\n" },
	{ SERVER "user: null\n",
	  "t:5:1: user: has no value; write the name of a user, or leave the key out\n" },
	{ SERVER "policy:\n"
	  "  session:\n",
	  "t:6:3: policy.session: has no value; write its keys, or leave it out\n" },
	{ SERVER "policy: [ 1 ]\n",
	  "t:5:9: policy: expected a mapping, found a list\n" },
	{ SERVER "push: { dns: 10.8.0.1 }\n",
	  "t:5:14: push.dns: expected a list of addresses, found a single value\n" },
	{ SERVER "push: { dns: [ [ 10.8.0.1 ], ~ ] }\n",
	  "t:5:16: push.dns[0]: expected a single value, found a list\n"
	  "t:5:30: push.dns[1]: expected a single value, found none\n" },
	{ SERVER "push:\n"
	  "  routes:\n",
	  "t:6:3: push.routes: has no value; write a list of networks, [] for an empty "
	  "one, or leave the key out\n" },
};

static const struct bad numbers[] = {
	{ SERVER "policy: { session: { max_lifetime_ms: 5 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: 5 is out of range; allowed: 60000 to "
	  "604800000 (milliseconds)\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 99999999999999999999999 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: 99999999999999999999999 is out of "
	  "range; allowed: 60000 to 604800000 (milliseconds)\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 4294967296 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: 4294967296 is out of range; allowed: "
	  "60000 to 604800000 (milliseconds)\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: -60000 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: -60000 is out of range; allowed: "
	  "60000 to 604800000 (milliseconds)\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 070000 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: 070000 is octal to some readers of "
	  "YAML; write 70000\n" },
	{ SERVER "node: { id: 00 }\n",
	  "t:5:13: node.id: 00 is octal to some readers of YAML; write 0\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 0xEA60 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: 0xEA60 is not decimal; write 60000\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 60_000 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: 60_000 is not decimal; write 60000\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 1e6 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: \"1e6\" is not a whole number; write it "
	  "in decimal, in milliseconds\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 60s } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: \"60s\" is not a whole number; write it "
	  "in decimal, in milliseconds\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: \"60000\" } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: \"60000\" is a text; write the number "
	  "without quotes\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 60_000ms } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: \"60_000ms\" is not a whole number; "
	  "write it in decimal, in milliseconds\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: +60000 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: +60000 is not decimal; write 60000\n" },
	{ SERVER "policy: { session: { max_lifetime_ms: 1:30:00 } }\n",
	  "t:5:39: policy.session.max_lifetime_ms: \"1:30:00\" is not a whole number; "
	  "write it in decimal, in milliseconds\n" },
	{ SERVER "policy: { volatility: { loss_volatile_threshold: 0.001 } }\n",
	  "t:5:50: policy.volatility.loss_volatile_threshold: 0.001 is out of range; "
	  "allowed: 0.01 to 1\n" },
	{ SERVER "policy: { volatility: { loss_volatile_threshold: 20% } }\n",
	  "t:5:50: policy.volatility.loss_volatile_threshold: \"20%\" is not a number; "
	  "write it as 1.25, at most 6 places\n" },
	{ SERVER "policy: { volatility: { loss_volatile_threshold: .2 } }\n",
	  "t:5:50: policy.volatility.loss_volatile_threshold: \".2\" is not a number; "
	  "write it as 1.25, at most 6 places\n" },
	{ SERVER "policy: { volatility: { loss_volatile_threshold: 0.1234567 } }\n",
	  "t:5:50: policy.volatility.loss_volatile_threshold: \"0.1234567\" is not a "
	  "number; write it as 1.25, at most 6 places\n" },
	{ SERVER "policy: { switching: { improvement_factor: 10.000001 } }\n",
	  "t:5:44: policy.switching.improvement_factor: 10.000001 is out of range; "
	  "allowed: 1 to 10\n" },
	{ SERVER "policy: { switching: { improvement_factor: 99999 } }\n",
	  "t:5:44: policy.switching.improvement_factor: 99999 is out of range; allowed: "
	  "1 to 10\n" },
	{ SERVER "policy: { switching: { improvement_factor: \"1.1\" } }\n",
	  "t:5:44: policy.switching.improvement_factor: \"1.1\" is a text; write the "
	  "number without quotes\n" },
	{ SERVER "policy: { switching: { improvement_factor: -1.1 } }\n",
	  "t:5:44: policy.switching.improvement_factor: -1.1 is out of range; allowed: 1 "
	  "to 10\n" },
	{ SERVER "policy: { security: { replay_window: 1000 } }\n",
	  "t:5:38: policy.security.replay_window: 1000 is out of range; allowed: a power "
	  "of two, 64 to 65536 (packets)\n" },
	{ SERVER "policy: { security: { replay_window: 32 } }\n",
	  "t:5:38: policy.security.replay_window: 32 is out of range; allowed: a power "
	  "of two, 64 to 65536 (packets)\n" },
	{ SERVER "policy: { switching: { rescue_bytes: 16777217 } }\n",
	  "t:5:38: policy.switching.rescue_bytes: 16777217 is out of range; allowed: 0 "
	  "to 16777216 (bytes)\n" },
	{ SERVER "policy: { switching: { max_switches_per_min: 0 } }\n",
	  "t:5:46: policy.switching.max_switches_per_min: 0 is out of range; allowed: 1 "
	  "to 60\n" },
	{ SERVER "peers: [ { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.2 ], policy: { "
	  "switching: { drain_ms: 10001 } } } ]\n",
	  "t:5:137: peers[0].policy.switching.drain_ms: 10001 is out of range; allowed: "
	  "0 to 10000 (milliseconds)\n" },
	{ SERVER "node: { id: 256 }\n",
	  "t:5:13: node.id: 256 is out of range; allowed: 0 to 255\n" },
	{ SERVER "workers: 0\n",
	  "t:5:10: workers: 0 is out of range; allowed: auto, or 1 to 256\n" },
	{ SERVER "workers: 257\n",
	  "t:5:10: workers: 257 is out of range; allowed: auto, or 1 to 256\n" },
	{ SERVER "workers: all\n",
	  "t:5:10: workers: \"all\" is not a number of workers; allowed: auto, or 1 to 256\n" },
	{ CLIENT "workers: 2\n",
	  "t:5:10: workers: 2: a client has one worker; allowed: auto, or 1\n" },
	{ SERVER "tunnel: { mtu: 575 }\n",
	  "t:5:16: tunnel.mtu: 575 is out of range; allowed: 576 to 9000 (bytes)\n" },
	{ SERVER "tunnel: { mtu: 9001 }\n",
	  "t:5:16: tunnel.mtu: 9001 is out of range; allowed: 576 to 9000 (bytes)\n" },
	{ SERVER "tunnel: { mtu: 1279, addresses: [ \"fd00::1/64\" ] }\n",
	  "t:5:16: tunnel.mtu: 1279 is too small for IPv6 inside the tunnel; allowed: "
	  "1280 to 9000 (bytes)\n" },
	{ SERVER "tunnel: { mtu: 1279 }\n"
	  "peers: [ { name: a, public_key: " KEY_A ", addresses: [ \"fd00::2\" ] } ]\n",
	  "t:5:16: tunnel.mtu: 1279 is too small for IPv6 inside the tunnel; allowed: "
	  "1280 to 9000 (bytes)\n" },
	{ CLIENT "tunnel: { mtu: 1000, routes: [ \"::/0\" ] }\n",
	  "t:5:16: tunnel.mtu: 1000 is too small for IPv6 inside the tunnel; allowed: "
	  "1280 to 9000 (bytes)\n" },
};

static const struct bad words[] = {
	{ "version: 2.0\n"
	  "private_key_file: key\n"
	  "listen: [ \"udp://[::]:1\" ]\n",
	  "t:1:10: version: \"2.0\" is not a version this program reads; allowed: \"1.0\"\n" },
	{ "version: \"1.0\"\n"
	  "role: router\n"
	  "private_key_file: key\n"
	  "listen: [ \"udp://[::]:1\" ]\n",
	  "t:2:7: role: \"router\" is not a role; allowed: server, client\n" },
	{ CLIENT "tunnel: { dns: yes }\n",
	  "t:5:16: tunnel.dns: \"yes\" is not a boolean; write true or false, in lower "
	  "case and without quotes\n" },
	{ CLIENT "tunnel: { dns: on }\n",
	  "t:5:16: tunnel.dns: \"on\" is not a boolean; write true or false, in lower case "
	  "and without quotes\n" },
	{ CLIENT "tunnel: { dns: True }\n",
	  "t:5:16: tunnel.dns: \"True\" is not a boolean; write true or false, in lower "
	  "case and without quotes\n" },
	{ CLIENT "tunnel: { dns: \"true\" }\n",
	  "t:5:16: tunnel.dns: \"true\" is not a boolean; write true or false, in lower "
	  "case and without quotes\n" },
	{ CLIENT "tunnel: { dns: 1 }\n",
	  "t:5:16: tunnel.dns: \"1\" is not a boolean; write true or false, in lower case "
	  "and without quotes\n" },
	{ SERVER "audit: { syslog: off }\n",
	  "t:5:18: audit.syslog: \"off\" is not a boolean; write true or false, in lower "
	  "case and without quotes\n" },
	{ SERVER "audit: { syslog: { facility: kern } }\n",
	  "t:5:30: audit.syslog.facility: \"kern\" is not a syslog facility; allowed: "
	  "auth, authpriv, daemon, user, local0 to local7\n" },
	{ SERVER "node: { name: no }\n",
	  "t:5:15: node.name: no without quotes is a boolean in YAML; write \"no\"\n" },
	{ SERVER "node: { name: \"\" }\n",
	  "t:5:15: node.name: \"\" is not a name; allowed: 1 to 63 of a-z A-Z 0-9 . _ @ + "
	  "-, beginning with a letter or digit\n" },
	{ SERVER "node: { name: \"a b\" }\n",
	  "t:5:15: node.name: \"a b\" is not a name; allowed: 1 to 63 of a-z A-Z 0-9 . _ @ "
	  "+ -, beginning with a letter or digit\n" },
	{ SERVER "node: { name: -a }\n",
	  "t:5:15: node.name: \"-a\" is not a name; allowed: 1 to 63 of a-z A-Z 0-9 . _ @ "
	  "+ -, beginning with a letter or digit\n" },
	{ SERVER "node: { name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "x }\n",
	  "t:5:15: node.name: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxx\" is not a name; allowed: 1 to 63 of a-z A-Z 0-9 . _ @ + -, beginning "
	  "with a letter or digit\n" },
	{ SERVER "user: Root\n",
	  "t:5:7: user: \"Root\" is not the name of a user; allowed: 1 to 31 of a-z 0-9 _ "
	  "-, beginning with a letter\n" },
	{ SERVER "user: \"\"\n",
	  "t:5:7: user: \"\" is not the name of a user; allowed: 1 to 31 of a-z 0-9 _ -, "
	  "beginning with a letter\n" },
	{ SERVER "user: on\n",
	  "t:5:7: user: on without quotes is a boolean in YAML; write \"on\"\n" },
	{ SERVER "tunnel: { name: jump/0 }\n",
	  "t:5:17: tunnel.name: \"jump/0\" is not the name of an interface; allowed: 1 to "
	  "15 of a-z A-Z 0-9 . _ @ + -\n" },
	{ SERVER "tunnel: { name: sixteen_chars_00 }\n",
	  "t:5:17: tunnel.name: \"sixteen_chars_00\" is not the name of an interface; "
	  "allowed: 1 to 15 of a-z A-Z 0-9 . _ @ + -\n" },
	{ SERVER "tunnel: { name: .. }\n",
	  "t:5:17: tunnel.name: \"..\" is not the name of an interface; allowed: 1 to 15 "
	  "of a-z A-Z 0-9 . _ @ + -\n" },
	{ SERVER "tunnel: { name: \"\" }\n",
	  "t:5:17: tunnel.name: \"\" is not the name of an interface; allowed: 1 to 15 of "
	  "a-z A-Z 0-9 . _ @ + -\n" },
	{ SERVER "control: { socket: /sssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
	  "ssssssssssssssssssssssssssssssssssssssssssssssssss }\n",
	  "t:5:20: control.socket: 108 characters are too many; allowed: 107\n" },
	{ SERVER "node: { name: \"Zürich\" }\n",
	  "t:5:15: node.name: \"Zürich\" is not a name; allowed: 1 to 63 of a-z A-Z 0-9 . "
	  "_ @ + -, beginning with a letter or digit\n" },
	{ SERVER "node: { name: \"éééééééééééééééééééééééééééééééééééééééé\" }\n",
	  "t:5:15: node.name: \"éééééééééééééééééééééééééééééééé...\" is not a name; "
	  "allowed: 1 to 63 of a-z A-Z 0-9 . _ @ + -, beginning with a letter or digit\n" },
};

static const struct bad addresses[] = {
	{ SERVER "tunnel: { addresses: [ 10.8.0.1/33 ] }\n",
	  "t:5:24: tunnel.addresses[0]: \"10.8.0.1/33\" is not an address with the length "
	  "of its network; write it as 10.8.0.1/24 or fd00:8::1/64\n" },
	{ SERVER "tunnel: { addresses: [ 10.8.0 ] }\n",
	  "t:5:24: tunnel.addresses[0]: \"10.8.0\" is not an address with the length of "
	  "its network; write it as 10.8.0.1/24 or fd00:8::1/64\n" },
	{ SERVER "tunnel: { addresses: [ 224.0.0.1/24 ] }\n",
	  "t:5:24: tunnel.addresses[0]: 224.0.0.1/24 is a multicast address, which "
	  "nobody can have inside the tunnel\n" },
	{ SERVER "tunnel: { addresses: [ 0.0.0.0/0 ] }\n",
	  "t:5:24: tunnel.addresses[0]: 0.0.0.0/0 is the unspecified address, which "
	  "nobody can have inside the tunnel\n" },
	{ SERVER "tunnel: { addresses: [ 127.0.0.1/8 ] }\n",
	  "t:5:24: tunnel.addresses[0]: 127.0.0.1/8 is a loopback address, which nobody "
	  "can have inside the tunnel\n" },
	{ SERVER "tunnel: { addresses: [ 10.8.0.0/24, 10.8.0.255/24, \"fd00:8::/64\", 10.8.1.0/31, \"fe80::1/64\" ] }\n",
	  "t:5:24: tunnel.addresses[0]: 10.8.0.0/24 is a network, and no address of a host in it; write it as "
	  "10.8.0.1/24\n"
	  "t:5:37: tunnel.addresses[1]: 10.8.0.255/24 is the broadcast address of its network, and no address of a "
	  "host in it; write it as 10.8.0.1/24\n"
	  "t:5:52: tunnel.addresses[2]: fd00:8::/64 is a network, and no address of a host in it; write it as "
	  "fd00:8::1/64\n"
	  "t:5:80: tunnel.addresses[4]: fe80::1/64 is a link-local address, which nobody can have inside the tunnel\n" },
	{ SERVER "tunnel: { addresses: [ 10.8.0.1/24, 10.8.0.1/24 ] }\n",
	  "t:5:37: tunnel.addresses[1]: \"10.8.0.1/24\" stands twice; the first is at line 5\n" },
	{ SERVER "push: { routes: [ 10.8.0.1/24 ] }\n",
	  "t:5:19: push.routes[0]: 10.8.0.1/24 has bits set behind its length; write "
	  "10.8.0.0/24 for the network\n" },
	{ SERVER "push: { routes: [ default ] }\n",
	  "t:5:19: push.routes[0]: \"default\" is not a network; write it as 10.8.0.0/24 "
	  "or fd00:8::/64\n" },
	{ SERVER "push: { dns: [ 10.8.0.1/24, one.one.one.one, 0.0.0.0 ] }\n",
	  "t:5:16: push.dns[0]: \"10.8.0.1/24\" is not an address; write it as 192.0.2.1 "
	  "or 2001:db8::1\n"
	  "t:5:29: push.dns[1]: \"one.one.one.one\" is not an address; write it as "
	  "192.0.2.1 or 2001:db8::1\n"
	  "t:5:46: push.dns[2]: \"0.0.0.0\" is not an address; write it as 192.0.2.1 or "
	  "2001:db8::1\n" },
	{ SERVER "push: { dns: [ 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, "
	  "10.0.0.7, 10.0.0.8, 10.0.0.9 ] }\n",
	  "t:5:14: push.dns: has 9 elements; allowed: at most 8\n" },
	{ "version: \"1.0\"\n"
	  "private_key_file: key\n"
	  "listen: []\n",
	  "t:3:9: listen: is empty; at least one is needed\n" },
	{ "version: \"1.0\"\n"
	  "private_key_file: key\n"
	  "listen: [ \"0.0.0.0:4433\", \"tcp://0.0.0.0:4433\", \"udp://0.0.0.0\", "
	  "\"udp://localhost:4433\", \"udp://[::]\", \"udp://::1:4433\" ]\n",
	  "t:3:11: listen[0]: \"0.0.0.0:4433\" does not begin with udp://; write it as "
	  "\"udp://0.0.0.0:4433\"\n"
	  "t:3:27: listen[1]: \"tcp://0.0.0.0:4433\" has another scheme than udp; write it "
	  "as \"udp://0.0.0.0:4433\"\n"
	  "t:3:49: listen[2]: \"udp://0.0.0.0\" has no port; write it as "
	  "\"udp://0.0.0.0:4433\"\n"
	  "t:3:66: listen[3]: \"udp://localhost:4433\" is not a literal address and port; "
	  "write it as \"udp://0.0.0.0:4433\"\n"
	  "t:3:90: listen[4]: \"udp://[::]\" has no port; write it as \"udp://0.0.0.0:4433\"\n"
	  "t:3:104: listen[5]: \"udp://::1:4433\" has an IPv6 address without brackets; "
	  "write it as \"udp://[::1]:4433\"\n" },
	{ "version: \"1.0\"\n"
	  "private_key_file: key\n"
	  "listen: [ \"udp://[fd00::1%eth0]:1\", \"udp://[fe80::1%a/b]:1\" ]\n",
	  "t:3:11: listen[0]: \"udp://[fd00::1%eth0]:1\" is not a literal address and port; write it as "
	  "\"udp://0.0.0.0:4433\"\n"
	  "t:3:37: listen[1]: \"udp://[fe80::1%a/b]:1\" is not a literal address and port; write it as "
	  "\"udp://0.0.0.0:4433\"\n" },
	{ "version: \"1.0\"\n"
	  "private_key_file: key\n"
	  "listen: [ \"udp://0.0.0.0:0\", \"udp://0.0.0.0:65536\", \"udp://0.0.0.0:04433\", "
	  "\"udp://0.0.0.0:4433x\", \"udp://[::]:1\", \"udp://[::]:1\" ]\n",
	  "t:3:11: listen[0]: \"udp://0.0.0.0:0\" has a port outside of 1 to 65535; write "
	  "it as \"udp://0.0.0.0:4433\"\n"
	  "t:3:30: listen[1]: \"udp://0.0.0.0:65536\" has a port outside of 1 to 65535; "
	  "write it as \"udp://0.0.0.0:4433\"\n"
	  "t:3:53: listen[2]: \"udp://0.0.0.0:04433\" has a port outside of 1 to 65535; "
	  "write it as \"udp://0.0.0.0:4433\"\n"
	  "t:3:76: listen[3]: \"udp://0.0.0.0:4433x\" has a port outside of 1 to 65535; "
	  "write it as \"udp://0.0.0.0:4433\"\n"
	  "t:3:115: listen[5]: \"udp://[::]:1\" stands twice; the first is at line 3\n" },
	{ SERVER "metrics: { listen: \"udp://127.0.0.1:9551\" }\n",
	  "t:5:20: metrics.listen: \"udp://127.0.0.1:9551\" has a scheme, which is not "
	  "wanted here; write it as \"127.0.0.1:9551\"\n" },
	{ SERVER "metrics: { listen: \"::1:9551\" }\n",
	  "t:5:20: metrics.listen: \"::1:9551\" has an IPv6 address without brackets; "
	  "write it as \"[::1]:9551\"\n" },
	{ SERVER "metrics: { listen: 9551 }\n",
	  "t:5:20: metrics.listen: \"9551\" has no port; write it as \"127.0.0.1:9551\"\n" },
	{ "version: \"1.0\"\n"
	  "role: client\n"
	  "private_key_file: key\n"
	  "server:\n"
	  "  public_key: " KEY_A "\n"
	  "  endpoints: [ vpn.example.net, \"udp://vpn.example.net\", \"udp://300.1.1.1:1\", "
	  "\"udp://a..b:1\", \"udp://:1\", \"udp://[1.2.3.4]:1\", \"udp://[::1:1\", \"udp://a "
	  "b:1\", \"udp://-a:1\" ]\n",
	  "t:6:16: server.endpoints[0]: \"vpn.example.net\" does not begin with udp://; "
	  "write it as \"udp://vpn.example.net:4433\"\n"
	  "t:6:33: server.endpoints[1]: \"udp://vpn.example.net\" has no port; write it as "
	  "\"udp://vpn.example.net:4433\"\n"
	  "t:6:58: server.endpoints[2]: \"udp://300.1.1.1:1\" has no valid host name or "
	  "address; write it as \"udp://vpn.example.net:4433\"\n"
	  "t:6:79: server.endpoints[3]: \"udp://a..b:1\" has no valid host name or "
	  "address; write it as \"udp://vpn.example.net:4433\"\n"
	  "t:6:95: server.endpoints[4]: \"udp://:1\" has no valid host name or address; "
	  "write it as \"udp://vpn.example.net:4433\"\n"
	  "t:6:107: server.endpoints[5]: \"udp://[1.2.3.4]:1\" has no IPv6 address in its "
	  "brackets; write it as \"udp://[2001:db8::1]:4433\"\n"
	  "t:6:128: server.endpoints[6]: \"udp://[::1:1\" has no port; write it as "
	  "\"udp://vpn.example.net:4433\"\n"
	  "t:6:144: server.endpoints[7]: \"udp://a b:1\" has no valid host name or "
	  "address; write it as \"udp://vpn.example.net:4433\"\n"
	  "t:6:159: server.endpoints[8]: \"udp://-a:1\" has no valid host name or address; "
	  "write it as \"udp://vpn.example.net:4433\"\n" },
	{ CLIENT "transports: [ { name: a }, { name: b, address: 10.0.0.0/8 }, { name: a, "
	  "endpoint: \"udp://x\" } ]\n",
	  "t:5:48: transports[1].address: \"10.0.0.0/8\" is not an address; write it as "
	  "192.0.2.1 or 2001:db8::1\n"
	  "t:5:70: transports[2].name: \"a\" stands twice; the first is at line 5\n"
	  "t:5:83: transports[2].endpoint: \"udp://x\" has no port; write it as "
	  "\"udp://vpn.example.net:4433\"\n" },
	{ CLIENT "transports: [ { name: a }, { name: b }, { name: c }, { name: d }, { name: e "
	  "}, { name: f }, { name: g }, { name: h }, { name: i } ]\n",
	  "t:5:13: transports: has 9 elements; allowed: at most 8\n" },
	{ CLIENT "transports: []\n",
	  "t:5:13: transports: is empty; at least one is needed\n" },
};

static const struct bad peers[] = {
	{ SERVER "peers:\n"
	  "  - { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.2 ] }\n"
	  "  - { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.2 ] }\n",
	  "t:7:13: peers[1].name: \"a\" is another peer's already, at t:6:13\n"
	  "t:7:28: peers[1].public_key: \"" KEY_A "\" is another peer's already, at t:6:28\n"
	  "t:7:87: peers[1].addresses[0]: 10.0.0.2 is peer \"a\"'s already, at t:6:87\n" },
	{ SERVER "peers: [ { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.2, 10.0.0.2 ] } ]\n",
	  "t:5:102: peers[0].addresses[1]: 10.0.0.2 stands twice\n" },
	{ SERVER "peers: [ { name: a, public_key: " KEY_A ", addresses: [] } ]\n",
	  "t:5:90: peers[0].addresses: is empty; at least one is needed\n" },
	{ SERVER "peers: [ { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.2/24, "
	  "\"fd00::1:1/64\", 255.255.255.0/24 ] } ]\n",
	  "t:5:92: peers[0].addresses[0]: 10.0.0.2/24 has bits set behind its length; "
	  "write 10.0.0.0/24 for the network, or 10.0.0.2 for the host\n"
	  "t:5:105: peers[0].addresses[1]: fd00::1:1/64 has bits set behind its length; "
	  "write fd00::/64 for the network, or fd00::1:1 for the host\n" },
	{ SERVER "peers: [ { name: a, public_key: " KEY_ZERO ", addresses: [ 10.0.0.2 ] } ]\n",
	  "t:5:33: peers[0].public_key: the all-zero key protects nothing; write the "
	  "other side's public key\n" },
	{ SERVER "peers: [ { name: a, public_key: QUFB, addresses: [ 10.0.0.2 ] } ]\n",
	  "t:5:33: peers[0].public_key: \"QUFB\" is not a public key; allowed: 44 "
	  "characters of base64, as \"jumpvpnd pubkey\" writes them\n" },
	{ SERVER "tunnel: { addresses: [ 10.0.0.1/24 ] }\n"
	  "peers:\n"
	  "  - { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.1 ] }\n"
	  "  - { name: b, public_key: " KEY_B ", addresses: [ 10.0.0.0/24 ] }\n",
	  "t:7:87: peers[0].addresses[0]: 10.0.0.1 is this server's own address 10.0.0.1 "
	  "(tunnel.addresses)\n"
	  "t:8:87: peers[1].addresses[0]: 10.0.0.0/24 holds this server's own address "
	  "10.0.0.1 (tunnel.addresses)\n" },
	{ SERVER "tunnel: { addresses: [ 10.0.0.1/24, 10.1.0.0/31, \"fd00::1/64\" ] }\n"
	  "peers:\n"
	  "  - { name: a, public_key: " KEY_A ", addresses: [ 10.0.0.255, 10.1.0.1, \"::ffff:10.0.0.0\" ] }\n"
	  "  - { name: b, public_key: " KEY_B ", addresses: [ \"fd00::\", 255.255.255.255, \"fe80::2\", 10.2.0.255 ] }\n",
	  "t:7:87: peers[0].addresses[0]: 10.0.0.255 is the broadcast address of this server's own network "
	  "10.0.0.1/24 (tunnel.addresses), and would never reach the peer; give it another one\n"
	  "t:7:109: peers[0].addresses[2]: 10.0.0.0 is the network address of this server's own network "
	  "10.0.0.1/24 (tunnel.addresses), and would never reach the peer; give it another one\n"
	  "t:8:87: peers[1].addresses[0]: fd00:: is the address of all routers (subnet-router anycast) of this "
	  "server's own network fd00::1/64 (tunnel.addresses), and would never reach the peer; give it another one\n"
	  "t:8:97: peers[1].addresses[1]: 255.255.255.255 is the address of all hosts, which nobody can have inside "
	  "the tunnel\n"
	  "t:8:114: peers[1].addresses[2]: fe80::2 is a link-local address, which nobody can have inside the "
	  "tunnel\n" },
	{ CLIENT "tunnel: { name: vpn }\n"
		 "transports: [ { name: a, interface: jump0 }, { name: b, interface: vpn } ]\n",
	  "t:6:68: transports[1].interface: \"vpn\" is the tunnel itself (tunnel.name), which cannot "
	  "travel inside of itself\n" },
	{ SERVER "peers_dir: nowhere\n",
	  "t:5:12: peers_dir: nowhere cannot be read: No such file or directory\n" },
};
/* clang-format on */

static void all_bad(const struct bad *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct config_errors e;
		struct config *c = config_parse("t", STR(list[i].text), &e);
		char buf[8192];

		assert_string_equal(messages(&e, buf, sizeof(buf)), list[i].expect);
		assert_null(c);
	}
}

#define TEST_TABLE(name)                                       \
	static void test_##name(void **state)                  \
	{                                                      \
		all_bad(name, sizeof(name) / sizeof(name[0])); \
	}
TEST_TABLE(syntax)
TEST_TABLE(keys)
TEST_TABLE(types)
TEST_TABLE(numbers)
TEST_TABLE(words)
TEST_TABLE(addresses)
TEST_TABLE(peers)

/* Fifty, and one line that says there are more; in the order of the file. */
static void test_bounded(void **state)
{
	char text[8192] = SERVER "peers:\n";
	struct config_errors e;

	for (int i = 0; i < 70; i++)
		strcat(text, "  - wrong\n");
	assert_null(config_parse("t", STR(text), &e));
	assert_int_equal(e.count, 51);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(e.list[i].line, 6 + i);
	assert_string_equal(e.list[50].text, "there are more errors; mend these first");
	assert_int_equal(e.list[50].line, 0);
	config_errors_free(&e);
}

/* Messages are in the order of the file, whatever found them. */
static void test_order(void **state)
{
	struct config_errors e;
	char buf[2048];

	assert_null(
		config_parse("t", STR(SERVER "workers: 0\npeers: [ 1 ]\nmtu: 5\nuser: a\nuser: b\n"), &e));
	assert_string_equal(messages(&e, buf, sizeof(buf)),
			    "t:5:10: workers: 0 is out of range; allowed: auto, or 1 to 256\n"
			    "t:6:10: peers[0]: expected a mapping, found a single value\n"
			    "t:7:1: mtu: unknown key; did you mean \"tunnel.mtu\"?\n"
			    "t:9:1: user: the key stands twice; the first is at line 8\n");
}

/* A mapping with more keys than any has ends the reading, before looking for duplicates gets slow. */
static void test_many_keys(void **state)
{
	char text[4096] = "", one[32];
	struct config_errors e;

	for (int i = 0; i < 65; i++) {
		snprintf(one, sizeof(one), "k%d: 1\n", i);
		strcat(text, one);
	}
	assert_null(config_parse("t", STR(text), &e));
	assert_int_equal(e.count, 1);
	assert_string_equal(e.list[0].text, "more than 64 keys in one mapping");
	assert_int_equal(e.list[0].line, 65);
	config_errors_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_types),  cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_words),  cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_peers),  cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_order),  cmocka_unit_test(test_many_keys),
	};

	return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
