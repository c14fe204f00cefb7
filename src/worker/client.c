#include "worker/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/netlink.h"
#include "net/own.h"
#include "net/route.h"
#include "worker/daemon.h"
#include "worker/links.h"
#include "worker/names.h"
#include "worker/resolv.h"
#include "worker/tunnel.h"
#include "worker/worker.h"

#define REFUSED_TOLD 8

struct remote {
	struct endpoint at;
	char interface[CONFIG_IFNAME_MAX]; /* where a socket that leads there is bound to */
	enum path_fault fault;             /* why it cannot be used; or FAULT_NONE */
};

struct path_candidate {
	bool exists, up;
	bool second;                       /* to the server's other address family */
	struct candidate c;                /* as the engine knows it: with the remotes that can be used */
	struct config_transport transport; /* a copy: configurations come and go */
	struct remote remote[CANDIDATE_REMOTES_MAX];
	size_t remotes;
	struct endpoint opened; /* where its newest socket leads */
	bool moved;             /* that socket should not be used any more */
	bool told;              /* the log has been told that there is no such interface */
};

struct client_shell {
	struct worker *worker;
	const struct config *config;
	struct list sockets; /* struct worker_socket */
	struct links *links;
	struct netlink *watch, *ask;
	uv_poll_t watch_poll;
	uv_timer_t resolve;
	struct names *names;
	struct path_candidate candidate[PROTO_PATHS_MAX];
	struct tunnel *tunnel;
	struct tunnel_way ways[PROTO_PATHS_MAX * CANDIDATE_REMOTES_MAX]; /* as of the last look */
	struct resolv *resolv;
	struct net_item *said; /* what the server said last, for a reload of our own wishes */
	size_t nsaid;
	struct net_item refused[REFUSED_TOLD]; /* the first ones of what it says and does not get */
	size_t nrefused;
	bool moved; /* an address came or went */
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

static struct remote *find_remote(struct path_candidate *p, const struct endpoint *at)
{
	for (size_t i = 0; i < p->remotes; i++)
		if (endpoint_equal(&p->remote[i].at, at))
			return &p->remote[i];
	return NULL;
}

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number, const struct endpoint *remote)
{
	struct worker *w = ctx;
	struct path_candidate *p = &w->client->candidate[number];
	const struct remote *r = find_remote(p, remote);
	struct worker_socket *s = r ? calloc(1, sizeof(*s)) : NULL;
	int rc;

	if (!s)
		return false;
	p->opened = *remote;
	s->id = socket;
	s->fd = udp_open_path(r->interface, &p->transport.address, ip_is_v4(&remote->ip));
	if (s->fd >= 0 && !w->config->udp_offload)
		udp_no_runs(s->fd);
	rc = s->fd < 0 ? s->fd : worker_socket_start(w, s);
	if (rc == 0) {
		list_append(&w->client->sockets, &s->node);
		return true;
	}
	log_warn("path %s: cannot open a socket on %s: %s", p->c.name,
		 r->interface[0] ? r->interface : "any interface", strerror(-rc));
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

void client_shell_count(struct client_shell *c)
{
	struct list *pos;

	list_for_each(pos, &c->sockets)
		worker_socket_count(c->worker, container_of(pos, struct worker_socket, node));
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct worker *w = ctx;
	struct worker_socket *s = find_socket(w->client, socket);

	if (!s)
		return;
	worker_flush(w); /* what is queued for it goes first */
	worker_socket_count(w, s);
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
	struct tunnel_wish wish = { .mtu = cfg->tunnel.mtu_set ? cfg->tunnel.mtu : c->said_mtu,
				    .table = cfg->tunnel.table };
	struct wishes w = { 0 };

	if (wishes_init(&w, c->nsaid)) {
		wishes_fill(&w, c);
		wish.addresses = cfg->tunnel.addresses_set ? cfg->tunnel.addresses : w.addresses;
		wish.naddresses = cfg->tunnel.addresses_set ? cfg->tunnel.naddresses : w.naddresses;
		wish.routes = cfg->tunnel.routes_set ? cfg->tunnel.routes : w.routes;
		wish.nroutes = cfg->tunnel.routes_set ? cfg->tunnel.nroutes : w.nroutes;
		tunnel_apply(c->tunnel, &wish);
		resolv_apply(c->resolv, w.dns, w.ndns);
	}
	wishes_free(&w);
}

static const char *item_name(enum net_item_kind kind)
{
	return kind == NET_ITEM_ADDRESS ? "address" : kind == NET_ITEM_ROUTE ? "route" : "name server";
}

/* Each set of them once. */
static void tell_refused(struct client_shell *c, const struct net_setup *n)
{
	const size_t told = n->nrefused < REFUSED_TOLD ? n->nrefused : REFUSED_TOLD;
	char text[PREFIX_STRLEN];
	bool same = c->nrefused == n->nrefused;

	for (size_t i = 0; same && i < told; i++)
		same = c->refused[i].kind == n->refused[i].kind &&
		       c->refused[i].prefix.len == n->refused[i].prefix.len &&
		       ip_equal(&c->refused[i].prefix.ip, &n->refused[i].prefix.ip);
	if (same)
		return;
	c->nrefused = n->nrefused;
	for (size_t i = 0; i < told; i++) {
		c->refused[i] = n->refused[i];
		log_warn("not taken from the server: %s %s, which accept: does not list, or which is on a link of this "
			 "machine",
			 item_name(n->refused[i].kind), prefix_format(&n->refused[i].prefix, text));
	}
	if (n->nrefused > told)
		log_warn("not taken from the server: %zu more", n->nrefused - told);
}

/* Our own networks and addresses are not the server's to give, nor is the way to itself. */
static bool io_net_taken(void *ctx, const struct net_item *item)
{
	struct worker *w = ctx;
	struct client_shell *c = w->client;

	for (size_t i = 0; item->prefix.len == 128 && i < PROTO_PATHS_MAX; i++)
		for (size_t k = 0; k < c->candidate[i].remotes; k++)
			if (ip_equal(&c->candidate[i].remote[k].at.ip, &item->prefix.ip))
				return true;
	return links_connected(c->links, tunnel_index(c->tunnel), &item->prefix);
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
	tell_refused(c, n);
	set_up_tunnel(c);
}

static void io_resolve(void *ctx, uint8_t number)
{
	struct worker *w = ctx;

	(void)number; /* a name may serve several candidates */
	names_resolve(w->client->names, false);
}

/* From where to where HELLOs go, and what comes back; or why none can go. */
static void say_called(struct client_shell *c, const struct path_info *info, uint64_t since_ms)
{
	const struct remote *r = find_remote(&c->candidate[info->path], &info->remote);
	const char *interface = r && r->interface[0] ? r->interface : "any interface";
	const struct ip *from = r ? links_address(c->links, r->interface, ip_is_v4(&r->at.ip)) : NULL;
	char to[ENDPOINT_STRLEN], source[IP_STRLEN] = "no address", text[CALLED_TEXT_MAX];
	const char *called = called_text(info, text);

	if (!called) {
		log_warn("path %s: nothing sent for %llu s: %s%s%s", info->name,
			 (unsigned long long)since_ms / 1000,
			 info->fault ? path_fault_text(info->fault) : "its turn has not come",
			 info->interface[0] ? ": " : "", info->interface);
		return;
	}
	if (from)
		ip_format(from, source);
	log_warn("path %s: %llu HELLOs in %llu s, from %s (%s) to %s: %s", info->name,
		 (unsigned long long)info->sent, (unsigned long long)since_ms / 1000, source, interface,
		 endpoint_format(&info->remote, to), called);
}

static void io_unanswered(void *ctx)
{
	struct worker *w = ctx;
	struct session_info info;

	if (!engine_connecting(w->engine, &info, worker_now()))
		return;
	for (size_t i = 0; i < info.npaths; i++)
		say_called(w->client, &info.path[i], info.since_ms);
}

void client_shell_error(struct client_shell *c, int fd, int error)
{
	const struct list *pos;

	list_for_each(pos, &c->sockets) {
		const struct worker_socket *s = container_of(pos, struct worker_socket, node);

		if (s->fd == fd)
			engine_path_error(c->worker->engine, s->id, error);
	}
}

void client_shell_io(struct engine_io *io)
{
	io->path_open = io_path_open;
	io->path_close = io_path_close;
	io->resolve = io_resolve;
	io->net_setup = io_net_setup;
	io->unanswered = io_unanswered;
	io->net_taken = io_net_taken;
}

/* --- candidates: transports, and the server's addresses they may reach, in order of preference --- */

/*
 * The interface a path's socket is bound to: its transport's own, by this name or by another that the kernel knows it
 * by, or the one the route leaves by, never the tunnel.
 */
static enum path_fault find_interface(struct client_shell *c, const struct path_candidate *p,
				      struct remote *r)
{
	const char *name = p->transport.interface;
	const bool own = name[0] != '\0';
	int index = 0;

	if (!own)
		index = netlink_route_interface(c->ask, &r->at.ip, tunnel_index(c->tunnel));
	else if (!links_has(c->links, name))
		index = netlink_ifindex(name);
	if (index > 0)
		name = links_name(c->links, index);
	r->interface[0] = '\0';
	if (index < 0)
		return own ? FAULT_NO_INTERFACE : FAULT_NO_ROUTE;
	if (!name)
		return own ? FAULT_NO_CARRIER : FAULT_NO_ROUTE; /* links that are down are not kept */
	if (strcmp(name, daemon_tunnel_name(c->worker->daemon)) == 0)
		return FAULT_TUNNEL;
	snprintf(r->interface, sizeof(r->interface), "%s", name);
	return FAULT_NONE;
}

/* Why it cannot be used now, if so. */
static enum path_fault fault_of(struct client_shell *c, const struct path_candidate *p, struct remote *r)
{
	const struct ip *source = &p->transport.address;
	const bool v4 = ip_is_v4(&r->at.ip);
	const enum path_fault fault = find_interface(c, p, r);

	if (fault != FAULT_NONE)
		return fault;
	if (!links_is_up(c->links, r->interface)) /* one that is gone was down before */
		return netlink_ifindex(r->interface) < 0 ? FAULT_NO_INTERFACE : FAULT_NO_CARRIER;
	if (!ip_is_zero(source) ? ip_is_v4(source) != v4 || !links_has_address(c->links, r->interface, source)
				: !links_has_family(c->links, r->interface, v4))
		return FAULT_NO_ADDRESS;
	return FAULT_NONE;
}

static void look_at(struct client_shell *c, struct path_candidate *p)
{
	for (size_t i = 0; i < p->remotes; i++) {
		struct remote *r = &p->remote[i];
		char before[CONFIG_IFNAME_MAX];

		memcpy(before, r->interface, sizeof(before));
		r->fault = fault_of(c, p, r);
		if (endpoint_equal(&r->at, &p->opened) &&
		    (r->fault != FAULT_NONE || strcmp(before, r->interface) != 0 ||
		     links_lost_address(c->links, r->interface, ip_is_v4(&r->at.ip))))
			p->moved = true;
	}
}

static bool same_remotes(const struct candidate *a, const struct candidate *b)
{
	if (a->remotes != b->remotes)
		return false;
	for (size_t i = 0; i < a->remotes; i++)
		if (!endpoint_equal(&a->remote[i], &b->remote[i]))
			return false;
	return true;
}

static void tell_down(struct client_shell *c, struct path_candidate *p, struct jv_time now)
{
	const struct remote *r = find_remote(p, &p->opened);
	bool any = false;

	for (size_t i = 0; i < p->remotes; i++)
		any |= p->remote[i].fault == FAULT_NONE;
	if (any || !p->up)
		return;
	p->up = p->moved = false;
	engine_candidate_down(c->worker->engine, p->c.number,
			      (r ? r->fault : p->remote[0].fault) == FAULT_NO_ADDRESS ? REASON_ADDRESS_CHANGED
										      : REASON_TRANSPORT_DEAD,
			      now);
}

/* Of what is wrong with its remotes the least: with one address family an interface may well have no address. */
static enum path_fault least_fault(const struct path_candidate *p)
{
	enum path_fault fault = p->remotes > 0 ? p->remote[0].fault
			      : p->second      ? FAULT_NO_FAMILY
					       : FAULT_NO_NAME;

	for (size_t i = 1; i < p->remotes; i++)
		if (p->remote[i].fault > fault)
			fault = p->remote[i].fault;
	return fault;
}

/* A candidate that cannot be used: the engine knows of it all the same, and who reads the log knows of a name that may be
 * a mistake. */
static void tell_fault(struct client_shell *c, struct path_candidate *p, struct jv_time now)
{
	struct candidate known = p->c;
	const enum path_fault fault = least_fault(p);

	if (p->up)
		return;
	known.remotes = (uint8_t)p->remotes;
	for (size_t i = 0; i < p->remotes; i++)
		known.remote[i] = p->remote[i].at;
	engine_candidate_known(c->worker->engine, &known, fault, now);
	if (fault == FAULT_NO_INTERFACE && !p->told && !p->second) {
		log_warn("transport %s: there is no interface %s; waiting for it", p->c.name,
			 p->transport.interface);
		p->told = true;
	}
}

static void tell_up(struct client_shell *c, struct path_candidate *p, struct jv_time now)
{
	struct candidate next = p->c;
	const bool was_up = p->up;

	next.remotes = 0;
	for (size_t i = 0; i < p->remotes; i++)
		if (p->remote[i].fault == FAULT_NONE)
			next.remote[next.remotes++] = p->remote[i].at;
	if (next.remotes == 0)
		return;
	p->up = true;
	if (!was_up || !same_remotes(&next, &p->c)) {
		p->c = next;
		engine_candidate_up(c->worker->engine, &p->c, now);
	}
	if (was_up && p->moved)
		engine_candidate_moved(c->worker->engine, p->c.number, now);
	p->moved = false;
}

/* By which way, as the kernel has it for a socket that is bound there. */
static struct tunnel_way way_to(struct client_shell *c, const struct remote *r)
{
	struct tunnel_way way = { .endpoint = r->at };
	struct route_query q = { .dst = r->at.ip, .mark = tunnel_mark(daemon_tunnel_name(c->worker->daemon)) };
	struct route_answer a;

	if (r->fault != FAULT_NONE)
		return way;
	q.ifindex = r->interface[0] ? netlink_ifindex(r->interface) : 0;
	if (q.ifindex < 0 || netlink_route_get(c->ask, &q, &a) < 0 || a.local)
		return way;
	way.ifindex = a.ifindex;
	way.gateway = a.gateway;
	way.source = a.source;
	return way;
}

static void tell_ways(struct client_shell *c)
{
	size_t n = 0;

	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		for (size_t k = 0; c->candidate[i].exists && k < c->candidate[i].remotes; k++)
			c->ways[n++] = way_to(c, &c->candidate[i].remote[k]);
	tunnel_escape(c->tunnel, c->ways, n);
}

/* First what is gone: a jump must not choose a path that the same event has killed. */
static void evaluate(struct client_shell *c)
{
	const struct jv_time now = worker_now();

	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->candidate[i].exists)
			look_at(c, &c->candidate[i]);
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->candidate[i].exists)
			tell_down(c, &c->candidate[i], now);
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->candidate[i].exists)
			tell_up(c, &c->candidate[i], now);
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->candidate[i].exists)
			tell_fault(c, &c->candidate[i], now);
	links_settle(c->links);
	tell_ways(c);
	worker_flush(c->worker);
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
	if (p->exists)
		engine_candidate_forgotten(c->worker->engine, number, worker_now());
	*p = (struct path_candidate){ .exists = false };
}

