/* What engines ask for: the network between them, jobs, tunnel devices. */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/job.h"
#include "sim/impl.h"

#include <stdlib.h>
#include <string.h>

#include "proto/carry.h"
#include "proto/packet.h"

#define MAGIC 0x4a56544du
#define INNER_LEAST 48

/* --- addresses --- */

/*
 * The server: 192.0.2.1 and 2001:db8::1. A path of a client: 198.18.(client, path).(which address), or
 * 2001:db8:1::(client, path):(which). Strangers: 203.0.113.n.
 */
struct endpoint server_endpoint(bool v6)
{
	static const struct ip six = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };

	return (struct endpoint){ v6 ? six : ip_from_v4((const uint8_t[]){ 192, 0, 2, 1 }), .port = 4433 };
}

struct endpoint client_endpoint(const struct sim *sim, unsigned int client, const struct sim_socket *s)
{
	const struct sim_path *p = &sim->client[client].path[s->path];
	const uint8_t place = (uint8_t)(client * 16 + s->path);
	struct endpoint e = { .port = s->port };

	if (p->setup.v6)
		e.ip = (struct ip){ { 0x20, 0x01, 0x0d, 0xb8, 0, 1, [13] = place, [15] = p->address } };
	else
		e.ip = ip_from_v4((const uint8_t[]){ 198, 18, place, p->address });
	return e;
}

static bool is_stranger(const struct endpoint *e)
{
	return ip_is_v4(&e->ip) && e->ip.b[12] == 203;
}

struct route stranger_route(unsigned int number)
{
	const struct endpoint server = server_endpoint(false);

	return (struct route){
		.remote = { ip_from_v4((const uint8_t[]){ 203, 0, 113, (uint8_t)(number % STRANGERS) }),
			    .port = (uint16_t)(5000 + number % 7) },
		.local = server.ip
	};
}

static bool place_of(const struct sim *sim, const struct endpoint *e, unsigned int *client,
		     unsigned int *path)
{
	const uint8_t place = ip_is_v4(&e->ip) ? e->ip.b[14] : e->ip.b[13];

	*client = place / 16;
	*path = place % 16;
	return !is_stranger(e) && *client < sim->setup.clients && *path < sim->setup.paths;
}

struct sim_socket *socket_by_id(struct sim_client *c, uint32_t id)
{
	for (unsigned int i = 0; i < c->sockets; i++)
		if (c->socket[i].id == id)
			return &c->socket[i];
	return NULL;
}

static struct sim_socket *socket_at(struct sim *sim, unsigned int client, const struct endpoint *to)
{
	struct sim_client *c = &sim->client[client];

	for (unsigned int i = 0; i < c->sockets; i++) {
		const struct endpoint e = client_endpoint(sim, client, &c->socket[i]);

		if (endpoint_equal(&e, to))
			return &c->socket[i];
	}
	return NULL;
}

void path_new_address(struct sim *sim, unsigned int client, unsigned int path)
{
	struct sim_path *p = &sim->client[client].path[path];

	p->address++;
	p->good_since = TIME_NEVER;
}

/* --- the network --- */

static struct parcel *parcel_new(struct sim *sim)
{
	struct parcel *p = sim->free_parcels;

	if (p)
		sim->free_parcels = p->next;
	else
		p = must(malloc(sizeof(*p)));
	return p;
}

void parcel_free(struct sim *sim, struct parcel *p)
{
	p->next = sim->free_parcels;
	sim->free_parcels = p;
}

static void launch(struct sim_engine *se, const struct parcel *like, const uint8_t *data)
{
	struct sim *sim = se->sim;
	struct sim_path *path = &sim->client[like->client].path[like->path];
	struct link *link = &path->link[like->way];
	struct jv_time at[LINK_COPIES_MAX * (1 + LINK_RULES)];
	struct link_fate fate;
	unsigned int n = 0;

	if (!actor_meets(se, link, data, like->len, &fate))
		return;
	for (unsigned int i = 0; i < fate.copies; i++)
		n += link_send(link, like->len, sim->now, at + n);
	for (unsigned int i = 0; i < n; i++) {
		struct event_item item = { .kind = EV_DATAGRAM, .parcel = parcel_new(sim) };

		memcpy(item.parcel, like, offsetof(struct parcel, data));
		memcpy(item.parcel->data, data, like->len);
		item.parcel->ecn = fate.ce ? ECN_CE : ECN_NOT_ECT;
		at[i] = time_add_us(at[i], fate.delay_us);
		if (path->hold_ppm && prng_below(&sim->rng, 1000000) < path->hold_ppm)
			at[i] = time_add_ms(at[i], prng_below(&sim->rng, path->hold_ms + 1ull));
		sim_push(sim, at[i], item);
	}
}

