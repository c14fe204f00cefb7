#include "worker/client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/netlink.h"
#include "worker/daemon.h"
#include "worker/links.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define NAMES_MAX 32    /* names and literal addresses of servers, and look-ups that a reload left behind */
#define RESOLVE_MS 5000 /* while nothing is attached, names are looked up again at this pace */

/* One endpoint of the server: a literal address, or a name and what it meant when it was last looked up. */
struct name {
	struct client_shell *shell;
	struct config_remote remote; /* host "": unused */
	struct endpoint address[2];  /* the first of each family, the preferred one first */
	size_t n;
	bool literal, asking;
	uv_getaddrinfo_t req;
};

struct path_candidate {
	bool exists, up;
	struct candidate c;
	struct config_transport transport; /* a copy: configurations come and go */
	char interface[CONFIG_IFNAME_MAX]; /* where its socket is bound to */
};

struct client_shell {
	struct worker *worker;
	const struct config *config;
	struct list sockets; /* struct worker_socket */
	struct links *links;
	struct netlink *watch, *ask;
	uv_poll_t watch_poll;
	uv_timer_t resolve;
	struct name name[NAMES_MAX];
	struct path_candidate candidate[PROTO_PATHS_MAX];
	struct tunnel *tunnel;
	struct net_item *said; /* what the server said last, for a reload of our own wishes */
	size_t nsaid;
	uint16_t said_mtu;
	bool stopped;
};

/* --- sockets --- */

static struct worker_socket *find_socket(const struct client_shell *c, uint32_t id)
{
	const struct list *pos;

	list_for_each(pos, &c->sockets) {
		struct worker_socket *s = container_of(pos, struct worker_socket, node);

		if (s->id == id)
			return s;
	}
	return NULL;
}

int client_shell_fd(const struct client_shell *c, uint32_t socket)
{
	const struct worker_socket *s = find_socket(c, socket);

	return s ? s->fd : -1;
}

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number)
{
	struct worker *w = ctx;
	const struct path_candidate *p = &w->client->candidate[number];
	struct worker_socket *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return false;
	s->id = socket;
	s->fd = udp_open_path(p->interface, &p->transport.address, ip_is_v4(&p->c.remote.ip));
	rc = s->fd < 0 ? s->fd : worker_socket_start(w, s);
	if (rc == 0) {
		list_append(&w->client->sockets, &s->node);
		return true;
	}
	log_warn("path %s: cannot open a socket on %s: %s", p->c.name,
		 p->interface[0] ? p->interface : "any interface", strerror(-rc));
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return false;
}

static void socket_closed(uv_handle_t *h)
{
	struct worker_socket *s = container_of((uv_poll_t *)h, struct worker_socket, poll);

	close(s->fd);
	free(s);
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct worker *w = ctx;
	struct worker_socket *s = find_socket(w->client, socket);

	if (!s)
		return;
	worker_flush(w); /* what is queued for it goes first */
	s->open = false;
	list_remove(&s->node);
	uv_close((uv_handle_t *)&s->poll, socket_closed);
}

/* --- the tunnel device --- */

struct wishes {
	struct prefix *addresses, *routes;
	struct ip *dns;
	size_t naddresses, nroutes, ndns;
};

static bool wishes_init(struct wishes *w, size_t n)
{
	w->addresses = calloc(n + 1, sizeof(*w->addresses));
	w->routes = calloc(n + 1, sizeof(*w->routes));
	w->dns = calloc(n + 1, sizeof(*w->dns));
	return w->addresses && w->routes && w->dns;
}

static void wishes_free(struct wishes *w)
{
	free(w->addresses);
	free(w->routes);
	free(w->dns);
}

static void wishes_fill(struct wishes *w, const struct client_shell *c)
{
	for (size_t i = 0; i < c->nsaid; i++) {
		const struct net_item *item = &c->said[i];

		if (item->kind == NET_ITEM_ADDRESS)
			w->addresses[w->naddresses++] = item->prefix;
		else if (item->kind == NET_ITEM_ROUTE)
			w->routes[w->nroutes++] = item->prefix;
		else if (c->config->tunnel.dns)
			w->dns[w->ndns++] = item->prefix.ip;
	}
}

