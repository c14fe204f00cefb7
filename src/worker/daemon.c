#include "worker/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#include "base/log.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/notify.h"
#include "net/steer.h"
#include "net/uevent.h"
#include "worker/affinity.h"
#include "worker/clock.h"
#include "worker/configure.h"
#include "worker/confine.h"
#include "worker/crew.h"
#include "worker/daemon_state.h"
#include "worker/descriptors.h"
#include "worker/devices.h"
#include "worker/listen.h"
#include "worker/machine.h"
#include "worker/privileges.h"
#include "worker/questions.h"
#include "worker/stderr.h"
#include "worker/worker.h"

#define DRAIN_MS 50
#define GOODBYE_MS 2000
#define WARN_MS 60000
#define MACHINE_ID "/etc/machine-id"

/* --- workers --- */

static void wake(void *control)
{
	struct daemon *d = control;

	uv_async_send(&d->wake);
}

/* Once a minute: an attacker on the way can cause as many of the records as it likes. */
static bool may_warn(struct jv_time *told)
{
	const struct jv_time now = clock_now();

	if (told->us != 0 && time_since_ms(now, *told) < WARN_MS)
		return false;
	*told = now;
	return true;
}

static void warn_of_limit(struct daemon *d, const struct audit_record *r)
{
	if (r->reason == REASON_SESSION_LIMIT_REACHED && may_warn(&d->full_told))
		log_warn(
			"worker %u has as many sessions as its part of max_sessions (%u) allows: peers that have none are "
			"refused until one ends",
			r->worker, d->config->max_sessions);
}

static void warn_of_twin(struct daemon *d, const struct audit_record *r)
{
	const bool again = r->reason == REASON_RESET_AGAIN;
	char text[ENDPOINT_STRLEN];

	if ((!again && r->reason != REASON_FOREIGN_RESET) || !may_warn(&d->twin_told))
		return;
	log_warn(
		"%s %s; give a copied gateway a key%s of its own",
		r->remote.port ? endpoint_format(&r->remote, text) : "the server's address",
		again ? "ends one session after the other by RESETs: it restarts all the time, or a second server "
			"runs with the same key, node id and /etc/machine-id"
		      : "sends RESETs for a session that lives: forged, or a second server runs with the same "
			"key and node id",
		again ? " and a machine id (systemd-machine-id-setup)" : "");
}

static void event_tap(void *ctx, const struct audit_record *r)
{
	struct daemon *d = ctx;

	d->recent[d->nrecent++ % DAEMON_RECENT] = *r;
	standing_note(&d->standing, r);
	warn_of_twin(d, r);
	warn_of_limit(d, r);
	d->events[r->event] += r->count > 0 && r->event != AUDIT_AUDIT_GAP ? r->count : 1;
	ctl_event(d->ctl, r);
}

static void quit(struct daemon *d);

static void answered(struct daemon *d, struct worker *w, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_LOST:
		if (!d->quitting)
			log_error("tunnel device %s is gone: ending. Start again to have it back",
				  d->tunnel_name);
		d->failed = true;
		quit(d);
		break;
	case MESSAGE_STOP:
		if (++d->stopped == d->nworkers)
			uv_stop(&d->loop);
		break;
	default:
		w->asked--;
		questions_answered(d, m);
	}
}

static void drain(struct daemon *d)
{
	struct message m;

	for (uint32_t i = 0; i < d->nworkers; i++)
		while (ring_pop(d->workers[i].outbox, &m))
			answered(d, &d->workers[i], &m);
	audit_drain(d->audit, event_tap, d);
}

static void woken(uv_async_t *a)
{
	drain(container_of(a, struct daemon, wake));
}

static void tell_standing(struct daemon *d)
{
	uint64_t sessions = 0;
	const char *news;

	for (uint32_t i = 0; i < d->nworkers; i++)
		sessions += atomic_load_explicit(&d->workers[i].sessions, memory_order_relaxed);
	news = standing_news(&d->standing, d->config->role == ROLE_SERVER, sessions, clock_now());
	if (news && !d->quitting)
		notify_send("STATUS=%s", news);
}

