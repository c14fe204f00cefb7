/*
 * The configuration as an immutable snapshot: parsed and checked whole, then only read.
 *
 * config_load() either answers a complete struct or a list of errors, never both. Snapshots are shared
 * between threads by pointer; whoever swaps one in frees the old one after the last reader has let go of it.
 * Everything here is plain data in host byte order. Private keys are wiped by config_free().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/lpm.h"
#include "jumpvpn/policy.h"

#define OWNER_SELF (LPM_NONE - 1) /* tunnel.addresses: no peer's, however wide its networks */
#define CONFIG_DEFAULT_USER "jumpvpn" /* of a server whose key file is this user's; the systemd unit's, too */
#define CONFIG_SESSIONS_MAX 16777216 /* that max_sessions may be */
#define CONFIG_NAME_MAX 64   /* of nodes, peers, transports; with the NUL */
#define CONFIG_IFNAME_MAX 16 /* IFNAMSIZ */

enum config_order { ORDER_LISTED, ORDER_SHUFFLE }; /* in which a client tries the server's endpoints */
enum config_role { ROLE_SERVER, ROLE_CLIENT };

struct config_remote { /* "udp://host:port" */
	char host[256];
	uint16_t port;
};

struct config_listen { /* "udp://address:port" */
	struct endpoint at;                /* without scope where an interface is named */
	char interface[CONFIG_IFNAME_MAX]; /* of a link-local address; "": none is named */
};

struct config_transport {
	char name[CONFIG_NAME_MAX];
	char interface[CONFIG_IFNAME_MAX]; /* "" : any */
	struct ip address;                 /* source to bind; all zero: the kernel's choice */
	struct config_remote endpoint;     /* host "": the server's endpoints */
	uint32_t fwmark;                   /* of its sockets; 0: the tunnel's own */
};

struct config_peer {
	char name[CONFIG_NAME_MAX];
	uint8_t public_key[32];
	uint8_t psk[32]; /* zero: none */
	bool has_psk;
	struct prefix *addresses; /* inner addresses: hosts are its own, networks lie behind it */
	size_t naddresses;
	struct prefix *routes; /* pushed to it: its own list, or (shared) the server's */
	size_t nroutes;
	struct ip *dns;
	size_t ndns;
	bool routes_set, dns_set; /* its own lists */
	struct policy policy;     /* the server's with the peer's overrides */
	uint32_t generation;      /* of policy, routes and dns: grows when a reload changes them; from 1 */
	uint32_t home;            /* worker that owns this peer's sessions; kept across reloads */
};

struct config {
	char *file;          /* where it came from */
	uint32_t generation; /* policy_version of audit records; 1, then +1 with each reload */
	enum config_role role;
	uint8_t node_id; /* 0..255 */
	char node_name[CONFIG_NAME_MAX];
	uint8_t private_key[32];
	uint8_t public_key[32]; /* left zero by config_load(); the daemon derives it */
	uint32_t workers;       /* 0: one per CPU; a client has one */
	uint32_t max_sessions;  /* server: of all workers together; see engine_peers_new() */
	bool cpu_affinity;      /* server: with workers 0, each stays on its CPU */
	bool udp_offload;       /* runs of datagrams may be sent and received at once */
	bool cpu_priority;      /* workers run ahead of other programs */
	char user[32];          /* "" : stay who you are; dropped to after start */

	struct {
		char name[CONFIG_IFNAME_MAX];
		struct prefix *addresses; /* server: its own; client: overrides what the server says */
		size_t naddresses;
		struct prefix *routes; /* client: the same; none with routes_set: no routes */
		size_t nroutes;
		bool addresses_set, routes_set, mtu_set;
		uint16_t mtu;
		uint32_t table; /* of its routes: 0: as the daemon sees fit; UINT32_MAX: none are set */
		bool dns; /* client: take the server's name servers */
		bool mss_clamp;
		bool offload; /* the device may give and take super-packets */
	} tunnel;