/* The NAT box sees a packet leave: a mapping that was idle for too long is gone, and this makes another. */
static void mapping_used(struct sim *sim, struct sim_path *p, struct sim_socket *s)
{
	if (p->setup.nat && p->setup.nat_idle_ms > 0 &&
	    time_since_ms(sim->now, s->used) > p->setup.nat_idle_ms) {
		s->port = p->next_port++;
		s->swallows[SIM_UP] = s->swallows[SIM_DOWN] = false;
	}
	s->used = sim->now;
}

static void client_sends(struct sim_engine *se, const struct route *to, const uint8_t *data, size_t len,
			 unsigned int how)
{
	struct sim *sim = se->sim;
	struct sim_client *c = &sim->client[client_index(se)];
	struct sim_socket *s = socket_by_id(c, to->socket);
	struct parcel like = { .way = SIM_UP, .client = client_index(se), .to = to->remote, .len = len };
	struct endpoint server;

	if (!s) {
		sim_violate(sim, "sockets", "client%u sends by socket %u, which is not open", like.client,
			    to->socket);
		return;
	}
	check_sent(se, s, data, len, how);
	like.path = s->path;
	server = server_endpoint(c->path[s->path].setup.v6);
	if (!c->path[s->path].up || !endpoint_equal(&server, &to->remote))
		return;
	mapping_used(sim, &c->path[s->path], s);
	like.from = client_endpoint(sim, like.client, s);
	if (!s->swallows[SIM_UP])
		launch(se, &like, data);
}

static void server_sends(struct sim_engine *se, const struct route *to, const uint8_t *data, size_t len,
			 unsigned int how)
{
	struct sim *sim = se->sim;
	struct parcel like = { .way = SIM_DOWN, .to = to->remote, .len = len };

	check_sent(se, NULL, data, len, how);
	if (is_stranger(&to->remote)) {
		const unsigned int n = to->remote.ip.b[15];

		sim->stranger[n].sent += len;
		if (sim->stranger[n].sent > PROTO_AMPLIFICATION * sim->stranger[n].got)
			sim_violate(sim, "3x", "%llu bytes to a stranger who sent %llu",
				    (unsigned long long)sim->stranger[n].sent,
				    (unsigned long long)sim->stranger[n].got);
		return;
	}
	if (!place_of(sim, &to->remote, &like.client, &like.path)) {
		sim_violate(sim, "address", "the server sends to an address that nobody has");
		return;
	}
	launch(se, &like, data);
}

static void io_send(void *ctx, const struct route *to, const uint8_t *data, size_t len, unsigned int how)
{
	struct sim_engine *se = ctx;
	const bool was = mem_counting(false);

	digest_number(se->sim, (uint64_t)how << 32 | se->index);
	digest_bytes(se->sim, to->remote.ip.b, sizeof(to->remote.ip.b));
	digest_number(se->sim, (uint64_t)to->socket << 32 | to->remote.port);
	digest_bytes(se->sim, data, len);
	trace_sent(se, to, data, len);
	se->sim->attacked.sends += len > 0 && data[0] != PACKET_RESET && data[0] != PACKET_COOKIE;
	if (len > SIM_DATAGRAM_MAX)
		sim_violate(se->sim, "size", "a datagram of %zu bytes", len);
	else if (is_client(se))
		client_sends(se, to, data, len, how);
	else
		server_sends(se, to, data, len, how);
	mem_counting(was);
}

/* True: it was accepted. */
bool deliver_datagram(struct sim *sim, struct sim_engine *se, const struct route *from, uint8_t ecn,
		      const uint8_t *data, size_t len)
{
	const struct counters *c = engine_counters(se->e);
	const uint64_t before = c->n[COUNT_RX_PACKETS] + c->n[COUNT_RX_CONTROL] + c->n[COUNT_DROP_BAD_FRAME] +
				c->n[COUNT_DROP_BAD_SOURCE] + c->n[COUNT_DROP_BAD_INNER];
	static uint8_t copy[SIM_DATAGRAM_MAX];

	memcpy(copy, data, len);
	if (is_stranger(&from->remote))
		sim->stranger[from->remote.ip.b[15]].got += len;
	WITH_ENGINE(se, engine_datagram(se->e, from, ecn, copy, len, engine_clock(se)));
	return c->n[COUNT_RX_PACKETS] + c->n[COUNT_RX_CONTROL] + c->n[COUNT_DROP_BAD_FRAME] +
		       c->n[COUNT_DROP_BAD_SOURCE] + c->n[COUNT_DROP_BAD_INNER] !=
	       before;
}