static void drain_due(uv_timer_t *t)
{
	struct daemon *d = container_of(t, struct daemon, drain);

	drain(d);
	tell_standing(d);
}

/* --- signals and the watchdog --- */

static void quit_forced(uv_timer_t *t)
{
	struct daemon *d = container_of(t, struct daemon, goodbye);

	log_error("workers do not end within %d ms: leaving without them", GOODBYE_MS);
	uv_stop(&d->loop);
}

static void quit(struct daemon *d)
{
	const struct message m = { .kind = MESSAGE_STOP };

	if (d->quitting)
		return;
	d->quitting = true;
	notify_send("STOPPING=1");
	for (uint32_t i = 0; i < d->nworkers; i++)
		worker_post(&d->workers[i], &m);
	uv_timer_start(&d->goodbye, quit_forced, GOODBYE_MS, 0);
}

static void signalled(void *ctx, int number)
{
	struct daemon *d = ctx;

	if (number == SIGHUP) {
		configure_begin(d, NULL);
		return;
	}
	if (!d->quitting)
		log_info("%s: telling every peer, and ending", number == SIGINT    ? "interrupted"
							       : number == SIGTERM ? "SIGTERM"
										   : "SIGQUIT");
	quit(d);
}

/* systemd hears from us only while every worker turns. */
static void watchdog_due(uv_timer_t *t)
{
	struct daemon *d = container_of(t, struct daemon, watchdog);
	bool alive = true;

	for (uint32_t i = 0; i < d->nworkers; i++) {
		struct worker *w = &d->workers[i];
		const uint64_t beats = atomic_load_explicit(&w->beats, memory_order_relaxed);

		if (beats == d->beats_seen[i])
			alive = false;
		d->beats_seen[i] = beats;
		uv_async_send(&w->wake); /* an idle loop turns for this */
	}
	if (alive)
		notify_send("WATCHDOG=1");
	else if (!d->quitting)
		log_error("a worker does not turn: no word to the watchdog");
}

/* --- a copy of this machine --- */

static void machine_changed(uv_poll_t *poll, int status, int events)
{
	struct daemon *d = container_of(poll, struct daemon, machine);

	(void)status;
	(void)events;
	if (!uevent_read(d->machine_fd) || d->quitting)
		return;
	log_warn("this machine was cloned or restored from a snapshot: all sessions end, and begin anew");
	for (uint32_t i = 0; i < d->nworkers; i++)
		worker_cloned(&d->workers[i]);
}

static void watch_machine(struct daemon *d)
{
	d->machine_fd = uevent_open();
	if (d->machine_fd < 0)
		log_debug("the kernel's events cannot be heard, and so no cloning of this machine: %s",
			  strerror(-d->machine_fd));
	else if (uv_poll_init(&d->loop, &d->machine, d->machine_fd) == 0)
		uv_poll_start(&d->machine, UV_READABLE, machine_changed);
}

/* --- start-up --- */

static int open_audit(struct daemon *d)
{
	struct audit_config cfg = configure_audit(d->config);
	const char *error = "no randomness";
	int rc = -EIO;

	cfg.digest = sha256_2;
	if (getrandom(cfg.run, sizeof(cfg.run), 0) == sizeof(cfg.run) &&
	    getrandom(d->cookie_seed, sizeof(d->cookie_seed), 0) == sizeof(d->cookie_seed))
		rc = audit_open(&d->audit, &cfg, d->nworkers + 1, d->config->audit.backlog, &error);
	if (rc < 0) {
		log_error("audit%s%s: %s: %s", cfg.jsonl ? " to " : "", cfg.jsonl ? cfg.jsonl : "",
			  error ? error : "cannot start", strerror(-rc));
		return rc;
	}
	for (uint32_t i = 0; i < d->nworkers; i++)
		d->workers[i].audit = audit_ring(d->audit, i);
	return 0;
}

/* /run/jumpvpn is systemd's to make; by hand, it is ours. */
static void make_parent(const char *path, const char *user)
{
	char dir[128]; /* longer than any socket path can be */
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	if (mkdir(dir, 0755) == 0)
		privileges_give(dir, user);
	else if (errno != EEXIST)
		log_warn("cannot make %s: %s", dir, strerror(errno));
}