static void candidate_remotes(struct path_candidate *p, const struct endpoint *list, size_t n)
{
	struct path_candidate before = *p;

	for (size_t i = 0; i < n; i++) {
		const struct remote *known = find_remote(&before, &list[i]);

		p->remote[i] = known ? *known : (struct remote){ .at = list[i] };
	}
	p->remotes = n;
}

/* `left`: an address that is not on the list any more is one that we were told to leave. */
static void candidate_set(struct client_shell *c, uint8_t number, uint8_t via, bool second, bool left)
{
	const struct config_transport *t = &c->config->transports[via];
	struct path_candidate *p = &c->candidate[number];
	struct endpoint list[CANDIDATE_REMOTES_MAX];
	const size_t n = names_remotes(c->names, t, second, list);

	if (!p->exists || !same_transport(&p->transport, t) || p->c.via != via)
		candidate_end(c, number);
	p->exists = true;
	p->second = second;
	p->transport = *t;
	p->c.number = number;
	p->c.via = via;
	snprintf(p->c.name, sizeof(p->c.name), second ? "%.50s/2" : "%.63s", t->name);
	snprintf(p->c.interface, sizeof(p->c.interface), "%s", t->interface);
	candidate_remotes(p, list, n);
	if (left && p->up && !find_remote(p, &p->opened))
		p->moved = true;
}

