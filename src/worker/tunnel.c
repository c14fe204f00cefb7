#include "worker/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "net/netlink.h"

#define RESOLVCONF "/sbin/resolvconf"

struct prefixes {
	struct prefix *list;
	size_t n;
};

struct tunnel {
	char name[16];
	int ifindex;
	uint16_t mtu;
	uv_loop_t *loop;
	struct netlink *nl;
	struct prefixes addresses, routes; /* in force */
	struct ip *dns;
	size_t ndns;
};

struct tunnel *tunnel_new(const char *name, uv_loop_t *loop)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->loop = loop;
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

/* --- name servers --- */

static void resolvconf_exited(uv_process_t *p, int64_t status, int signal)
{
	if (status != 0 || signal != 0)
		log_warn("resolvconf ended with status %d: the name servers may not be in use", (int)status);
	uv_close((uv_handle_t *)p, (uv_close_cb)(void (*)(void))free);
}

/* A pipe that already holds the whole of resolvconf's input; its read end, or -1. */
static int input_of(const struct tunnel *t)
{
	char ip[IP_STRLEN], text[1024];
	size_t len = 0;
	int fd[2];

	for (size_t i = 0; i < t->ndns && len + IP_STRLEN + 12 < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "nameserver %s\n",
					ip_format(&t->dns[i], ip));
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	if (write(fd[1], text, len) != (ssize_t)len)
		log_warn("resolvconf: short write");
	close(fd[1]);
	return fd[0];
}

static void resolvconf(struct tunnel *t, bool add)
{
	char path[] = RESOLVCONF, a[] = "-a", d[] = "-d", exclusive[] = "-x";
	char *args[] = { path, add ? a : d, t->name, add ? exclusive : NULL, NULL };
	uv_process_t *p = calloc(1, sizeof(*p));
	uv_stdio_container_t io[3] = { { .flags = UV_INHERIT_FD },
				       { .flags = UV_IGNORE },
				       { .flags = UV_IGNORE } };
	uv_process_options_t o = {
		.file = path, .args = args, .exit_cb = resolvconf_exited, .stdio = io, .stdio_count = 3
	};
	int rc;

	if (!p)
		return;
	io[0].data.fd = input_of(t);
	rc = io[0].data.fd < 0 ? -errno : uv_spawn(t->loop, p, &o);
	if (rc < 0) {
		log_warn("%s: cannot run %s (%s): set the name servers yourself, or install openresolv or "
			 "systemd-resolved's resolvconf",
			 t->name, path, uv_strerror(rc));
		uv_close((uv_handle_t *)p, (uv_close_cb)(void (*)(void))free);
	}
	if (io[0].data.fd >= 0)
		close(io[0].data.fd);
}

static void apply_dns(struct tunnel *t, const struct tunnel_wish *w)
{
	if (!t->loop ||
	    (t->ndns == w->ndns && (w->ndns == 0 || memcmp(t->dns, w->dns, w->ndns * sizeof(*w->dns)) == 0)))
		return;
	free(t->dns);
	t->dns = w->ndns ? malloc(w->ndns * sizeof(*w->dns)) : NULL;
	t->ndns = t->dns ? w->ndns : 0;
	if (t->ndns)
		memcpy(t->dns, w->dns, t->ndns * sizeof(*w->dns));
	resolvconf(t, t->ndns > 0);
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
	apply_dns(t, w);
	return rc;
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	if (t->ndns) {
		t->ndns = 0;
		resolvconf(t, false);
	}
	netlink_close(t->nl);
	free(t->addresses.list);
	free(t->routes.list);
	free(t->dns);
	free(t);
}
