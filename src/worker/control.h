/*
 * The control loop's work: requests of the control socket and of collectors, reload, what they ask of the
 * workers.
 */
#pragma once

#include <uv.h>

#include "audit/audit.h"
#include "base/list.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "ctl/metrics.h"
#include "net/tun.h"
#include "worker/signals.h"
#include "worker/standing.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define DAEMON_RECENT 1024 /* audit records kept for `events` */

struct listening;
struct steer;

struct daemon {
	uv_loop_t loop;
	uv_async_t wake;
	uv_work_t first; /* of the thread pool */
	uv_poll_t machine; /* what the kernel tells of it */
	int machine_fd;    /* -1: it does not */
	uv_timer_t drain, watchdog, goodbye, listen_timer;
	struct signals signals;
	const char *config_file;
	struct config *config;
	struct config *replaced; /* until every worker has let go of it */
	struct worker *workers;
	uint32_t nworkers;
	struct listening *listening; /* how each entry of `listen` stands */
	size_t nlistening;
	uint32_t stopped; /* workers that have said goodbye */
	uint64_t *beats_seen;
	int *tun_fds;
	struct tun_offload tun_offload;
	struct udp_offload udp_offload;
	char tunnel_name[CONFIG_IFNAME_MAX];
	uint8_t machine_id[32];  /* machine.h */
	struct jv_time twin_told; /* when a second server was warned of last */
	uint8_t cookie_seed[32]; /* of the cookies of all workers */
	struct tunnel *tunnel;
	struct steer *steer; /* NULL: one worker, or the kernel cannot */
	struct audit *audit;
	struct ctl *ctl;
	struct metrics *metrics; /* NULL: none */
	struct list gathers;     /* questions that wait for workers */
	uint64_t last_gather;
	struct audit_record recent[DAEMON_RECENT];
	uint64_t nrecent;
	uint64_t events[AUDIT_EVENT_COUNT]; /* records so far */
	struct jv_time started;
	char last_reload[512];
	char offloads[256]; /* for status */
	struct standing standing;
	bool steered, quitting, failed;
	bool misconfigured;           /* it could not start for its configuration */
	bool reloading, reload_again; /* SIGHUP while one was under way */
};

extern const struct ctl_ops control_ops;

/*
 * Reads and checks the file. NULL: errors have been logged, and the first is in *first (newly allocated) if
 * given.
 */
struct config *control_load(struct daemon *d, char **first);
/* The server's device: addresses, and routes to what lies behind peers. */
int control_tunnel(struct daemon *d, const struct config *c);
/* Tells the kernel whose addresses belong to which worker, where it asks. */
void control_steer(struct daemon *d, const struct config *c);
struct audit_config control_audit_config(const struct config *c);
/* SIGHUP (req NULL) or the reload command. */
void control_reload(struct daemon *d, struct ctl_request *req);
/* A worker's answer to a question (not STOP, not LOST). */
void control_answered(struct daemon *d, const struct message *m);
/*
 * What this configuration wants: what is open already, or a new one, or NULL. 0 or -errno, which has been
 * logged.
 */
int control_metrics(struct daemon *d, const struct config *c, struct metrics **out);
/* Whoever still waits is told that the daemon ends. */
void control_stop(struct daemon *d);
