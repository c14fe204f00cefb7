#include "worker/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/steer.h"
#include "net/tun.h"
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