static int open_control(struct daemon *d)
{
	const char *error = NULL;
	int rc;

	rc = ctl_start(&d->ctl, &d->loop, d->config->control_socket, &questions_ops, d, &error);
	if (rc < 0)
		log_error("control socket %s: %s: %s", d->config->control_socket,
			  error ? error : "cannot open it", strerror(-rc));
	return rc;
}

static void start_timers(struct daemon *d)
{
	const uint64_t watchdog_ms = notify_watchdog_us() / 1000;

	uv_timer_init(&d->loop, &d->drain);
	uv_timer_start(&d->drain, drain_due, DRAIN_MS, DRAIN_MS);
	uv_timer_init(&d->loop, &d->watchdog);
	if (watchdog_ms > 0)
		uv_timer_start(&d->watchdog, watchdog_due, watchdog_ms, watchdog_ms);
	uv_timer_init(&d->loop, &d->goodbye);
	uv_timer_init(&d->loop, &d->listen_timer);
	listen_watch(d);
}

static void announce(struct daemon *d)
{
	const bool server = d->config->role == ROLE_SERVER;
	char text[ENDPOINT_STRLEN];
	char key[KEY_BASE64_LEN + 1];

	log_info("jumpvpnd %s as %s: %u worker%s, device %s; %s", PACKAGE_VERSION,
		 server ? "server" : "client", d->nworkers, d->nworkers == 1 ? "" : "s", d->tunnel_name,
		 crypto_describe());
	base64_encode(key, d->config->public_key, sizeof(d->config->public_key));
	log_info("public key %s", key);
	listen_announce(d);
	if (d->metrics)
		log_info("metrics on http://%s/metrics", endpoint_format(&d->config->metrics.listen, text));
	notify_send("READY=1");
}

/*
 * A worker that waits for its turn while other programs compute delays every packet, and takes a path for dead that
 * is none. Without the privilege the daemon goes on at the usual priority.
 */
static void go_ahead(const struct config *c)
{
	int rc = c->cpu_priority ? affinity_ahead() : 0;

	if (rc < 0)
		log_info("workers run as other programs do, for nice %d is refused: %s", AFFINITY_NICE,
			 strerror(-rc));
}

static int allow_descriptors(struct daemon *d)
{
	const struct config *c = d->config;
	const size_t sockets = c->role == ROLE_SERVER ? 2 * c->nlisten : 2 * PROTO_PATHS_MAX;
	const uint64_t least = DESCRIPTORS_LEAST + (uint64_t)d->nworkers * (DESCRIPTORS_WORKER + sockets);

	int rc;

	d->descriptors = least + DESCRIPTORS_MORE;
	rc = descriptors_allow(least, d->descriptors);
	return rc < 0 ? rc : descriptors_reserve(&d->loop, &d->held, d->descriptors);
}

/* What needs privileges; what fails has been logged. */
static int start_privileged(struct daemon *d)
{
	int rc = devices_tunnel(d);

	if (rc < 0)
		return rc;
	devices_steer(d);
	rc = crew_make(d, wake);
	if (rc == 0)
		rc = configure_metrics(d, d->config, &d->metrics);
	if (rc < 0)
		return rc;
	make_parent(d->config->control_socket, d->config->user);
	go_ahead(d->config);
	privileges_hide();
	if (d->config->role == ROLE_SERVER && !d->config->user[0] && geteuid() == 0)
		log_warn(
			"runs as root, and need not: make the user jumpvpn (systemd-sysusers does), give it the key file, "
			"and the server becomes it");
	rc = privileges_drop(d->config->user);
	if (rc == 0)
		rc = confine(d->config->role == ROLE_CLIENT);
	return rc;
}

