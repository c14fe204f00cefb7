/* The tables. jumpvpnd.yaml(5) says the same in prose. */
#include "config/schema.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

/* <>: src/config has a header of that name */
#if __has_include(<config.h>)
#include <config.h>
#endif
#include "jumpvpn/proto.h"

#ifndef RUNSTATEDIR
#define RUNSTATEDIR "/run"
#endif

/* clang-format off */
#define TABLE(keys) { keys, sizeof(keys) / sizeof((keys)[0]) }
#define FIELD(type, member) .at = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define AT(member) FIELD(struct config, member)
#define COUNT(member) .count_at = offsetof(struct config, member)
#define SET(member) .set_at = offsetof(struct config, member)

static const struct key config_keys[] = {
	{ "version", KEY_VERSION, FOR_BOTH, .need = FOR_BOTH },
	{ "role", KEY_ROLE, FOR_BOTH, .restart = FOR_BOTH, AT(role) },
	{ "node.id", KEY_NUMBER, FOR_BOTH, .restart = FOR_BOTH, AT(node_id), .most = 255, .def = 1 },
	{ "node.name", KEY_NAME, FOR_BOTH, AT(node_name) },
	{ "private_key_file", KEY_PRIVATE, FOR_BOTH, .need = FOR_BOTH, .restart = FOR_BOTH, AT(private_key) },
	{ "listen", KEY_LISTEN, FOR_SERVER, .need = FOR_SERVER, .restart = FOR_SERVER, AT(listen),
	  COUNT(nlisten), .least = 1, .most = 64 },
	{ "workers", KEY_WORKERS, FOR_BOTH, .restart = FOR_BOTH, AT(workers), .least = 1,
	  .most = PROTO_WORKERS_MAX },
	{ "max_sessions", KEY_NUMBER, FOR_SERVER, AT(max_sessions), .least = 1, .most = CONFIG_SESSIONS_MAX,
	  .def = 1048576, .unit = "sessions" },
	{ "cpu_affinity", KEY_BOOL, FOR_SERVER, .restart = FOR_SERVER, AT(cpu_affinity), .def = true },
	{ "cpu_priority", KEY_BOOL, FOR_BOTH, .restart = FOR_BOTH, AT(cpu_priority), .def = true },
	{ "user", KEY_USER, FOR_BOTH, .restart = FOR_BOTH, AT(user) },
	{ "tunnel.name", KEY_INTERFACE, FOR_BOTH, .restart = FOR_BOTH, AT(tunnel.name), .text = "jump0" },
	{ "tunnel.addresses", KEY_ADDRESSES, FOR_BOTH, .restart = FOR_SERVER, AT(tunnel.addresses),
	  COUNT(tunnel.naddresses), SET(tunnel.addresses_set), .most = 16 },
	{ "tunnel.mtu", KEY_NUMBER, FOR_BOTH, AT(tunnel.mtu), SET(tunnel.mtu_set), .least = PROTO_MTU_MIN,
	  .most = PROTO_MTU_MAX, .def = 1420, .unit = "bytes" },
	{ "tunnel.routes", KEY_ROUTES, FOR_CLIENT, AT(tunnel.routes), COUNT(tunnel.nroutes),
	  SET(tunnel.routes_set), .most = 1024 },
	{ "tunnel.table", KEY_TABLE, FOR_BOTH, AT(tunnel.table), .least = 1, .most = UINT32_MAX - 1 },
	{ "tunnel.dns", KEY_BOOL, FOR_CLIENT, AT(tunnel.dns), .def = true },
	{ "tunnel.mss_clamp", KEY_BOOL, FOR_BOTH, AT(tunnel.mss_clamp), .def = true },
	{ "tunnel.offload", KEY_AUTO, FOR_BOTH, .restart = FOR_BOTH, AT(tunnel.offload), .def = true },
	{ "udp.offload", KEY_AUTO, FOR_BOTH, .restart = FOR_BOTH, AT(udp_offload), .def = true },
	{ "peers", KEY_PEERS, FOR_SERVER, .need = 0 },
	{ "peers_dir", KEY_FILE, FOR_SERVER, AT(peers_dir) },
	{ "policy", KEY_POLICY, FOR_SERVER, AT(policy) },
	{ "push.routes", KEY_ROUTES, FOR_SERVER, AT(push.routes), COUNT(push.nroutes), SET(push.routes_set),
	  .most = 480 },
	{ "push.dns", KEY_IPS, FOR_SERVER, AT(push.dns), COUNT(push.ndns), .most = 8 },
	{ "server.public_key", KEY_PUBLIC, FOR_CLIENT, .need = FOR_CLIENT, .restart = FOR_CLIENT,
	  AT(server_public_key) },
	{ "server.endpoints", KEY_REMOTES, FOR_CLIENT, .need = FOR_CLIENT, AT(endpoints), COUNT(nendpoints),
	  .least = 1, .most = 16 },
	{ "server.order", KEY_ORDER, FOR_CLIENT, AT(order) },
	{ "server.failover_after_ms", KEY_NUMBER, FOR_CLIENT, AT(failover_after_ms), .most = 600000,
	  .def = 3000, .unit = "milliseconds" },
	{ "server.psk_file", KEY_PSK, FOR_CLIENT, .restart = FOR_CLIENT, AT(server_psk) },
	{ "accept.addresses", KEY_ROUTES, FOR_CLIENT, AT(accept.addresses.at), COUNT(accept.addresses.n), SET(accept.addresses.set),
	  .most = 256 },
	{ "accept.routes", KEY_ROUTES, FOR_CLIENT, AT(accept.routes.at), COUNT(accept.routes.n), SET(accept.routes.set),
	  .most = 256 },
	{ "accept.dns", KEY_ROUTES, FOR_CLIENT, AT(accept.dns.at), COUNT(accept.dns.n), SET(accept.dns.set),
	  .most = 256 },
	{ "accept.sources", KEY_ROUTES, FOR_CLIENT, AT(accept.sources.at), COUNT(accept.sources.n), SET(accept.sources.set),
	  .most = 256 },
	{ "accept.destinations", KEY_ROUTES, FOR_CLIENT, AT(accept.destinations.at), COUNT(accept.destinations.n), SET(accept.destinations.set),
	  .most = 256 },
	{ "transports", KEY_TRANSPORTS, FOR_CLIENT, AT(transports), COUNT(ntransports), .least = 1,
	  .most = PROTO_PATHS_MAX },
	{ "audit.syslog", KEY_BOOL, FOR_BOTH, AT(audit.syslog), .def = true },
	{ "audit.syslog.facility", KEY_FACILITY, FOR_BOTH, AT(audit.syslog_facility), .def = LOG_AUTHPRIV },
	{ "audit.jsonl", KEY_FILE, FOR_BOTH, AT(audit.jsonl) },
	{ "audit.backlog", KEY_NUMBER, FOR_BOTH, .restart = FOR_BOTH, AT(audit.backlog), .least = 1024, .most = 4194304,
	  .def = 131072, .unit = "records" },
	{ "control.socket", KEY_FILE, FOR_BOTH, .restart = FOR_BOTH, AT(control_socket), .most = 107,
	  .text = RUNSTATEDIR "/jumpvpn/control.sock" },
	{ "metrics.listen", KEY_ENDPOINT, FOR_BOTH, AT(metrics.listen), SET(metrics.on) },
};
const struct key_table config_table = TABLE(config_keys);

