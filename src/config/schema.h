/*
 * The schema as data: every key of a configuration file, its type, the roles it belongs to, its
 * bounds and default, whether a reload can change it, and where it goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum key_roles { FOR_SERVER = 1 << ROLE_SERVER, FOR_CLIENT = 1 << ROLE_CLIENT, FOR_BOTH = 3 };

enum key_kind {
	KEY_VERSION,
	KEY_ROLE,
	KEY_NUMBER, /* size: 1, 2 or 4 bytes; least to most; unit */
	KEY_POW2,
	KEY_FRACTION, /* kept in millionths */
	KEY_WORKERS,  /* a number, or "auto" as 0 */
	KEY_TABLE,    /* a number, or "auto" as 0, or "off" as UINT32_MAX */
	KEY_BOOL,
	KEY_AUTO, /* bool: "auto", or "off" as false */
	KEY_FACILITY,
	KEY_ORDER,
	KEY_NAME, /* char[size] */
	KEY_USER,
	KEY_INTERFACE,
	KEY_FILE,    /* char *; most: longest length, 0 for any */
	KEY_PRIVATE, /* the name of a key file; 32 bytes */
	KEY_PSK,
	KEY_PUBLIC,
	KEY_IP,
	KEY_ENDPOINT, /* "ADDRESS:PORT" */
	KEY_REMOTE,   /* "udp://HOST:PORT" */
	/* lists; most: longest */
	KEY_IPS,
	KEY_ADDRESSES, /* of an interface: with host bits */
	KEY_INNER,     /* of a peer: hosts and networks */
	KEY_ROUTES,    /* networks */
	KEY_LISTEN,    /* "udp://ADDRESS:PORT" */
	KEY_REMOTES,
	/* with tables of their own */
	KEY_PEERS,
	KEY_TRANSPORTS,
	KEY_POLICY,
	KEY_KINDS
};

struct key {
	const char *path; /* relative to the table, sections joined by dots */
	enum key_kind kind;
	uint8_t roles;   /* enum key_roles: where it is allowed */
	uint8_t need;    /* where it must be */
	uint8_t restart; /* where a reload cannot change it */
	size_t at;       /* offset in the table's struct */
	size_t count_at; /* lists: of the number of elements */
	size_t set_at;   /* of a bool that tells whether the key is there; 0: none */
	uint32_t size;
	uint32_t least, most, def;
	const char *text; /* default of a name or file, if any */
	const char *unit; /* of a number; may be NULL */
};

struct key_table {
	const struct key *keys;
	size_t count; /* at most 64 */
};

extern const struct key_table config_table;    /* struct config */
extern const struct key_table peer_table;      /* struct config_peer */
extern const struct key_table transport_table; /* struct config_transport */
extern const struct key_table policy_table;    /* struct policy */

const struct key *schema_find(const struct key_table *t, const char *path);
/* Does a key begin with `path` and a dot? */
bool schema_has_section(const struct key_table *t, const char *path);
/* The part of the key's path behind `section` ("" for the top) up to the next dot, to `buf`; false when
 * the key does not stand there. */
bool schema_component(const struct key *k, const char *section, char *buf, size_t size);