/* Reads as the start-up order; what fails has been logged. */
static int start(struct daemon *d)
{
	char *restart = NULL;
	int rc = crypto_init();

	if (rc < 0) {
		log_error("crypto libraries: %s", strerror(-rc));
		return rc;
	}
	d->config = configure_read(d, NULL);
	d->misconfigured = !d->config;
	if (!d->config)
		return -EINVAL;
	d->nworkers = crew_size(d->config);
	if (!machine_read(d->machine_id, MACHINE_ID) && d->config->role == ROLE_SERVER)
		log_info(
			"no machine id in %s: a second server with this key and node id could end this one's sessions",
			MACHINE_ID);
	rc = config_adopt(d->config, NULL, d->nworkers, &restart);
	free(restart);
	if (rc == 0)
		rc = allow_descriptors(d);
	if (rc < 0)
		return rc;
	rc = signals_start(&d->signals, &d->loop, signalled,
			   d); /* from here on there is something to take down */
	if (rc == 0)
		rc = start_privileged(d);
	/*
	 * All threads come after the privileges have gone, for these belong to threads; and those of the audit sinks after
	 * the priority of the workers, for the same reason.
	 */
	if (rc == 0)
		rc = crew_create(d);
	if (rc == 0)
		rc = open_audit(d);
	if (rc == 0)
		rc = open_control(d);
	if (rc < 0)
		return rc;
	start_timers(d);
	watch_machine(d);
	if (d->config->role == ROLE_SERVER)
		tunnel_start(d->tunnel, &d->loop);
	return crew_start(d);
}

static void close_walked(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void close_loop(struct daemon *d)
{
	questions_stop(d);
	configure_stop(d);
	if (d->ctl)
		ctl_stop(d->ctl);
	metrics_stop(d->metrics);
	uv_walk(&d->loop, close_walked, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	signals_end(&d->signals);
}

/* Undoes as much of start() as was done. False: see worker_fini(). */
static bool stop(struct daemon *d)
{
	bool ended = true;

	if (d->workers) {
		crew_join(d);
		ended = crew_free(d);
	}
	if (d->tunnel)
		tunnel_undo(d->tunnel);
	close_loop(d);
	if (d->machine_fd >= 0)
		close(d->machine_fd);
	if (d->audit)
		audit_close(d->audit, GOODBYE_MS);
	listen_free(d);
	tunnel_free(d->tunnel);
	steer_free(d->steer);
	for (uint32_t i = 0; d->tun_fds && i < d->nworkers; i++)
		close(d->tun_fds[i]);
	free(d->tun_fds);
	config_free(d->config);
	return ended;
}

/*
 * A worker hangs, and its memory cannot be taken from it. The device goes with the process, the socket is
 * removed.
 */
static _Noreturn void leave(struct daemon *d)
{
	ctl_stop(d->ctl);
	_Exit(DAEMON_FAILED);
}

/* Before anything else: stop() counts on it. */
static int open_loop(struct daemon *d)
{
	int rc = descriptors_allow(DESCRIPTORS_LEAST, 0);

	if (rc < 0)
		return rc;
	rc = uv_loop_init(&d->loop);
	if (rc == 0) {
		rc = uv_async_init(&d->loop, &d->wake, woken);
		if (rc < 0)
			uv_loop_close(&d->loop);
	}
	if (rc < 0)
		log_error("cannot make the main loop: %s", strerror(-rc));
	return rc;
}

int daemon_run(const char *config_file)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int code;

	signals_hold();
	stderr_set_up();
	if (!d || open_loop(d) < 0) {
		free(d);
		return DAEMON_FAILED;
	}
	/* libuv would use io_uring for its own bookkeeping, which nothing here needs, and confine() forbids. */
	setenv("UV_USE_IO_URING", "0", 1);
	d->config_file = config_file;
	d->started = clock_now();
	d->collect = questions_scraped;
	d->machine_fd = d->signals.fd = -1;
	list_init(&d->gathers);
	d->failed = start(d) < 0;
	if (!d->failed) {
		announce(d);
		uv_run(&d->loop, UV_RUN_DEFAULT);
		if (d->stopped < d->nworkers)
			leave(d);
	}
	code = d->misconfigured ? DAEMON_MISCONFIGURED : d->failed ? DAEMON_FAILED : DAEMON_DONE;
	if (!stop(d))
		_Exit(code); /* exit() would wait for a thread of libuv's that hangs in a look-up */
	free(d);
	return code;
}
