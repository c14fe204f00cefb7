#include "worker/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/notify.h"
#include "net/steer.h"
#include "net/tun.h"
#include "worker/control.h"
#include "worker/privileges.h"
#include "worker/worker.h"

#define AUDIT_RING 4096
#define DRAIN_MS 50
#define GOODBYE_MS 2000

/* --- workers --- */

struct worker *daemon_worker(const struct daemon *d, uint32_t index)
{
	return &d->workers[index];
}

const char *daemon_tunnel_name(const struct daemon *d)
{
	return d->tunnel_name;
}

void daemon_wake(struct daemon *d)
{
	uv_async_send(&d->wake);
}

void daemon_answer(struct daemon *d, struct worker *w, const struct message *m)
{
	/* As many answers as questions, and the inbox is no longer than the outbox. */
	if (!ring_push(w->outbox, m))
		bug("worker %u: outbox full", w->index);
	uv_async_send(&d->wake);
}

static void event_tap(void *ctx, const struct audit_record *r)
{
	struct daemon *d = ctx;

	d->recent[d->nrecent++ % DAEMON_RECENT] = *r;
	ctl_event(d->ctl, r);
}

static void drain(struct daemon *d)
{
	struct message m;

	for (uint32_t i = 0; i < d->nworkers; i++)
		while (ring_pop(d->workers[i].outbox, &m))
			control_answered(d, &m);
	audit_drain(d->audit, event_tap, d);
}

static void woken(uv_async_t *a)
{
	drain(container_of(a, struct daemon, wake));
}

static void drain_due(uv_timer_t *t)
{
	drain(container_of(t, struct daemon, drain));
}

/* --- signals and the watchdog --- */

static void quit_forced(uv_timer_t *t)
{
	struct daemon *d = container_of(t, struct daemon, goodbye);

	log_error("workers do not end: leaving without them");
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

static void signalled(uv_signal_t *s, int number)
{
	struct daemon *d = s->data;

	if (number == SIGHUP) {
		control_reload(d, NULL);
		return;
	}
	log_info("%s: telling every peer, and ending", strsignal(number));
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
	else
		log_error("a worker does not turn: no word to the watchdog");
}

/* --- start-up --- */

static int open_tunnel(struct daemon *d)
{
	int rc;

	snprintf(d->tunnel_name, sizeof(d->tunnel_name), "%s", d->config->tunnel.name);
	d->tun_fds = calloc(d->nworkers, sizeof(*d->tun_fds));
	if (!d->tun_fds)
		return -ENOMEM;
	rc = tun_open(d->tunnel_name, d->tun_fds, d->nworkers);
	if (rc < 0) {
		log_error("tunnel device %s: %s%s", d->config->tunnel.name, strerror(-rc),
			  rc == -EPERM ? ": needs CAP_NET_ADMIN, start as root" :
			  rc == -EBUSY ? ": another daemon has it, or it was made beforehand" :
			  rc == -ENOENT ? ": is the tun module loaded?" : "");
		return rc;
	}
	d->tunnel = tunnel_new(d->tunnel_name, NULL);
	if (!d->tunnel) {
		log_error("tunnel device %s: cannot open netlink", d->tunnel_name);
		return -EIO;
	}
	return d->config->role == ROLE_SERVER ? control_tunnel(d, d->config) : 0;
}

/* Bind order is worker order: the steering program counts on it. */
static int open_listener(struct daemon *d, size_t i)
{
	const struct endpoint *listen = &d->config->listen[i];
	char text[ENDPOINT_STRLEN];
	int fd = -1;

	for (uint32_t k = 0; k < d->nworkers; k++) {
		struct worker_socket *s = &d->workers[k].listeners[i];

		s->fd = fd = udp_open_listener(listen);
		s->id = (uint32_t)i;
		if (fd < 0) {
			log_error("listen udp://%s: %s", endpoint_format(listen, text), strerror(-fd));
			return fd;
		}
	}
	if (d->nworkers > 1) {
		int rc = steer_reuseport(fd, d->nworkers);

		d->steered = rc == 0;
		if (rc < 0)
			log_warn("listen udp://%s: no steering by worker (%s); packets are handed over between workers",
				 endpoint_format(listen, text), strerror(-rc));
	}
	return 0;
}

static int make_workers(struct daemon *d)
{
	const size_t n = d->config->role == ROLE_SERVER ? d->config->nlisten : 0;

	d->workers = calloc(d->nworkers, sizeof(*d->workers));
	d->beats_seen = calloc(d->nworkers, sizeof(*d->beats_seen));
	if (!d->workers || !d->beats_seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->nworkers; i++) {
		struct worker *w = &d->workers[i];

		w->daemon = d;
		w->index = i;
		w->workers = d->nworkers;
		w->config = d->config;
		w->tun_fd = d->tun_fds[i];
		w->nlisteners = n;
		w->listeners = calloc(n + 1, sizeof(*w->listeners));
		if (!w->listeners)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		int rc = open_listener(d, i);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_audit(struct daemon *d)
{
	const struct audit_config cfg = control_audit_config(d->config);
	const char *error = NULL;
	int rc = audit_open(&d->audit, &cfg, d->nworkers + 1, AUDIT_RING, &error);

	if (rc < 0) {
		log_error("audit: %s", error ? error : strerror(-rc));
		return rc;
	}
	for (uint32_t i = 0; i < d->nworkers; i++)
		d->workers[i].audit = audit_ring(d->audit, i);
	return 0;
}

/* /run/jumpvpn is systemd's to make; by hand, it is ours. */
static void make_parent(const char *path)
{
	char dir[128]; /* longer than any socket path can be */
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		log_warn("cannot make %s: %s", dir, strerror(errno));
}

static int open_control(struct daemon *d)
{
	const char *error = NULL;
	int rc;

	make_parent(d->config->control_socket);
	rc = ctl_start(&d->ctl, &d->loop, d->config->control_socket, &control_ops, d, &error);
	if (rc < 0)
		log_error("control socket %s: %s", d->config->control_socket, error ? error : strerror(-rc));
	return rc;
}

static void handle_signals(struct daemon *d)
{
	static const int numbers[DAEMON_SIGNALS] = { SIGHUP, SIGTERM, SIGINT };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < DAEMON_SIGNALS; i++) {
		uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
		uv_signal_start(&d->signals[i], signalled, numbers[i]);
	}
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
}

static int start_threads(struct daemon *d)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < d->nworkers; i++) {
		rc = worker_init(&d->workers[i]);
		if (rc < 0)
			log_error("worker %u: %s", i, strerror(-rc));
	}
	for (uint32_t i = 0; rc == 0 && i < d->nworkers; i++) {
		rc = worker_start(&d->workers[i]);
		d->running += rc == 0;
	}
	return rc;
}