static void remember(struct sim *sim, const struct parcel *p, const struct route *route, bool taken)
{
	struct sim_client *c = &sim->client[p->client];
	struct relic *r = &c->relic[p->way][c->relics[p->way]++ % RELICS];

	r->len = p->len;
	r->route = *route;
	r->taken = taken;
	memcpy(r->data, p->data, p->len);
	if (p->data[0] == PACKET_HELLO)
		memcpy(&c->hello, r, offsetof(struct relic, data) + r->len);
}

/* What comes for a socket that was closed meanwhile, by a mapping that is gone, or for a sleeper is lost. */
void parcel_arrives(struct sim *sim, struct parcel *p)
{
	struct sim_client *c = &sim->client[p->client];
	struct route route = { .remote = p->way == SIM_UP ? p->from
							  : server_endpoint(c->path[p->path].setup.v6) };
	struct sim_engine *se = &sim->engine[SIM_WORKERS + p->client];

	if (p->way == SIM_UP) {
		route.local = server_endpoint(c->path[p->path].setup.v6).ip;
		if (end_is_awake(sim, SIM_SERVER))
			se = worker_for(sim, &route, p->data, p->len);
		else
			se = NULL;
	} else {
		const struct sim_socket *s = socket_at(sim, p->client, &p->to);

		if (!s || s->swallows[SIM_DOWN] || !c->path[p->path].up || !end_is_awake(sim, p->client))
			se = NULL;
		else
			route.socket = s->id;
	}
	if (se)
		remember(sim, p, &route, deliver_datagram(sim, se, &route, p->ecn, p->data, p->len));
	parcel_free(sim, p);
}

/* --- inner traffic --- */

static const struct ip inner_server = { { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 8, [15] = 1 } };

static size_t numbered(uint8_t *out, unsigned int client, enum sim_way way, uint32_t seq, size_t len)
{
	const struct ip peer = ip_from_v4((const uint8_t[]){ 10, 8, 0, (uint8_t)(client + 2) });
	uint32_t words[4] = { MAGIC, client << 1 | way, seq, (uint32_t)len };
	struct prng fill = { seq };

	make_packet(out, len, way == SIM_UP ? &peer : &inner_server, way == SIM_UP ? &inner_server : &peer);
	memcpy(out + 28, words, sizeof(words));
	if (len > INNER_LEAST)
		memset(out + INNER_LEAST, (int)prng_next(&fill), len - INNER_LEAST);
	return len;
}

void sim_traffic(struct sim *sim, unsigned int client, enum sim_way way, int64_t interval_us, size_t len)
{
	struct flow *f = &sim->client[client].flow[way];
	struct event_item item = { .kind = EV_TRAFFIC };

	if (len < INNER_LEAST || len > 1420)
		abort();
	f->interval_us = interval_us;
	f->len = len;
	f->told.gap_us = 0;
	f->told.last_got = sim->now;
	item.traffic.client = client;
	item.traffic.way = way;
	item.traffic.serial = ++f->serial;
	if (interval_us > 0)
		sim_push(sim, time_add_us(sim->now, interval_us), item);
	else
		f->waits_since = TIME_NEVER;
}

const struct sim_flow *sim_flow(const struct sim *sim, unsigned int client, enum sim_way way)
{
	return &sim->client[client].flow[way].told;
}

static struct sim_engine *inner_entry(struct sim *sim, unsigned int client, enum sim_way way, uint8_t *packet,
				      size_t len)
{
	if (way == SIM_UP)
		return &sim->engine[SIM_WORKERS + client];
	return &sim->engine[engine_inner_home(sim->engine[0].e, packet, len)];
}

