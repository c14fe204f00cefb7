/* The control loop's work: the control socket's requests, reload, and what they ask of the workers. */
#pragma once

#include <uv.h>

#include "audit/audit.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define DAEMON_RECENT 1024 /* audit records kept for `events` */
#define DAEMON_SIGNALS 3

struct daemon {
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t drain, watchdog, goodbye;
	uv_signal_t signals[DAEMON_SIGNALS];
	const char *config_file;
	struct config *config;
	struct config *replaced;      /* until every worker has let go of it */
	struct worker *workers;
	uint32_t nworkers, running, stopped;
	uint64_t *beats_seen;
	int *tun_fds;
	char tunnel_name[CONFIG_IFNAME_MAX];
	struct tunnel *tunnel;
	struct audit *audit;
	struct ctl *ctl;
	struct audit_record recent[DAEMON_RECENT];
	uint64_t nrecent;
	struct jv_time started;
	char last_reload[512];
	char *restart_note;
	bool steered, quitting, reloading;
};

extern const struct ctl_ops control_ops;

/* Reads and checks the file. NULL: errors have been logged, and the first is in *first (newly allocated) if given. */
struct config *control_load(struct daemon *d, char **first);
/* The server's device: addresses, and routes to what lies behind peers. */
int control_tunnel(struct daemon *d, const struct config *c);
struct audit_config control_audit_config(const struct config *c);
/* SIGHUP (req NULL) or the reload command. */
void control_reload(struct daemon *d, struct ctl_request *req);
/* A worker's answer. */
void control_answered(struct daemon *d, struct message *m);
