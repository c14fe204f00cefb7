#include "worker/candidates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/netlink.h"
#include "net/own.h"
#include "net/udp.h"
#include "worker/candidate.h"
#include "worker/clock.h"
#include "worker/hosts.h"
#include "worker/outside.h"
#include "worker/tunnel.h"
#include "worker/worker_state.h"

/* How often at most ways are looked at while changes pour in. */
#define LOOK_MS 10
/*
 * What a DHCP client takes away it often sets again at once, and a route that moves comes back. As long as the link itself
 * is well, a way that is gone or another counts only when it still is so much later.
 */
#define DOUBT_MS 50
#define ALONE_MS 500 /* where there is no other way that the session could take meanwhile */
#define MOVE_MS 2000 /* where the old way works, but is not what the kernel would choose */

struct candidates {
	struct worker *worker;
	const struct config *config;
	struct resolv *resolv;
	struct tunnel *device;
	int tunnel;    /* its index */
	uint32_t mark; /* of the outer sockets; 0: may not be set */
	bool may_mark;
	struct links *links;
	struct netlink *watch, *ask;
	struct hosts *names;
	uv_poll_t watch_poll;
	uv_timer_t resolve, look;
	struct path_candidate candidate[PROTO_PATHS_MAX];
	struct ip to[PROTO_PATHS_MAX * CANDIDATE_REMOTES_MAX]; /* whose ways matter */
	struct tunnel_way way[PROTO_PATHS_MAX * CANDIDATE_REMOTES_MAX + NAMESERVERS_MAX];
	uint64_t looked_ms;
	bool readdressed; /* an address came or went */
	bool changed;     /* something that may concern a way */
	uint64_t look_ms; /* when a way in doubt is to be looked at again */
};

/* --- a way each --- */

static uint64_t now_ms(const struct candidates *c)
{
	return uv_now(&c->worker->loop) + 1; /* never 0 */
}

static uint32_t mark_of(const struct candidates *c, const struct config_transport *t)
{
	if (!c->may_mark)
		return 0;
	return t->fwmark ? t->fwmark : c->mark;
}

static struct way_wish wish_of(const struct candidates *c, const struct path_candidate *p,
				  const struct remote *r)
{
	return (struct way_wish){
		.transport = &p->transport, .to = &r->at, .mark = mark_of(c, &p->transport), .tunnel = c->tunnel
	};
}

/* Is there another way by which a session could go on meanwhile: by another interface, or in the other family? */
static bool has_alternative(const struct candidates *c, const struct remote *r)
{
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++) {
		const struct path_candidate *p = &c->candidate[i];

		for (size_t k = 0; p->up && k < p->remotes; k++)
			if (p->remote[k].way.fault == FAULT_NONE && p->remote[k].doubt_ms == 0 &&
			    (p->remote[k].way.ifindex != r->way.ifindex ||
			     ip_is_v4(&p->remote[k].at.ip) != ip_is_v4(&r->at.ip)))
				return true;
	}
	return false;
}

/* How long the old way is kept to, when the kernel says something else. */
static uint64_t patience_ms(struct candidates *c, const struct path_candidate *p, const struct remote *r,
			    const struct way *now)
{
	const struct way_wish wish = wish_of(c, p, r);

	if (now->fault == FAULT_NONE && way_still_leads(c->ask, c->links, &wish, &r->way))
		return MOVE_MS;
	return now->fault == FAULT_NONE || has_alternative(c, r) ? DOUBT_MS : ALONE_MS;
}

/* Is what the kernel says now to be believed at once? */
static bool is_settled(struct candidates *c, const struct path_candidate *p, struct remote *r,
		       const struct way *now)
{
	const uint64_t since = r->doubt_ms, at = now_ms(c);
	uint64_t patience;

	r->doubt_ms = 0;
	if (r->way.fault != FAULT_NONE || !links_is_up(c->links, r->way.ifindex) ||
	    (now->fault == FAULT_NONE && !way_has_moved(c->links, &r->way, now)))
		return true;
	r->doubt_ms = since ? since : at;
	patience = patience_ms(c, p, r, now);
	if (at >= r->doubt_ms + patience) {
		r->doubt_ms = 0;
		return true;
	}
	if (r->doubt_ms + patience < c->look_ms)
		c->look_ms = r->doubt_ms + patience;
	return false;
}