/*
 * A candidate for each transport, which has all addresses on its list; and, as far as there are numbers left, a
 * second one to the other address family, so that it is warm when the first one dies. Numbers do not depend on
 * what could be looked up.
 */
static void list_candidates(struct client_shell *c, bool left)
{
	const uint8_t n = (uint8_t)(c->config->ntransports < PROTO_PATHS_MAX ? c->config->ntransports
									     : PROTO_PATHS_MAX);

	for (uint8_t number = 0; number < PROTO_PATHS_MAX; number++) {
		if (number < n || (number < 2 * n && names_both_families(c->names, &c->config->transports[number - n])))
			candidate_set(c, number, number % n, number >= n, left);
		else
			candidate_end(c, number);
	}
	evaluate(c);
}

static void names_changed(void *ctx)
{
	list_candidates(ctx, false);
}

static void resolve_due(uv_timer_t *t)
{
	struct client_shell *c = t->data;

	names_resolve(c->names, true);
}

/* --- links --- */

static void link_event(void *ctx, const struct netlink_event *ev)
{
	struct client_shell *c = ctx;

	links_event(c->links, ev);
	c->moved |= (ev->kind == NETLINK_ADDRESS_ADDED || ev->kind == NETLINK_ADDRESS_REMOVED) &&
		    ev->ifindex != tunnel_index(c->tunnel);
}

