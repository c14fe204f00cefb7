#include "worker/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/udp.h"
#include "worker/candidates.h"
#include "worker/clock.h"
#include "worker/in.h"
#include "worker/outside.h"
#include "worker/resolv.h"
#include "worker/tunnel.h"
#include "session/called.h"

#define REFUSED_TOLD 8
#define ITEMS_MOST ((size_t)POLICY_PARTS_MAX * POLICY_ITEMS_MAX)

struct wishes {
	struct prefix *addresses, *routes;
	struct ip *dns;
	size_t naddresses, nroutes, ndns;
};

struct paths {
	struct worker *worker;
	const struct config *config;
	struct candidates *candidates;
	struct tunnel *tunnel;
	struct resolv *resolv;
	struct net_item *said; /* what the server said last, for a reload of our own wishes */
	size_t nsaid;
	bool has_said;
	struct wishes wishes; /* made of it */
	struct net_item refused[REFUSED_TOLD]; /* the first ones of what it says and does not get */
	size_t nrefused;
	uint16_t said_mtu;
	bool stopped;
};

/* --- sockets --- */

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number, const struct endpoint *remote)
{
	struct worker *w = ctx;
	struct udp_path path;
	const struct way *way = candidates_open(w->paths->candidates, number, remote, &path);
	struct worker_socket *s = way ? calloc(1, sizeof(*s)) : NULL;
	int rc;

	if (!s)
		return false;
	s->id = socket;
	s->fd = udp_open_path(&path);
	if (s->fd >= 0 && !w->config->udp_offload)
		udp_no_runs(s->fd);
	rc = s->fd < 0 ? s->fd : in_socket_start(w, s);
	if (rc == 0) {
		list_append(&w->path_sockets, &s->node);
		return true;
	}
	log_warn("path %s: cannot open a socket on %s: %s", candidates_name(w->paths->candidates, number),
		 way->interface[0] ? way->interface : "any interface", strerror(-rc));
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

char *paths_names(const struct paths *c)
{
	return candidates_unresolved(c->candidates);
}

void paths_count(struct paths *c)
{
	struct list *pos;

	list_for_each(pos, &c->worker->path_sockets)
		in_socket_count(c->worker, container_of(pos, struct worker_socket, node));
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct worker *w = ctx;
	struct worker_socket *s = outside_path_socket(w, socket);

	if (!s)
		return;
	outside_flush(w); /* what is queued for it goes first */
	in_socket_count(w, s);
	s->open = false;
	list_remove(&s->node);
	uv_close((uv_handle_t *)&s->poll, socket_closed);
}

/* --- the tunnel device --- */

/* For all that a server can say: what it says next must not need memory. */
static bool wishes_init(struct wishes *w)
{
	w->addresses = calloc(ITEMS_MOST, sizeof(*w->addresses));
	w->routes = calloc(ITEMS_MOST, sizeof(*w->routes));
	w->dns = calloc(ITEMS_MOST, sizeof(*w->dns));
	return w->addresses && w->routes && w->dns;
}

static void wishes_free(struct wishes *w)
{
	free(w->addresses);
	free(w->routes);
	free(w->dns);
}

static void wishes_fill(struct wishes *w, const struct paths *c)
{
	w->naddresses = w->nroutes = w->ndns = 0;
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

static void own_marks(const struct config *cfg, uint32_t marks[PROTO_PATHS_MAX])
{
	for (size_t i = 0; i < cfg->ntransports && i < PROTO_PATHS_MAX; i++)
		marks[i] = cfg->transports[i].fwmark;
}

/* What the server said, where our own file does not say otherwise. */
static void set_up_tunnel(struct paths *c)
{
	const struct config *cfg = c->config;
	struct tunnel_wish wish = { .mtu = cfg->tunnel.mtu_set ? cfg->tunnel.mtu : c->said_mtu,
				    .table = cfg->tunnel.table };
	struct wishes *w = &c->wishes;

	own_marks(cfg, wish.marks);
	wishes_fill(w, c);
	wish.addresses = cfg->tunnel.addresses_set ? cfg->tunnel.addresses : w->addresses;
	wish.naddresses = cfg->tunnel.addresses_set ? cfg->tunnel.naddresses : w->naddresses;
	wish.routes = cfg->tunnel.routes_set ? cfg->tunnel.routes : w->routes;
	wish.nroutes = cfg->tunnel.routes_set ? cfg->tunnel.nroutes : w->nroutes;
	tunnel_apply(c->tunnel, &wish);
	resolv_apply(c->resolv, w->dns, w->ndns);
}

static const char *item_name(enum net_item_kind kind)
{
	return kind == NET_ITEM_ADDRESS ? "address" : kind == NET_ITEM_ROUTE ? "route" : "name server";
}

/* Each set of them once. */
static void tell_refused(struct paths *c, const struct net_setup *n)
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
		log_warn(
			"not taken from the server: %s %s, which accept: does not list, or which is on a link of this "
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
	struct paths *c = w->paths;

	if (item->prefix.len == 128 && candidates_lead_to(c->candidates, &item->prefix.ip))
		return true;
	return links_connected(candidates_links(c->candidates), tunnel_index(c->tunnel), &item->prefix);
}

static void io_net_setup(void *ctx, const struct net_setup *n)
{
	struct worker *w = ctx;
	struct paths *c = w->paths;

	c->has_said = true;
	c->nsaid = n->count < ITEMS_MOST ? n->count : ITEMS_MOST;
	memcpy(c->said, n->items, c->nsaid * sizeof(*c->said));
	c->said_mtu = n->mtu;
	tell_refused(c, n);
	set_up_tunnel(c);
}

static void io_resolve(void *ctx, uint8_t number)
{
	struct worker *w = ctx;

	(void)number; /* a name may serve several candidates */
	candidates_resolve(w->paths->candidates);
}

/* From where to where HELLOs go, and what comes back; or why none can go. */
static void say_called(struct paths *c, const struct path_info *info, uint64_t since_ms)
{
	const struct way *way = candidates_way(c->candidates, info->path, &info->remote);
	const char *interface = way && way->interface[0] ? way->interface : "any interface";
	char to[ENDPOINT_STRLEN], source[IP_STRLEN] = "no address", text[CALLED_TEXT_MAX];
	const char *called = called_text(info, text);

	if (!called) {
		log_warn("path %s: nothing sent for %llu s: %s%s%s", info->name,
			 (unsigned long long)since_ms / 1000,
			 info->fault ? path_fault_text(info->fault) : "its turn has not come",
			 info->interface[0] ? ": " : "", info->interface);
		return;
	}
	if (way && !ip_is_zero(&way->source))
		ip_format(&way->source, source);
	log_warn("path %s: %llu HELLOs in %llu s, from %s (%s) to %s: %s", info->name,
		 (unsigned long long)info->sent, (unsigned long long)since_ms / 1000, source, interface,
		 endpoint_format(&info->remote, to), called);
}

static void io_unanswered(void *ctx)
{
	struct worker *w = ctx;
	struct session_info info;

	if (!engine_connecting(w->engine, &info, clock_now()))
		return;
	for (size_t i = 0; i < info.npaths; i++)
		say_called(w->paths, &info.path[i], info.since_ms);
}

void paths_io(struct engine_io *io)
{
	io->path_open = io_path_open;
	io->path_close = io_path_close;
	io->resolve = io_resolve;
	io->net_setup = io_net_setup;
	io->unanswered = io_unanswered;
	io->net_taken = io_net_taken;
}

const char *paths_trouble(const struct paths *c)
{
	return tunnel_trouble(c->tunnel);
}

/* --- life --- */

int paths_new(struct paths **out, struct worker *w)
{
	struct paths *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->worker = w;
	c->config = w->config;
	c->said = calloc(ITEMS_MOST, sizeof(*c->said));
	errno = ENOMEM;
	c->tunnel = c->said && wishes_init(&c->wishes) ? tunnel_new(w->tunnel) : NULL;
	errno = c->tunnel ? ENOMEM : errno;
	c->resolv = c->tunnel ? resolv_new(w->tunnel, w->config->control_socket, &w->loop) : NULL;
	rc = c->resolv ? candidates_new(&c->candidates, w, c->tunnel, c->resolv) : -errno;
	if (rc < 0) {
		paths_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void paths_start(struct paths *c)
{
	(void)resolv_start(c->resolv);
	tunnel_start(c->tunnel, &c->worker->loop);
	candidates_start(c->candidates);
}

void paths_configure(struct paths *c, const struct config *config)
{
	c->config = config;
	candidates_configure(c->candidates, config);
	if (c->has_said)
		set_up_tunnel(c);
}

void paths_stop(struct paths *c)
{
	c->stopped = true;
	candidates_stop(c->candidates);
	while (!list_is_empty(&c->worker->path_sockets))
		io_path_close(c->worker, container_of(c->worker->path_sockets.next, struct worker_socket, node)->id);
	resolv_free(c->resolv);
	c->resolv = NULL;
	tunnel_undo(c->tunnel);
}

void paths_free(struct paths *c)
{
	if (!c)
		return;
	resolv_free(c->resolv);
	tunnel_free(c->tunnel);
	candidates_free(c->candidates);
	wishes_free(&c->wishes);
	free(c->said);
	free(c);
}