void traffic_goes(struct sim *sim, const struct event_item *ev)
{
	struct flow *f = &sim->client[ev->traffic.client].flow[ev->traffic.way];
	uint8_t packet[1500];
	struct sim_engine *se;

	if (ev->traffic.serial != f->serial)
		return;
	sim_push(sim, time_add_us(sim->now, f->interval_us), *ev);
	if (!end_is_awake(sim, ev->traffic.way == SIM_UP ? ev->traffic.client : SIM_SERVER))
		return;
	if (f->told.sent == f->cap) {
		f->packet = must(realloc(f->packet, (f->cap + 8192) * sizeof(*f->packet)));
		memset(f->packet + f->cap, 0, 8192 * sizeof(*f->packet));
		f->cap += 8192;
	}
	f->waits_since = time_min(f->waits_since, sim->now);
	data_offered(sim, ev->traffic.client, ev->traffic.way);
	numbered(packet, ev->traffic.client, ev->traffic.way, f->told.sent++, f->len);
	se = inner_entry(sim, ev->traffic.client, ev->traffic.way, packet, f->len);
	WITH_ENGINE(se, engine_inner(se->e, packet, f->len, engine_clock(se)));
}

static void arrived(struct sim *sim, unsigned int client, enum sim_way way, uint32_t seq)
{
	struct flow *f = &sim->client[client].flow[way];
	const int64_t gap = time_diff_us(sim->now, f->told.last_got);

	if (seq >= f->told.sent) {
		sim_violate(sim, "inner", "packet %u arrives, but %u were sent", seq, f->told.sent);
		return;
	}
	if (f->packet[seq].seen) {
		sim_violate(sim, "duplicate", "inner packet %u of client%u %s arrives twice", seq, client,
			    way == SIM_UP ? "up" : "down");
		return;
	}
	f->packet[seq].seen = true;
	data_arrived(sim, client, way, seq);
	if (gap > f->told.gap_us) {
		f->told.gap_us = gap;
		f->told.gap_at = f->told.last_got;
	}
	if (seq + 1 > f->highest)
		f->highest = seq + 1;
	f->told.got++;
	f->told.lost = f->highest - f->told.got;
	f->told.last_got = sim->now;
	f->waits_since = TIME_NEVER;
	if (sim->setup.hooks.inner)
		sim->setup.hooks.inner(sim->setup.hooks.ctx, client, way, seq);
}

static void delivered(struct sim_engine *se, const uint8_t *packet, size_t len)
{
	struct sim *sim = se->sim;
	uint32_t words[4] = { 0 };
	uint8_t like[1500];
	unsigned int client;
	enum sim_way way;
	size_t from;

	if (len >= 20 && packet[9] == 1)
		return; /* an ICMP error of the engine's */
	if (len >= INNER_LEAST && len <= 1420)
		memcpy(words, packet + 28, sizeof(words));
	if (len > 20 && (packet[6] & 0x1f || packet[7]))
		return; /* a fragment that is not the first */
	client = words[1] >> 1;
	way = words[1] & 1;
	from = packet[6] & 0x20 ? 20 : 0; /* a first fragment: all but its header is as it was */
	if (words[0] != MAGIC || (from ? words[3] <= len || words[3] > 1420 : words[3] != len) ||
	    client >= sim->setup.clients ||
	    numbered(like, client, way, words[2], words[3]) != words[3] ||
	    memcmp(packet + from, like + from, len - from) != 0)
		sim_violate(sim, "inner", "a packet of %zu bytes that nobody sent comes out", len);
	else if (way == SIM_UP ? is_client(se) : se->index != SIM_WORKERS + client)
		sim_violate(sim, "inner", "a packet of client%u comes out elsewhere", client);
	else
		arrived(sim, client, way, words[2]);
}

static void io_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	struct sim_engine *se = ctx;
	const bool was = mem_counting(false);

	digest_number(se->sim, se->index);
	digest_bytes(se->sim, packet, len);
	se->sim->attacked.delivers++;
	delivered(se, packet, len);
	mem_counting(was);
}

/* --- jobs --- */

static void job_takes(struct sim *sim, unsigned int engine, struct job *j, bool run, int64_t us)
{
	struct event_item item = { .kind = EV_JOB };

	item.job.job = j;
	item.job.engine = engine;
	item.job.run = run;
	sim_push(sim, time_add_us(sim->now, us), item);
}

/* A sleeping process takes its result back when it wakes. */
void job_finishes(struct sim *sim, const struct event_item *ev)
{
	struct sim_engine *se = &sim->engine[ev->job.engine];

	if (!ev->job.job)
		return;
	if (!end_is_awake(sim, se->end)) {
		sim_push(sim, sim->end[se->end].asleep_until, *ev);
		return;
	}
	if (ev->job.run)
		job_run(ev->job.job);
	WITH_ENGINE(se, engine_job_done(se->e, ev->job.job, engine_clock(se)));
}