static uint32_t worker_count(const struct config *c)
{
	uv_cpu_info_t *cpus;
	int n = 0;

	if (c->role == ROLE_CLIENT)
		return 1;
	if (c->workers > 0)
		return c->workers;
	if (uv_cpu_info(&cpus, &n) == 0)
		uv_free_cpu_info(cpus, n);
	return n < 1 ? 1 : n > DAEMON_WORKERS_MAX ? DAEMON_WORKERS_MAX : (uint32_t)n;
}

static void announce(struct daemon *d)
{
	log_info("jumpvpnd %s as %s: %u worker%s, device %s, %s", PACKAGE_VERSION,
		 d->config->role == ROLE_SERVER ? "server" : "client", d->nworkers, d->nworkers == 1 ? "" : "s",
		 d->tunnel_name, crypto_describe());
	notify_send("READY=1\nSTATUS=%s, %u workers", d->config->role == ROLE_SERVER ? "server" : "client", d->nworkers);
}

/* Reads as the start-up order; what fails has been logged. */
static int start(struct daemon *d)
{
	int rc = crypto_init();

	if (rc < 0) {
		log_error("crypto libraries: %s", strerror(-rc));
		return rc;
	}
	d->config = control_load(d, NULL);
	if (!d->config)
		return -EINVAL;
	d->nworkers = worker_count(d->config);
	if (config_adopt(d->config, NULL, d->nworkers, &d->restart_note) < 0)
		return -ENOMEM;
	rc = open_tunnel(d);
	if (rc == 0)
		rc = make_workers(d);
	if (rc == 0)
		rc = open_audit(d);
	if (rc == 0)
		rc = open_control(d);
	if (rc == 0)
		rc = privileges_drop(d->config->user);
	if (rc < 0)
		return rc;
	handle_signals(d);
	start_timers(d);
	return start_threads(d);
}

static void close_walked(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void stop(struct daemon *d)
{
	for (uint32_t i = 0; i < d->nworkers && d->workers; i++) {
		if (i < d->running)
			uv_thread_join(&d->workers[i].thread);
		worker_fini(&d->workers[i]);
		for (size_t k = 0; k < d->workers[i].nlisteners && d->workers[i].listeners; k++)
			if (d->workers[i].listeners[k].fd > 0)
				close(d->workers[i].listeners[k].fd);
		free(d->workers[i].listeners);
	}
	if (d->ctl)
		ctl_stop(d->ctl);
	uv_walk(&d->loop, close_walked, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	if (d->audit)
		audit_close(d->audit, GOODBYE_MS);
	tunnel_free(d->tunnel);
	free(d->tun_fds);
	free(d->workers);
	free(d->beats_seen);
	free(d->restart_note);
	config_free(d->config);
}

int daemon_run(const char *config_file)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return 1;
	d->config_file = config_file;
	d->started = worker_now();
	uv_loop_init(&d->loop);
	uv_async_init(&d->loop, &d->wake, woken);
	rc = start(d);
	if (rc == 0) {
		announce(d);
		uv_run(&d->loop, UV_RUN_DEFAULT);
		if (d->running > 0 && d->stopped < d->running)
			_Exit(1); /* a worker hangs: its memory cannot be taken from it */
	}
	stop(d);
	free(d);
	return rc == 0 ? 0 : 1;
}