/* An address of another interface is for those that have none of their own: it may well be another provider's. */
static void prefer_own(struct way *way, size_t n)
{
	bool own = false;

	for (size_t i = 0; i < n; i++)
		own |= way[i].fault == FAULT_NONE && !way[i].borrowed;
	for (size_t i = 0; own && i < n; i++)
		if (way[i].fault == FAULT_NONE && way[i].borrowed)
			way[i].fault = FAULT_NO_ADDRESS;
}

static void look_at(struct candidates *c, struct path_candidate *p)
{
	struct way now[CANDIDATE_REMOTES_MAX];

	for (size_t i = 0; i < p->remotes; i++) {
		const struct way_wish wish = wish_of(c, p, &p->remote[i]);

		way_find(c->ask, c->links, &wish, &now[i]);
	}
	if (p->transport.interface[0] && ip_is_zero(&p->transport.address))
		prefer_own(now, p->remotes);
	for (size_t i = 0; i < p->remotes; i++) {
		struct remote *r = &p->remote[i];

		if (!is_settled(c, p, r, &now[i]))
			continue;
		r->way = now[i];
		if (endpoint_equal(&r->at, &p->opened) &&
		    (r->way.fault != FAULT_NONE || way_has_moved(c->links, &p->opened_by, &r->way)))
			p->moved = true;
	}
}

/* --- what the engine is told --- */

static void each_candidate(struct candidates *c,
			   void (*tell)(struct path_candidate *, struct engine *, struct jv_time),
			   struct jv_time now)
{
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->candidate[i].exists)
			tell(&c->candidate[i], c->worker->engine, now);
}

static struct tunnel_way escape_way(const struct endpoint *to, const struct way *way)
{
	struct tunnel_way out = { .endpoint = *to };

	if (way->fault == FAULT_NONE && !way->local) {
		out.ifindex = way->ifindex;
		out.gateway = way->gateway;
		out.source = way->source;
	}
	return out;
}

/* To a name server: as the kernel has it, but for the tunnel. */
static struct way way_to_name_server(struct candidates *c, const struct endpoint *to)
{
	static const struct config_transport any;
	const struct way_wish wish = { .transport = &any, .to = to, .mark = mark_of(c, &any), .tunnel = c->tunnel };
	struct way way;

	way_find(c->ask, c->links, &wish, &way);
	return way;
}

/* The tunnel leaves these to the outer packets, and to the name servers that know where those go. */
static void tell_ways(struct candidates *c)
{
	const struct nameservers *ns = resolv_known(c->resolv);
	size_t n = 0;

	for (size_t i = 0; i < PROTO_PATHS_MAX; i++) {
		const struct path_candidate *p = &c->candidate[i];

		for (size_t k = 0; k < p->remotes; k++)
			c->way[n++] = escape_way(&p->remote[k].at, &p->remote[k].way);
	}
	for (size_t i = 0; i < ns->n; i++) {
		const struct way way = way_to_name_server(c, &ns->list[i]);

		c->way[n++] = escape_way(&ns->list[i], &way);
	}
	tunnel_escape(c->device, c->way, n);
}

/* First what is gone: a jump must not choose a path that the same event has killed. */
static void evaluate(struct candidates *c)
{
	const struct jv_time now = clock_now();

	c->changed = false;
	c->look_ms = UINT64_MAX;
	c->looked_ms = now_ms(c);
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (c->candidate[i].exists)
			look_at(c, &c->candidate[i]);
	each_candidate(c, candidate_tell_down, now);
	each_candidate(c, candidate_tell_up, now);
	each_candidate(c, candidate_tell_fault, now);
	links_settle(c->links);
	tell_ways(c);
	outside_flush(c->worker);
}

/* --- the list of them --- */

static void end(struct candidates *c, uint8_t number)
{
	struct path_candidate *p = &c->candidate[number];

	if (p->exists && p->up)
		engine_candidate_down(c->worker->engine, number, REASON_ADDRESS_CHANGED, clock_now());
	if (p->exists)
		engine_candidate_forgotten(c->worker->engine, number, clock_now());
	*p = (struct path_candidate){ .exists = false };
}

