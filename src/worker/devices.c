#include "worker/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/steer.h"
#include "net/tun.h"
#include "worker/daemon_state.h"

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

static bool in_own_network(const struct config *c, const struct prefix *p)
{
	for (size_t i = 0; i < c->tunnel.naddresses; i++)
		if (p->len >= c->tunnel.addresses[i].len && prefix_contains(&c->tunnel.addresses[i], &p->ip))
			return true;
	return false;
}

/* What the device's own networks do not cover needs a route of its own. */
int devices_networks(struct daemon *d, const struct config *c)
{
	struct tunnel_wish wish = { .addresses = c->tunnel.addresses,
				    .naddresses = c->tunnel.naddresses,
				    .table = c->tunnel.table,
				    .server = true,
				    .mtu = c->tunnel.mtu };
	struct prefix *routes;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < c->npeers; i++)
		n += c->peers[i].naddresses;
	routes = calloc(n + 1, sizeof(*routes));
	if (!routes)
		return -ENOMEM;
	for (size_t i = 0; i < c->npeers; i++)
		for (size_t k = 0; k < c->peers[i].naddresses; k++)
			if (!in_own_network(c, &c->peers[i].addresses[k]))
				routes[wish.nroutes++] = c->peers[i].addresses[k];
	wish.routes = routes;
	rc = tunnel_apply(d->tunnel, &wish);
	free(routes);
	return rc;
}

void devices_homes(struct daemon *d, const struct config *c)
{
	struct steer_entry *entries;
	size_t n = 0;
	int rc = -ENOMEM;

	if (!d->steer)
		return;
	for (size_t i = 0; i < c->npeers; i++)
		n += c->peers[i].naddresses;
	entries = calloc(n + 1, sizeof(*entries));
	n = 0;
	for (size_t i = 0; entries && i < c->npeers; i++)
		for (size_t k = 0; k < c->peers[i].naddresses; k++)
			entries[n++] = (struct steer_entry){ c->peers[i].addresses[k], c->peers[i].home };
	if (entries)
		rc = steer_set(d->steer, entries, n);
	if (rc < 0)
		log_warn("steering of inner packets: %s; some are handed over between workers",
			 strerror(-rc));
	free(entries);
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
	return d->config->role == ROLE_SERVER ? devices_networks(d, d->config) : 0;
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
	devices_homes(d, d->config);
}