static void look_again(struct client_shell *c)
{
	links_clear(c->links);
	if (netlink_dump(c->ask, link_event, c) < 0)
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
	if (c->moved) {
		engine_net_again(c->worker->engine);
		names_network_changed(c->names);
	}
	c->moved = false;
	if (c->resolv)
		resolv_network_changed(c->resolv);
	evaluate(c);
}

/* As the kernel has it, but for the tunnel. A name server that is reached by the tunnel alone is asked through it. */
static int way_past_tunnel(void *ctx, const struct ip *to)
{
	struct client_shell *c = ctx;
	const struct route_query q = { .dst = *to, .mark = tunnel_mark(daemon_tunnel_name(c->worker->daemon)) };
	struct route_answer a;

	if (netlink_route_get(c->ask, &q, &a) == 0 && (a.local || a.ifindex != tunnel_index(c->tunnel)))
		return a.local ? 0 : a.ifindex;
	return netlink_route_interface(c->ask, to, tunnel_index(c->tunnel));
}

const char *client_shell_trouble(const struct client_shell *c)
{
	return tunnel_trouble(c->tunnel);
}

/* --- life --- */

int client_shell_new(struct client_shell **out, struct worker *w)
{
	struct client_shell *c = calloc(1, sizeof(*c));
	struct names_io io = { .changed = names_changed, .device = way_past_tunnel, .ctx = c };
	int rc;

	if (!c)
		return -ENOMEM;
	c->worker = w;
	c->config = w->config;
	io.mark = tunnel_mark(daemon_tunnel_name(w->daemon));
	list_init(&c->sockets);
	errno = ENOMEM;
	c->resolv = resolv_new(daemon_tunnel_name(w->daemon), w->config->control_socket, &w->loop);
	io.resolv = c->resolv;
	c->names = c->resolv ? names_new(&w->loop, &io) : NULL;
	if (c->names)
		names_configure(c->names, c->config);
	c->links = c->names ? links_new() : NULL;
	c->watch = c->links ? netlink_watch() : NULL;
	c->ask = c->watch ? netlink_open() : NULL;
	c->tunnel = c->ask ? tunnel_new(daemon_tunnel_name(w->daemon)) : NULL;
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
	uv_timer_start(&c->resolve, resolve_due, PROTO_RESOLVE_MS, PROTO_RESOLVE_MS);
	(void)resolv_start(c->resolv);
	tunnel_start(c->tunnel, &c->worker->loop);
	look_again(c);
	list_candidates(c, false);
	names_resolve(c->names, false);
}

void client_shell_configure(struct client_shell *c, const struct config *config)
{
	c->config = config;
	names_configure(c->names, config);
	list_candidates(c, true);
	names_resolve(c->names, false);
	if (c->said)
		set_up_tunnel(c);
}

void client_shell_stop(struct client_shell *c)
{
	c->stopped = true;
	names_stop(c->names);
	while (!list_is_empty(&c->sockets))
		io_path_close(c->worker, container_of(c->sockets.next, struct worker_socket, node)->id);
	resolv_free(c->resolv);
	c->resolv = NULL;
	tunnel_undo(c->tunnel);
}

void client_shell_free(struct client_shell *c)
{
	if (!c)
		return;
	resolv_free(c->resolv);
	tunnel_free(c->tunnel);
	if (c->watch)
		netlink_close(c->watch);
	if (c->ask)
		netlink_close(c->ask);
	links_free(c->links);
	names_free(c->names);
	free(c->said);
	free(c);
}