#define PEER(member) FIELD(struct config_peer, member)
#define PEER_COUNT(member) .count_at = offsetof(struct config_peer, member)
#define PEER_SET(member) .set_at = offsetof(struct config_peer, member)

static const struct key peer_keys[] = {
	{ "name", KEY_NAME, FOR_SERVER, .need = FOR_SERVER, PEER(name) },
	{ "public_key", KEY_PUBLIC, FOR_SERVER, .need = FOR_SERVER, PEER(public_key) },
	{ "addresses", KEY_INNER, FOR_SERVER, .need = FOR_SERVER, PEER(addresses), PEER_COUNT(naddresses),
	  .least = 1, .most = 256 },
	{ "psk_file", KEY_PSK, FOR_SERVER, PEER(psk), PEER_SET(has_psk) },
	{ "routes", KEY_ROUTES, FOR_SERVER, PEER(routes), PEER_COUNT(nroutes), PEER_SET(routes_set),
	  .most = 480 },
	{ "dns", KEY_IPS, FOR_SERVER, PEER(dns), PEER_COUNT(ndns), PEER_SET(dns_set), .most = 8 },
	{ "policy", KEY_POLICY, FOR_SERVER, PEER(policy) },
};
const struct key_table peer_table = TABLE(peer_keys);

#define TRANSPORT(member) FIELD(struct config_transport, member)

static const struct key transport_keys[] = {
	{ "name", KEY_NAME, FOR_CLIENT, .need = FOR_CLIENT, TRANSPORT(name) },
	{ "interface", KEY_INTERFACE, FOR_CLIENT, TRANSPORT(interface) },
	{ "address", KEY_IP, FOR_CLIENT, TRANSPORT(address) },
	{ "endpoint", KEY_REMOTE, FOR_CLIENT, TRANSPORT(endpoint) },
	{ "fwmark", KEY_NUMBER, FOR_CLIENT, TRANSPORT(fwmark), .most = UINT32_MAX },
};
const struct key_table transport_table = TABLE(transport_keys);

#define TYPE_MS KEY_NUMBER
#define TYPE_COUNT KEY_NUMBER
#define TYPE_BYTES KEY_NUMBER
#define TYPE_PPM KEY_FRACTION
#define TYPE_POW2 KEY_POW2
#define UNIT_MS "milliseconds"
#define UNIT_COUNT NULL
#define UNIT_BYTES "bytes"
#define UNIT_PPM NULL
#define UNIT_POW2 "packets"

static const struct key policy_keys[] = {
#define X(section, key, KIND, d, lo, hi)                                                           \
	{ #section "." #key, TYPE_##KIND, FOR_SERVER, FIELD(struct policy, key), .least = (lo),    \
	  .most = (hi), .def = (d), .unit = UNIT_##KIND },
	POLICY_LIST(X)
#undef X
};
const struct key_table policy_table = TABLE(policy_keys);

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= 64, "a table's keys fit a bit set");
_Static_assert(sizeof(policy_keys) / sizeof(policy_keys[0]) == POLICY_KEYS, "policy_keys");
/* clang-format on */

const struct key *schema_find(const struct key_table *t, const char *path)
{
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->keys[i].path, path))
			return &t->keys[i];
	return NULL;
}

bool schema_has_section(const struct key_table *t, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < t->count; i++)
		if (!strncmp(t->keys[i].path, path, len) && t->keys[i].path[len] == '.')
			return true;
	return false;
}

bool schema_component(const struct key *k, const char *section, char *buf, size_t size)
{
	size_t len = strlen(section);
	const char *rest = k->path;

	if (len) {
		if (strncmp(k->path, section, len) || k->path[len] != '.')
			return false;
		rest += len + 1;
	}
	snprintf(buf, size, "%.*s", (int)strcspn(rest, "."), rest);
	return true;
}