	/* server */
	struct config_listen *listen;
	size_t nlisten;
	struct config_peer *peers;
	size_t npeers;
	char *peers_dir;           /* NULL: none */
	struct lpm *owners;        /* inner address -> index in peers, or OWNER_SELF; see config_owner() */
	struct peer_index *by_key; /* public key -> index in peers */
	struct policy policy;
	struct {                       /* what clients get unless their peer says otherwise */
		struct prefix *routes; /* default: the networks of tunnel.addresses */
		size_t nroutes;
		struct ip *dns;
		size_t ndns;
		bool routes_set;
	} push;

	/* client */
	uint8_t server_public_key[32];
	uint8_t server_psk[32]; /* zero: none */
	struct config_remote *endpoints;
	size_t nendpoints;
	enum config_order order;
	uint32_t failover_after_ms; /* 0: never */
	struct {
		struct config_networks {
			struct prefix *at;
			size_t n;
			bool set;
		} addresses, routes, dns; /* what the server may give lies within; unset: what is not this machine's own */
		struct config_networks sources, destinations; /* of packets, beside routes and addresses of the tunnel */
	} accept;
	struct config_transport *transports; /* at least one: "default" when none is given */
	size_t ntransports;

	struct {
		bool syslog;
		int syslog_facility; /* LOG_AUTHPRIV and so on */
		char *jsonl;         /* NULL: none */
		uint32_t backlog;    /* records of one worker, or to one sink, that wait at most */
	} audit;
	char *control_socket;
	struct {
		bool on;
		struct endpoint listen;
	} metrics;
};

struct config_error {
	char *file;
	unsigned int line, column; /* from 1; 0 when the whole file is meant */
	char *path;                /* "policy.switching.drain_ms", "peers[2].addresses[0]"; "" for the file */
	char *text;                /* what is wrong, what is allowed, the nearest valid key */
};

struct config_errors {
	struct config_error *list;
	size_t count;
};

/* Reads `file` and its peers_dir. NULL: see *errors, which the caller frees in either case. */
struct config *config_load(const char *file, struct config_errors *errors);
/* The same from memory, for tests and fuzzers: `name` stands for the file in messages. */
struct config *config_parse(const char *name, const char *text, size_t len, struct config_errors *errors);
/* As config_load(), to look at a file where it may not run: a key file that is not there yet, or
 * not ours to read, is told in *notes and its key is zero; so are things that are allowed but odd. */
struct config *config_check(const char *file, struct config_errors *errors, struct config_errors *notes);
void config_free(struct config *c); /* NULL is fine */
void config_errors_free(struct config_errors *e);
/* "FILE:LINE:COL: PATH: TEXT\n" to a newly allocated string. */
char *config_error_format(const struct config_error *e);

/* All values in force, defaults included and keys left out, one "KEY  VALUE" a line; newly allocated. */
char *config_effective(const struct config *c);

#define LISTEN_STRLEN (ENDPOINT_STRLEN + CONFIG_IFNAME_MAX)
/* "ADDR:PORT" or "[ADDR%INTERFACE]:PORT"; answers `out`. */
char *config_listen_format(const struct config_listen *l, char out[LISTEN_STRLEN]);
/* Has this machine the address now (or is it that of any)? */
bool config_is_here(const struct endpoint *at);

/* Whose inner address it is: an index in peers, or LPM_NONE. O(1). */
static inline uint32_t config_owner(const struct config *c, const struct ip *inner)
{
	const uint32_t owner = lpm_find(c->owners, inner);

	return owner == OWNER_SELF ? LPM_NONE : owner;
}

/* Index in peers, or -1. O(1). */
ptrdiff_t config_find_peer(const struct config *c, const uint8_t public_key[32]);

/*
 * Prepares `next` to replace `running`: generations go on, peers keep their home workers, new ones
 * get the worker with the fewest; peers keep their index, but for those behind the end of a shorter list.
 * `running` is NULL at start. Names in *restart (newly allocated, comma-separated, or NULL) the keys whose change needs a restart; their old values stay in force.
 *
 * 0; -ENOMEM; or -EINVAL when `next` makes no sense with the old values (another role, a peer at the
 * running tunnel's own address): then *restart says which keys, and `running` goes on as it is.
 */
int config_adopt(struct config *next, const struct config *running, uint32_t workers, char **restart)
	__attribute__((warn_unused_result));
