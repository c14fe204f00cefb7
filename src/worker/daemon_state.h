/*
 * What the control loop has, on the main thread: signals, the control socket, the audit sinks, the configuration, and the
 * workers, which it asks by messages. daemon.c makes it and takes it down.
 */
#pragma once

#include <uv.h>

#include "audit/audit.h"
#include "base/list.h"
#include "config/config.h"
#include "ctl/metrics.h"
#include "net/tun.h"
#include "worker/signals.h"
#include "worker/standing.h"
#include "worker/tunnel.h"
#include "worker/worker_state.h"

#define DAEMON_WORKERS_MAX 256

#define DAEMON_RECENT 1024 /* audit records kept for `events` */

struct listening;
struct reading;
struct steer;

struct daemon {
	uv_loop_t loop;
	uv_async_t wake;
	uv_poll_t held;       /* of descriptors_reserve() */
	uint64_t descriptors; /* that may come to be needed */
	struct pool *pool; /* for key agreements */
	uv_work_t first;   /* of libuv's threads, which read what a reload needs */
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
	struct jv_time full_told; /* and when max_sessions was */
	uint8_t cookie_seed[32]; /* of the cookies of all workers */
	struct tunnel *tunnel;
	struct steer *steer; /* NULL: one worker, or the kernel cannot */
	struct audit *audit;
	struct ctl *ctl;
	struct metrics *metrics;  /* NULL: none */
	metrics_collect collect;  /* whom they ask */
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
	struct reading *reading;      /* the files of it are being read; configure.c's */
};