/* What the server said, where our own file does not say otherwise. */
static void set_up_tunnel(struct client_shell *c)
{
	const struct config *cfg = c->config;
	struct tunnel_wish wish = { .mtu = cfg->tunnel.mtu_set ? cfg->tunnel.mtu : c->said_mtu };
	struct wishes w = { 0 };

	if (wishes_init(&w, c->nsaid)) {
		wishes_fill(&w, c);
		wish.addresses = cfg->tunnel.addresses_set ? cfg->tunnel.addresses : w.addresses;
		wish.naddresses = cfg->tunnel.addresses_set ? cfg->tunnel.naddresses : w.naddresses;
		wish.routes = cfg->tunnel.routes_set ? cfg->tunnel.routes : w.routes;
		wish.nroutes = cfg->tunnel.routes_set ? cfg->tunnel.nroutes : w.nroutes;
		wish.dns = w.dns;
		wish.ndns = w.ndns;
		tunnel_apply(c->tunnel, &wish);
	}
	wishes_free(&w);
}

static void io_net_setup(void *ctx, const struct net_setup *n)
{
	struct worker *w = ctx;
	struct client_shell *c = w->client;
	struct net_item *said = malloc((n->count + 1) * sizeof(*said));

	if (!said)
		return;
	memcpy(said, n->items, n->count * sizeof(*said));
	free(c->said);
	c->said = said;
	c->nsaid = n->count;
	c->said_mtu = n->mtu;
	set_up_tunnel(c);
}

void client_shell_io(struct engine_io *io)
{
	io->path_open = io_path_open;
	io->path_close = io_path_close;
	io->net_setup = io_net_setup;
}

/* --- candidates: transports times server addresses, in order of preference --- */

/*
 * The interface a candidate's socket is bound to: its own, or the one the route leaves by, never the tunnel.
 */
static bool find_interface(struct client_shell *c, struct path_candidate *p)
{
	const char *name = p->transport.interface;
	int index;

	if (!name[0]) {
		index = netlink_route_interface(c->ask, &p->c.remote.ip, tunnel_index(c->tunnel));
		name = index > 0 ? links_name(c->links, index) : NULL;
	}
	if (!name)
		return false;
	snprintf(p->interface, sizeof(p->interface), "%s", name);
	return true;
}

/* Can it be used now, and if not, why? */
static enum reason usable(struct client_shell *c, struct path_candidate *p)
{
	const struct ip *source = &p->transport.address;

	if (!find_interface(c, p) || !links_is_up(c->links, p->interface))
		return REASON_TRANSPORT_DEAD;
	if (!ip_is_zero(source) ? !links_has_address(c->links, p->interface, source)
				: !links_has_family(c->links, p->interface, ip_is_v4(&p->c.remote.ip)))
		return REASON_ADDRESS_CHANGED;
	return REASON_NONE;
}

static void evaluate_one(struct client_shell *c, struct path_candidate *p, struct jv_time now)
{
	struct engine *e = c->worker->engine;
	const bool was_up = p->up;
	char before[CONFIG_IFNAME_MAX];
	enum reason why;

	memcpy(before, p->interface, sizeof(before));
	why = usable(c, p);
	p->up = why == REASON_NONE;
	if (p->up && !was_up)
		engine_candidate_up(e, &p->c, now);
	else if (!p->up && was_up)
		engine_candidate_down(e, p->c.number, why, now);
	else if (p->up && (strcmp(before, p->interface) != 0 ||
			   links_lost_address(c->links, p->interface, ip_is_v4(&p->c.remote.ip))))
		engine_candidate_moved(e, p->c.number, now);
}

static void evaluate(struct client_shell *c)
{
	const struct jv_time now = worker_now();

	/* First what is gone: a jump must not choose a path that the same event has killed. */
	for (unsigned int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < PROTO_PATHS_MAX; i++) {
			struct path_candidate *p = &c->candidate[i];

			if (p->exists && p->up == (pass == 0))
				evaluate_one(c, p, now);
		}
	links_settle(c->links);
	worker_flush(c->worker);
}

static struct name *find_name(struct client_shell *c, const struct config_remote *r)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (c->name[i].remote.port == r->port && strcmp(c->name[i].remote.host, r->host) == 0)
			return &c->name[i];
	return NULL;
}

/* The rank-th address that this transport may reach the server at, or NULL. */
static const struct endpoint *address_of(struct client_shell *c, const struct config_transport *t,
					 size_t rank)
{
	const struct config *cfg = c->config;
	const struct config_remote *list = t->endpoint.host[0] ? &t->endpoint : cfg->endpoints;
	const size_t n = t->endpoint.host[0] ? 1 : cfg->nendpoints;

	for (size_t i = 0; i < n; i++) {
		const struct name *name = find_name(c, &list[i]);

		if (!name)
			continue;
		if (rank < name->n)
			return &name->address[rank];
		rank -= name->n;
	}
	return NULL;
}