static void io_job(void *ctx, struct job *j)
{
	struct sim_engine *se = ctx;
	const bool was = mem_counting(false);
	const uint32_t us = se->sim->setup.job_us;

	job_takes(se->sim, se->index, j, true, us / 2 + (int64_t)prng_below(&se->sim->rng, us * 3 / 2 + 1));
	mem_counting(was);
}

static void io_forward(void *ctx, uint32_t worker, struct job *j)
{
	struct sim_engine *se = ctx;
	const bool was = mem_counting(false);

	if (worker >= se->sim->setup.workers || worker == se->index)
		sim_violate(se->sim, "forward", "worker %u forwards to %u", se->index, worker);
	else
		job_takes(se->sim, worker, j, false, 0);
	mem_counting(was);
}

/* --- the rest --- */

static void io_audit(void *ctx, const struct audit_record *r)
{
	const bool was = mem_counting(false);

	check_record(ctx, r);
	mem_counting(was);
}

static void io_random(void *ctx, void *out, size_t len)
{
	prng_fill(&((struct sim_engine *)ctx)->rng, out, len);
}

static void io_jump_done(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms)
{
	struct sim_engine *se = ctx;
	const struct sim_hooks *h = &se->sim->setup.hooks;
	const bool was = mem_counting(false);

	digest_number(se->sim, token << 8 | why);
	sim_trace(se->sim, se->end, "jump %llu: %s", (unsigned long long)token, reason_name(why));
	if (h->jump_done)
		h->jump_done(h->ctx, se->end, token, why, retry_after_ms);
	mem_counting(was);
}

/* A locator that was never used is at hand: the slot being opened has its number already. */
static bool has_fresh_locator(const struct engine *e)
{
	const struct session *s = e->client->session;

	for (uint8_t i = 0; s && i < s->slots; i++)
		if (session_issued(s, i) && s->slot[i].path->state != PATH_SPENT && s->slot[i].path->number == PATH_NONE)
			return true;
	return false;
}

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number, const struct endpoint *remote)
{
	struct sim_engine *se = ctx;
	struct sim *sim = se->sim;
	struct sim_client *c = &sim->client[client_index(se)];
	struct sim_socket *s = &c->socket[c->sockets];

	digest_number(sim, (uint64_t)socket << 8 | number);
	digest_bytes(sim, remote->ip.b, sizeof(remote->ip.b));
	if (number >= sim->setup.paths || socket_by_id(c, socket) || c->sockets == SOCKETS_MAX) {
		sim_violate(sim, "sockets", "socket %u for path %u is opened beside %u others", socket,
			    number, c->sockets);
		return false;
	}
	c->sockets++;
	memset(s, 0, sizeof(*s));
	s->id = socket;
	s->uid = ++sim->next_uid;
	s->path = number;
	s->port = c->path[number].next_port++;
	s->used = sim->now;
	s->had_fresh = has_fresh_locator(se->e);
	return true;
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct sim_engine *se = ctx;
	struct sim_client *c = &se->sim->client[client_index(se)];
	struct sim_socket *s = socket_by_id(c, socket);

	digest_number(se->sim, socket);
	if (s)
		*s = c->socket[--c->sockets];
	else
		sim_violate(se->sim, "sockets", "socket %u is closed, but was not open", socket);
}

/* The resolver answers what it answered before. */
static void io_resolve(void *ctx, uint8_t number)
{
	struct sim_engine *se = ctx;
	struct event_item ev = { .kind = EV_LINK };
	const bool was = mem_counting(false);

	ev.link.client = client_index(se);
	ev.link.path = number;
	ev.link.news = LINK_RESOLVED;
	sim_push(se->sim, time_add_ms(se->sim->now, 20), ev);
	mem_counting(was);
}

static void io_unanswered(void *ctx)
{
	(void)ctx;
}

static void io_net_setup(void *ctx, const struct net_setup *n)
{
	struct sim_engine *se = ctx;

	digest_number(se->sim, (uint64_t)n->mtu << 32 | n->count);
	if (n->mtu != 1420 || n->count != 3)
		sim_violate(se->sim, "net", "a tunnel of MTU %u with %zu items", n->mtu, n->count);
}

const struct engine_io sim_io = {
	.send = io_send,
	.deliver = io_deliver,
	.audit = io_audit,
	.job = io_job,
	.forward = io_forward,
	.random = io_random,
	.jump_done = io_jump_done,
	.path_open = io_path_open,
	.path_close = io_path_close,
	.resolve = io_resolve,
	.net_setup = io_net_setup,
	.unanswered = io_unanswered,
};