/* `left`: an address that is not on the list any more is one that we were told to leave. */
static void set(struct candidates *c, uint8_t number, uint8_t via, bool second, bool left)
{
	const struct config_transport *t = &c->config->transports[via];
	struct path_candidate *p = &c->candidate[number];
	struct endpoint list[CANDIDATE_REMOTES_MAX];
	const size_t n = hosts_remotes(c->names, t, second, list);

	if (!p->exists || !candidate_is_of(p, t) || p->c.via != via)
		end(c, number);
	p->exists = true;
	p->second = second;
	p->transport = *t;
	p->c.number = number;
	p->c.via = via;
	snprintf(p->c.name, sizeof(p->c.name), second ? "%.50s/2" : "%.63s", t->name);
	snprintf(p->c.interface, sizeof(p->c.interface), "%s", t->interface);
	candidate_remotes(p, list, n);
	if (left && p->up && !candidate_remote(p, &p->opened))
		p->moved = true;
}

static void concern(struct candidates *c)
{
	struct netlink_concern concern = { .to = c->to, .except = c->tunnel };

	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		for (size_t k = 0; k < c->candidate[i].remotes; k++)
			c->to[concern.n++] = c->candidate[i].remote[k].at.ip;
	netlink_concern(c->watch, &concern);
}

static void look_due(uv_timer_t *t);

/*
 * A candidate for each transport, which has all addresses on its list; and, as far as there are numbers left, a
 * second one to the other address family, so that it is warm when the first one dies. Numbers do not depend on
 * what could be looked up.
 */
static void list_candidates(struct candidates *c, bool left)
{
	const uint8_t n = (uint8_t)(c->config->ntransports < PROTO_PATHS_MAX ? c->config->ntransports
									     : PROTO_PATHS_MAX);

	for (uint8_t number = 0; number < PROTO_PATHS_MAX; number++) {
		if (number < n ||
		    (number < 2 * n && hosts_both_families(c->names, &c->config->transports[number - n])))
			set(c, number, number % n, number >= n, left);
		else
			end(c, number);
	}
	concern(c);
	evaluate(c);
	if (c->look_ms != UINT64_MAX)
		uv_timer_start(&c->look, look_due, c->look_ms > now_ms(c) ? c->look_ms - now_ms(c) : 1, 0);
}

static void look_due(uv_timer_t *t)
{
	list_candidates(t->data, false);
}

/* At once where all was quiet, and a little later while changes pour in. */
static void look_soon(struct candidates *c)
{
	const uint64_t now = now_ms(c);
	const uint64_t next = c->looked_ms + LOOK_MS;

	if (now >= next)
		list_candidates(c, false);
	else
		uv_timer_start(&c->look, look_due, next - now, 0);
}

static void names_changed(void *ctx)
{
	list_candidates(ctx, false);
}

static void resolve_due(uv_timer_t *t)
{
	struct candidates *c = t->data;

	hosts_resolve(c->names, true);
	list_candidates(c, false); /* what no event tells of */
}

/* --- what netlink tells --- */

static void link_event(void *ctx, const struct netlink_event *ev)
{
	struct candidates *c = ctx;

	links_event(c->links, ev);
	if (ev->kind != NETLINK_WAYS_CHANGED && ev->ifindex == c->tunnel)
		return;
	c->changed = true;
	c->readdressed |= ev->kind == NETLINK_ADDRESS_ADDED || ev->kind == NETLINK_ADDRESS_REMOVED;
}

static void look_again(struct candidates *c)
{
	links_clear(c->links);
	c->changed = true;
	if (netlink_dump(c->ask, link_event, c) < 0)
		log_warn("netlink: cannot list the links");
}