static bool same_transport(const struct config_transport *a, const struct config_transport *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       ip_equal(&a->address, &b->address);
}

static void candidate_end(struct client_shell *c, uint8_t number)
{
	struct path_candidate *p = &c->candidate[number];

	if (p->exists && p->up)
		engine_candidate_down(c->worker->engine, number, REASON_ADDRESS_CHANGED, worker_now());
	*p = (struct path_candidate){ .exists = false };
}

static void candidate_set(struct client_shell *c, uint8_t number, const struct config_transport *t,
			  const struct endpoint *remote, size_t rank)
{
	struct path_candidate *p = &c->candidate[number];
	char *name = p->c.name;

	if (p->exists && endpoint_equal(&p->c.remote, remote) && same_transport(&p->transport, t))
		return;
	candidate_end(c, number);
	p->exists = true;
	p->transport = *t;
	p->c.number = number;
	p->c.remote = *remote;
	if (rank == 0)
		snprintf(name, sizeof(p->c.name), "%s", t->name);
	else
		snprintf(name, sizeof(p->c.name), "%.50s/%zu", t->name, rank + 1);
}

static void list_candidates(struct client_shell *c)
{
	const struct config *cfg = c->config;
	uint8_t number = 0;
	bool more = true;

	for (size_t rank = 0; more && number < PROTO_PATHS_MAX; rank++) {
		more = false;
		for (size_t t = 0; t < cfg->ntransports && number < PROTO_PATHS_MAX; t++) {
			const struct endpoint *remote = address_of(c, &cfg->transports[t], rank);

			if (!remote)
				continue;
			candidate_set(c, number++, &cfg->transports[t], remote, rank);
			more = true;
		}
	}
	for (; number < PROTO_PATHS_MAX; number++)
		candidate_end(c, number);
	evaluate(c);
}

/* --- names --- */

static void name_take(struct name *n, const struct addrinfo *list)
{
	struct endpoint found[2];
	size_t nfound = 0;

	for (const struct addrinfo *a = list; a && nfound < 2; a = a->ai_next) {
		struct endpoint e = { .port = n->remote.port };

		if (a->ai_family == AF_INET) {
			e.ip = ip_from_v4(
				(const uint8_t *)&((const struct sockaddr_in *)(const void *)a->ai_addr)
					->sin_addr);
		} else if (a->ai_family == AF_INET6) {
			const struct sockaddr_in6 *in6 =
				(const struct sockaddr_in6 *)(const void *)a->ai_addr;

			memcpy(e.ip.b, &in6->sin6_addr, sizeof(e.ip.b));
			e.scope = in6->sin6_scope_id;
		} else {
			continue;
		}
		if (nfound == 1 && ip_is_v4(&found[0].ip) == ip_is_v4(&e.ip))
			continue;
		found[nfound++] = e;
	}
	if (nfound == 0)
		return;
	memcpy(n->address, found, sizeof(found));
	n->n = nfound;
}

static void resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct name *n = container_of(req, struct name, req);
	struct client_shell *c = n->shell;

	n->asking = false;
	if (c->stopped) {
		uv_freeaddrinfo(list);
		return;
	}
	if (status < 0)
		log_warn("cannot resolve %s: %s; %s", n->remote.host, uv_strerror(status),
			 n->n ? "keeping the last addresses" : "trying again in 5 s");
	else
		name_take(n, list);
	uv_freeaddrinfo(list);
	list_candidates(c);
}

static void names_resolve(struct client_shell *c)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };

	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *n = &c->name[i];

		if (!n->remote.host[0] || n->literal || n->asking)
			continue;
		n->asking = uv_getaddrinfo(&c->worker->loop, &n->req, resolved, n->remote.host, NULL,
					   &hints) == 0;
	}
}

static void name_add(struct client_shell *c, const struct config_remote *r)
{
	static const struct config_remote unused;
	struct name *n;
	struct ip ip;

	if (find_name(c, r))
		return;
	n = find_name(c, &unused);
	if (!n) {
		log_warn("too many names of servers: %s is not used", r->host);
		return;
	}
	*n = (struct name){ .shell = c, .remote = *r };
	if (ip_parse(r->host, &ip)) {
		n->literal = true;
		n->address[0] = (struct endpoint){ .ip = ip, .port = r->port };
		n->n = 1;
	}
}

