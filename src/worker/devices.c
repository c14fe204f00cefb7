#include "worker/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/own.h"
#include "net/steer.h"
#include "net/tun.h"
#include "net/udp.h"
#include "proto/cookie.h"
#include "worker/control.h"

/* --- the tunnel --- */

static const char *tunnel_hint(int rc)
{
	switch (-rc) {
	case EPERM:
	case EACCES:
		return ": needs CAP_NET_ADMIN, start as root or by systemd";
	case EBUSY:
		return ": another daemon has it, or it was made beforehand; choose another tunnel.name";
	case ENOENT:
	case ENODEV:
		return ": /dev/net/tun is missing, try modprobe tun";
	default:
		return "";
	}
}

int devices_tunnel(struct daemon *d)
{
	int rc;

	snprintf(d->tunnel_name, sizeof(d->tunnel_name), "%s", d->config->tunnel.name);
	d->tun_fds = malloc(d->nworkers * sizeof(*d->tun_fds));
	if (!d->tun_fds)
		return -ENOMEM;
	rc = tun_open(d->tunnel_name, d->tun_fds, d->nworkers, d->config->tunnel.offload, &d->tun_offload);
	if (rc < 0) {
		log_error("tunnel device %s: %s%s", d->config->tunnel.name, strerror(-rc), tunnel_hint(rc));
		free(d->tun_fds);
		d->tun_fds = NULL;
		return rc;
	}
	d->tunnel = tunnel_new(d->tunnel_name);
	if (!d->tunnel) {
		log_error("tunnel device %s: cannot open netlink: %s", d->tunnel_name, strerror(errno));
		return -EIO;
	}
	return d->config->role == ROLE_SERVER ? control_tunnel(d, d->config) : 0;
}

/* The kernel's own choice keeps a flow where its answers came from, which is right for most packets. */
void devices_steer(struct daemon *d)
{
	int rc;

	if (d->nworkers == 1)
		return;
	d->steer = steer_tunnel(d->tun_fds[0], &rc);
	if (!d->steer)
		log_warn(
			"tunnel device %s: no steering by worker (%s%s); the kernel chooses by flow, and packets "
			"are handed over between workers",
			d->tunnel_name, strerror(-rc), rc == -EPERM ? ": needs CAP_BPF" : "");
	control_steer(d, d->config);
}

/* --- the listeners --- */

static const char *listen_hint(int rc)
{
	switch (-rc) {
	case EADDRINUSE:
		return ": another program has this port; `ss -lunp` names it";
	case EADDRNOTAVAIL:
		return ": no interface has this address";
	case EACCES:
		return ": a port below 1024 needs CAP_NET_BIND_SERVICE";
	case EAFNOSUPPORT:
		return ": this kernel has no IPv6; take the address out of `listen`";
	default:
		return "";
	}
}

static int cannot_listen(const struct endpoint *e, int rc)
{
	char text[ENDPOINT_STRLEN];

	log_error("listen udp://%s: %s%s", endpoint_format(e, text), strerror(-rc), listen_hint(rc));
	return rc;
}

static int open_sockets(struct daemon *d, size_t i, bool hellos)
{
	const struct endpoint *listen = &d->config->listen[i];

	for (uint32_t k = 0; k < d->nworkers; k++) {
		struct worker *w = &d->workers[k];
		struct worker_socket *s = hellos ? &w->hellos[i] : &w->listeners[i];

		s->fd = udp_open_listener(listen);
		if (s->fd < 0)
			return cannot_listen(listen, s->fd);
		/* Whatever networks lie behind peers: answers go past the tunnel. */
		(void)udp_mark(s->fd, tunnel_mark(d->tunnel_name));
		if (!d->config->udp_offload)
			udp_no_runs(s->fd);
		s->id = (uint32_t)i;
		s->hellos = hellos;
	}
	return 0;
}

/* Without steering DATA would come to them, too. */
static void close_hellos(struct daemon *d, size_t i)
{
	for (uint32_t k = 0; k < d->nworkers; k++) {
		close(d->workers[k].hellos[i].fd);
		d->workers[k].hellos[i].fd = -1;
	}
}

/* Bind order is worker order, those for HELLOs behind the others: the steering program counts on it. */
static int open_listener(struct daemon *d, size_t i)
{
	const struct endpoint *listen = &d->config->listen[i];
	char text[ENDPOINT_STRLEN];
	int rc = open_sockets(d, i, false);

	if (rc == 0)
		rc = open_sockets(d, i, true);
	if (rc < 0)
		return rc;
	rc = steer_reuseport(d->workers[0].listeners[i].fd, d->nworkers,
			     steer_key_derive(d->config->private_key));
	if (rc < 0) {
		close_hellos(d, i);
		d->steered = d->steered && d->nworkers == 1;
		log_warn("listen udp://%s: no steering (%s); %sHELLOs come by the sockets of data",
			 endpoint_format(listen, text), strerror(-rc),
			 d->nworkers > 1 ? "packets are handed over between workers, and " : "");
	}
	return 0;
}

int devices_listen(struct daemon *d, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = udp_try_listener(&d->config->listen[i]);
		if (rc < 0)
			cannot_listen(&d->config->listen[i], rc);
	}
	d->steered = true;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = open_listener(d, i);
	return rc;
}
