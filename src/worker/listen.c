#include "worker/listen.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/own.h"
#include "net/steer.h"
#include "net/udp.h"
#include "proto/cookie.h"
#include "worker/daemon_state.h"
#include "worker/worker.h"

#define WATCH_MS 1000

/* How one entry of `listen` stands. */
struct listening {
	unsigned int interface; /* it was opened on, if it names one */
	bool open;
	bool absent; /* and it was said that nobody has the address */
	int error;   /* why it is not open, as was said */
};

static const struct config_listen *entry(const struct daemon *d, size_t i)
{
	return &d->config->listen[i];
}

static const char *hint(int rc)
{
	switch (-rc) {
	case EADDRINUSE:
		return ": another program has this port; `ss -lunp` names it";
	case EACCES:
		return ": a port below 1024 needs CAP_NET_BIND_SERVICE";
	default:
		return "";
	}
}

/* What may be otherwise some day, without anybody changing the configuration. */
static bool may_come(int rc)
{
	return rc == -ENODEV || rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

/* Once for each reason. */
static void say_why(struct daemon *d, size_t i, int rc)
{
	struct listening *l = &d->listening[i];
	char text[LISTEN_STRLEN];

	if (l->error == rc)
		return;
	l->error = rc;
	config_listen_format(entry(d, i), text);
	if (rc == -EAFNOSUPPORT)
		log_warn("listen udp://%s: this system has no IPv6; the others are listened on", text);
	else if (rc == -ENODEV)
		log_warn("listen udp://%s: there is no such interface; waiting for it", text);
	else if (rc == -EADDRNOTAVAIL)
		log_warn("listen udp://%s: no interface has this address; waiting for it", text);
	else
		log_error("listen udp://%s: %s%s", text, strerror(-rc), hint(rc));
}

/* The address with the number that its interface has now. */
static int address_now(const struct config_listen *e, struct endpoint *at)
{
	*at = e->at;
	if (!e->interface[0])
		return 0;
	at->scope = if_nametoindex(e->interface);
	return at->scope == 0 ? -ENODEV : 0;
}

/* --- a group of sockets: those of the workers, and behind them as many for HELLOs --- */

static void close_group(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static int open_group(const struct daemon *d, const struct endpoint *at, int *fds)
{
	const size_t n = 2 * (size_t)d->nworkers;

	for (size_t i = 0; i < n; i++) {
		fds[i] = udp_open_listener(at);
		if (fds[i] < 0) {
			const int rc = fds[i];

			close_group(fds, i);
			return rc;
		}
		/* Whatever networks lie behind peers: answers go past the tunnel. */
		(void)udp_mark(fds[i], tunnel_mark(d->tunnel_name));
		if (!d->config->udp_offload)
			udp_no_runs(fds[i]);
	}
	return 0;
}

/* Bind order is worker order, those for HELLOs behind the others: the steering program counts on it. */
static void steer_group(struct daemon *d, size_t i, int *fds)
{
	int rc = steer_reuseport(fds[0], d->nworkers, steer_key_derive(d->config->private_key));
	char text[LISTEN_STRLEN];

	if (rc == 0)
		return;
	close_group(fds + d->nworkers, d->nworkers); /* without steering DATA would come to them, too */
	d->steered = d->steered && d->nworkers == 1;
	log_warn("listen udp://%s: no steering (%s); %sHELLOs come by the sockets of data",
		 config_listen_format(entry(d, i), text), strerror(-rc),
		 d->nworkers > 1 ? "packets are handed over between workers, and " : "");
}

/* The sockets of entry `i`, newly allocated; NULL and -errno. */
static int *open_entry(struct daemon *d, size_t i, int *error)
{
	int *fds = malloc(2 * (size_t)d->nworkers * sizeof(*fds));
	struct endpoint at;

	*error = fds ? address_now(entry(d, i), &at) : -ENOMEM;
	if (*error == 0)
		*error = open_group(d, &at, fds);
	if (*error < 0) {
		free(fds);
		return NULL;
	}
	steer_group(d, i, fds);
	d->listening[i].open = true;
	d->listening[i].interface = at.scope;
	d->listening[i].error = 0;
	return fds;
}

/* --- at the start --- */

static int try_all(struct daemon *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct endpoint at;
		int rc = address_now(entry(d, i), &at);

		if (rc == 0)
			rc = udp_try_listener(&at);
		if (rc == 0 || may_come(rc))
			continue;
		say_why(d, i, rc);
		return rc;
	}
	return 0;
}

static void hand_in(struct daemon *d, size_t i, const int *fds)
{
	for (uint32_t k = 0; k < d->nworkers; k++) {
		d->workers[k].listeners[i].fd = fds[k];
		d->workers[k].hellos[i].fd = fds[d->nworkers + k];
	}
}

static void number_sockets(struct daemon *d, size_t n)
{
	for (uint32_t k = 0; k < d->nworkers; k++)
		for (size_t i = 0; i < n; i++) {
			d->workers[k].listeners[i].id = d->workers[k].hellos[i].id = (uint32_t)i;
			d->workers[k].hellos[i].hellos = true;
		}
}

static bool is_here(const struct daemon *d, size_t i)
{
	struct endpoint at = entry(d, i)->at;

	at.scope = d->listening[i].interface;
	return config_is_here(&at);
}

static void say_absent(struct daemon *d, size_t i)
{
	char text[LISTEN_STRLEN];

	d->listening[i].absent = !is_here(d, i);
	if (d->listening[i].absent)
		log_warn(
			"listen udp://%s: no interface has this address yet; it is listened on as soon as one has",
			config_listen_format(entry(d, i), text));
}

int listen_open(struct daemon *d, size_t n)
{
	size_t hopeless = 0;
	int rc;

	d->listening = calloc(n + 1, sizeof(*d->listening));
	if (!d->listening)
		return -ENOMEM;
	d->nlistening = n;
	d->steered = true;
	number_sockets(d, n);
	rc = try_all(d, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		int *fds = open_entry(d, i, &rc);

		if (fds) {
			hand_in(d, i, fds);
			say_absent(d, i);
		} else if (may_come(rc)) {
			say_why(d, i, rc);
			hopeless += rc == -EAFNOSUPPORT;
			rc = 0;
		} else {
			say_why(d, i, rc);
		}
		free(fds);
	}
	if (rc < 0 || n == 0 || hopeless < n)
		return rc;
	log_error("none of `listen` can be opened; add an IPv4 address");
	return -EAFNOSUPPORT;
}

void listen_announce(const struct daemon *d)
{
	char text[LISTEN_STRLEN];

	for (size_t i = 0; i < d->nlistening; i++)
		if (d->listening[i].open)
			log_info("listening on udp://%s", config_listen_format(entry(d, i), text));
}

/* --- later --- */

static bool workers_take(const struct daemon *d)
{
	for (uint32_t k = 0; k < d->nworkers; k++)
		if (d->workers[k].asked >= WORKER_ASKED)
			return false;
	return !d->quitting;
}

static void hand_over(struct daemon *d, size_t i, const int *fds)
{
	for (uint32_t k = 0; k < d->nworkers; k++) {
		const struct message m = { .kind = MESSAGE_LISTEN,
					   .worker = k,
					   .listen = { (uint32_t)i, fds[k], fds[d->nworkers + k] } };

		worker_post(&d->workers[k], &m);
	}
}

static void open_now(struct daemon *d, size_t i)
{
	char text[LISTEN_STRLEN];
	int rc;
	int *fds = open_entry(d, i, &rc);

	if (!fds) {
		say_why(d, i, rc);
		return;
	}
	hand_over(d, i, fds);
	free(fds);
	log_info("listening on udp://%s", config_listen_format(entry(d, i), text));
	say_absent(d, i);
}

/* The sockets stay on an interface that is gone, and hear nothing. */
static void look_for_interface(struct daemon *d, size_t i)
{
	struct listening *l = &d->listening[i];
	const unsigned int now = if_nametoindex(entry(d, i)->interface);

	if (now == l->interface)
		return;
	l->open = false;
	l->interface = 0;
	if (now == 0)
		say_why(d, i, -ENODEV);
}

static void look_for_address(struct daemon *d, size_t i)
{
	struct listening *l = &d->listening[i];
	char text[LISTEN_STRLEN];

	l->absent = !is_here(d, i);
	if (!l->absent)
		log_info("listen udp://%s: the address has come", config_listen_format(entry(d, i), text));
}

static bool is_settled(const struct daemon *d, size_t i)
{
	const struct listening *l = &d->listening[i];

	return l->open && !l->absent && !entry(d, i)->interface[0];
}

static void watch_due(uv_timer_t *t)
{
	struct daemon *d = container_of(t, struct daemon, listen_timer);

	for (size_t i = 0; i < d->nlistening; i++) {
		struct listening *l = &d->listening[i];

		if (l->open && entry(d, i)->interface[0])
			look_for_interface(d, i);
		if (!l->open && workers_take(d))
			open_now(d, i);
		else if (l->absent)
			look_for_address(d, i);
	}
	listen_watch(d);
}

void listen_watch(struct daemon *d)
{
	for (size_t i = 0; i < d->nlistening; i++)
		if (!is_settled(d, i)) {
			uv_timer_start(&d->listen_timer, watch_due, WATCH_MS, 0);
			return;
		}
}

void listen_free(struct daemon *d)
{
	free(d->listening);
}
