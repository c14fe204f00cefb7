/* What the daemon says of itself, to clients of the control socket and to collectors. */
#pragma once

#include <stdint.h>

struct ctl_status {       /* what status says of the daemon itself */
	const char *role; /* "server" or "client" */
	const char *node_name;
	uint8_t node_id;
	const char *config_file;
	uint32_t config_generation;
	uint64_t uptime_ms;
	uint32_t workers;
	uint64_t session_bytes;  /* memory of all sessions */
	uint32_t max_sessions;   /* a server's; 0: of a client */
	const char *tunnel;      /* real name of the device */
	const char *trouble;     /* why the device is not as it should be; NULL: it is */
	const char *crypto;      /* crypto_describe() */
	const char *offloads;    /* which accelerations are on, and which are not and why */
	const char *names;       /* a client's names that could not be looked up, a line each, or NULL */
	const char *last_reload; /* "ok", or why the last reload was refused, or NULL */
};