static bool is_wanted(const struct config *cfg, const struct config_remote *r)
{
	for (size_t i = 0; i < cfg->nendpoints; i++)
		if (cfg->endpoints[i].port == r->port && strcmp(cfg->endpoints[i].host, r->host) == 0)
			return true;
	for (size_t i = 0; i < cfg->ntransports; i++)
		if (cfg->transports[i].endpoint.port == r->port &&
		    strcmp(cfg->transports[i].endpoint.host, r->host) == 0)
			return true;
	return false;
}

/* Forgets what the configuration does not name any more, unless a look-up still writes to it. */
static void list_names(struct client_shell *c)
{
	const struct config *cfg = c->config;

	for (size_t i = 0; i < NAMES_MAX; i++)
		if (!c->name[i].asking && !is_wanted(cfg, &c->name[i].remote))
			c->name[i] = (struct name){ .n = 0 };
	for (size_t i = 0; i < cfg->nendpoints; i++)
		name_add(c, &cfg->endpoints[i]);
	for (size_t i = 0; i < cfg->ntransports; i++)
		if (cfg->transports[i].endpoint.host[0])
			name_add(c, &cfg->transports[i].endpoint);
}

/* Names that mean something else by now are found when it matters: while no path works. */
static void resolve_due(uv_timer_t *t)
{
	struct client_shell *c = t->data;
	struct session_info info;

	if (engine_info(c->worker->engine, &info, 1, worker_now()) == 1 && info.doing != DOING_CARRYING)
		names_resolve(c);
}

/* --- links --- */

static void link_event(void *ctx, const struct netlink_event *ev)
{
	struct client_shell *c = ctx;

	links_event(c->links, ev);
}

static void look_again(struct client_shell *c)
{
	links_clear(c->links);
	if (netlink_dump(c->watch, link_event, c) < 0)
		log_warn("netlink: cannot list the links");
}

static void watch_readable(uv_poll_t *poll, int status, int events)
{
	struct client_shell *c = container_of(poll, struct client_shell, watch_poll);

	(void)events;
	/* libuv stops polling a socket with a pending error, and an overrun is one. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, watch_readable);
	if (netlink_read(c->watch, link_event, c) == -ENOBUFS)
		look_again(c);
	evaluate(c);
}

/* --- life --- */

int client_shell_new(struct client_shell **out, struct worker *w)
{
	struct client_shell *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->worker = w;
	c->config = w->config;
	list_init(&c->sockets);
	list_names(c);
	errno = ENOMEM;
	c->links = links_new();
	c->watch = c->links ? netlink_watch() : NULL;
	c->ask = c->watch ? netlink_open() : NULL;
	c->tunnel = c->ask ? tunnel_new(daemon_tunnel_name(w->daemon), &w->loop) : NULL;
	if (c->tunnel) {
		*out = c;
		return 0;
	}
	rc = -errno;
	client_shell_free(c);
	return rc;
}

void client_shell_start(struct client_shell *c)
{
	uv_poll_init(&c->worker->loop, &c->watch_poll, netlink_fd(c->watch));
	uv_poll_start(&c->watch_poll, UV_READABLE, watch_readable);
	uv_timer_init(&c->worker->loop, &c->resolve);
	c->resolve.data = c;
	uv_timer_start(&c->resolve, resolve_due, RESOLVE_MS, RESOLVE_MS);
	look_again(c);
	list_candidates(c);
	names_resolve(c);
}

void client_shell_configure(struct client_shell *c, const struct config *config)
{
	c->config = config;
	list_names(c);
	list_candidates(c);
	names_resolve(c);
	if (c->said)
		set_up_tunnel(c);
}

void client_shell_stop(struct client_shell *c)
{
	c->stopped = true;
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (c->name[i].asking)
			uv_cancel((uv_req_t *)&c->name[i].req); /* what has begun cannot be called back */
	while (!list_is_empty(&c->sockets))
		io_path_close(c->worker, container_of(c->sockets.next, struct worker_socket, node)->id);
	tunnel_free(c->tunnel);
	c->tunnel = NULL;
}

void client_shell_free(struct client_shell *c)
{
	if (!c)
		return;
	tunnel_free(c->tunnel);
	if (c->watch)
		netlink_close(c->watch);
	if (c->ask)
		netlink_close(c->ask);
	links_free(c->links);
	free(c->said);
	free(c);
}