static void watch_readable(uv_poll_t *poll, int status, int events)
{
	struct candidates *c = container_of(poll, struct candidates, watch_poll);

	(void)events;
	/* libuv stops polling a socket with a pending error, and an overrun is one. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, watch_readable);
	if (netlink_read(c->watch, link_event, c) == -ENOBUFS)
		look_again(c);
	if (c->readdressed) {
		engine_net_again(c->worker->engine);
		hosts_network_changed(c->names);
	}
	c->readdressed = false;
	if (c->changed && c->resolv)
		resolv_network_changed(c->resolv);
	if (c->changed)
		look_soon(c);
}

/* A name server that is reached by the tunnel alone is asked through it. */
static int way_past_tunnel(void *ctx, const struct ip *to)
{
	const struct endpoint at = { .ip = *to };
	const struct way way = way_to_name_server(ctx, &at);

	return way.fault == FAULT_NONE && !way.local ? way.ifindex : 0;
}

/* --- questions --- */

const struct links *candidates_links(const struct candidates *c)
{
	return c->links;
}

bool candidates_lead_to(const struct candidates *c, const struct ip *ip)
{
	for (size_t i = 0; i < PROTO_PATHS_MAX; i++)
		for (size_t k = 0; k < c->candidate[i].remotes; k++)
			if (ip_equal(&c->candidate[i].remote[k].at.ip, ip))
				return true;
	return false;
}

const char *candidates_name(const struct candidates *c, uint8_t number)
{
	return c->candidate[number].c.name;
}

const struct way *candidates_way(const struct candidates *c, uint8_t number, const struct endpoint *remote)
{
	const struct path_candidate *p = &c->candidate[number];

	for (size_t i = 0; i < p->remotes; i++)
		if (endpoint_equal(&p->remote[i].at, remote))
			return &p->remote[i].way;
	return NULL;
}

const struct way *candidates_open(struct candidates *c, uint8_t number, const struct endpoint *remote,
				     struct udp_path *path)
{
	struct path_candidate *p = &c->candidate[number];
	const struct way *way = candidates_way(c, number, remote);

	if (!way)
		return NULL;
	p->opened = *remote;
	p->opened_by = *way;
	*path = (struct udp_path){ .interface =
					   p->transport.interface[0] && !way->borrowed ? way->interface : "",
				   .ifindex = way->ifindex,
				   .mark = mark_of(c, &p->transport),
				   .v4 = ip_is_v4(&remote->ip) };
	if (way->fixed)
		path->source = way->source;
	return way;
}

/* --- life --- */

int candidates_new(struct candidates **out, struct worker *w, struct tunnel *tunnel, struct resolv *resolv)
{
	struct candidates *c = calloc(1, sizeof(*c));
	struct hosts_io io = {
		.changed = names_changed, .device = way_past_tunnel, .resolv = resolv, .ctx = c
	};
	int rc;

	if (!c)
		return -ENOMEM;
	c->worker = w;
	c->config = w->config;
	c->device = tunnel;
	c->tunnel = tunnel_index(tunnel);
	c->resolv = resolv;
	c->mark = tunnel_mark(w->tunnel);
	io.mark = c->mark;
	errno = ENOMEM;
	c->names = hosts_new(&w->loop, &io);
	if (c->names)
		hosts_configure(c->names, c->config);
	c->links = c->names ? links_new() : NULL;
	c->watch = c->links ? netlink_watch() : NULL;
	c->ask = c->watch ? netlink_open() : NULL;
	if (c->ask) {
		*out = c;
		return 0;
	}
	rc = -errno;
	candidates_free(c);
	return rc;
}

void candidates_start(struct candidates *c)
{
	uv_loop_t *loop = &c->worker->loop;

	c->may_mark = udp_can_mark();
	if (!c->may_mark)
		log_warn(
			"outer packets cannot be marked (no CAP_NET_ADMIN): rules that go by their mark do not see them");
	uv_poll_init(loop, &c->watch_poll, netlink_fd(c->watch));
	uv_poll_start(&c->watch_poll, UV_READABLE, watch_readable);
	uv_timer_init(loop, &c->look);
	c->look.data = c;
	uv_timer_init(loop, &c->resolve);
	c->resolve.data = c;
	uv_timer_start(&c->resolve, resolve_due, PROTO_RESOLVE_MS, PROTO_RESOLVE_MS);
	look_again(c);
	list_candidates(c, false);
	hosts_resolve(c->names, false);
}

void candidates_configure(struct candidates *c, const struct config *config)
{
	c->config = config;
	hosts_configure(c->names, config);
	list_candidates(c, true);
	hosts_resolve(c->names, false);
}

char *candidates_unresolved(const struct candidates *c)
{
	return hosts_failed(c->names);
}

void candidates_resolve(struct candidates *c)
{
	hosts_resolve(c->names, false);
}

void candidates_stop(struct candidates *c)
{
	hosts_stop(c->names);
	c->resolv = NULL;
}

void candidates_free(struct candidates *c)
{
	if (!c)
		return;
	if (c->watch)
		netlink_close(c->watch);
	if (c->ask)
		netlink_close(c->ask);
	links_free(c->links);
	hosts_free(c->names);
	free(c);
}
