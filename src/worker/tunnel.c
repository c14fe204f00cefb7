#include "worker/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/netlink.h"
#include "net/route.h"

struct prefixes {
	struct prefix *list;
	size_t n;
};

struct tunnel {
	char name[16];
	int ifindex;
	uint16_t mtu;
	struct netlink *nl;
	struct prefixes addresses, routes; /* in force */
};

struct tunnel *tunnel_new(const char *name)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->ifindex = netlink_ifindex(name);
	t->nl = t->ifindex > 0 ? netlink_open() : NULL;
	if (!t->nl) {
		errno = t->ifindex > 0 ? errno : -t->ifindex;
		free(t);
		return NULL;
	}
	/* Nobody routes link-local addresses through the tunnel: what the kernel would say from one is noise to both ends. */
	(void)netlink_no_link_local(t->nl, t->ifindex);
	return t;
}

int tunnel_index(const struct tunnel *t)
{
	return t->ifindex;
}

static bool has(const struct prefix *list, size_t n, const struct prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].len == p->len && ip_equal(&list[i].ip, &p->ip))
			return true;
	return false;
}

/* Adds what is missing, removes what is not wanted any more; keeps what could be set. */
static int make_so(struct tunnel *t, struct prefixes *now, const struct prefix *wish, size_t n,
		   int (*change)(struct netlink *, int, const struct prefix *, bool), const char *what)
{
	struct prefix *kept = calloc(n + 1, sizeof(*kept));
	char text[PREFIX_STRLEN];
	size_t nkept = 0;
	int first = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int rc = has(now->list, now->n, &wish[i]) ? 0 : change(t->nl, t->ifindex, &wish[i], true);

		if (rc == 0) {
			kept[nkept++] = wish[i];
			continue;
		}
		log_error("%s: cannot add %s %s: %s", t->name, what, prefix_format(&wish[i], text),
			  strerror(-rc));
		first = first ? first : rc;
	}
	for (size_t i = 0; i < now->n; i++) {
		int rc = has(wish, n, &now->list[i]) ? 0 : change(t->nl, t->ifindex, &now->list[i], false);

		if (rc < 0)
			log_warn("%s: cannot remove %s %s: %s", t->name, what,
				 prefix_format(&now->list[i], text), strerror(-rc));
	}
	free(now->list);
	now->list = kept;
	now->n = nkept;
	return first;
}

/*
 * 0.0.0.0/0 as 0.0.0.0/1 and 128.0.0.0/1: more specific than any default, which stays for the outer packets.
 */
static struct prefixes halve_defaults(const struct prefix *routes, size_t n)
{
	struct prefixes out = { .list = calloc(2 * n + 1, sizeof(*out.list)) };

	for (size_t i = 0; out.list && i < n; i++) {
		const bool v4 = ip_is_v4(&routes[i].ip);
		struct prefix p = { ip_masked(&routes[i].ip, routes[i].len), routes[i].len };

		if (p.len != (v4 ? 96 : 0)) {
			out.list[out.n++] = p;
			continue;
		}
		p.len++;
		out.list[out.n++] = p;
		p.ip.b[v4 ? 12 : 0] |= 0x80;
		out.list[out.n++] = p;
	}
	return out;
}

int tunnel_apply(struct tunnel *t, const struct tunnel_wish *w)
{
	struct prefixes routes = halve_defaults(w->routes, w->nroutes);
	int rc = 0, rc2;

	if (!routes.list)
		return -ENOMEM;
	if (w->mtu != t->mtu) {
		rc = netlink_link_up(t->nl, t->ifindex, w->mtu);
		if (rc < 0)
			log_error("%s: cannot set MTU %u and bring it up: %s", t->name, w->mtu,
				  strerror(-rc));
		else
			t->mtu = w->mtu;
	}
	rc2 = make_so(t, &t->addresses, w->addresses, w->naddresses, netlink_address, "address");
	rc = rc ? rc : rc2;
	rc2 = make_so(t, &t->routes, routes.list, routes.n, netlink_route, "route");
	rc = rc ? rc : rc2;
	free(routes.list);
	return rc;
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	netlink_close(t->nl);
	free(t->addresses.list);
	free(t->routes.list);
	free(t);
}
