#include "world.h"

#include "proto/packet.h"

#define ROUNDS_MAX 2000     /* events at one moment: more is a loop that does not end */
#define MAGIC 0x4a56544cu

enum packet_kind { KIND_UP, KIND_DOWN, KIND_ECHO };

/* The world's few peers need no index. */
ptrdiff_t config_find_peer(const struct config *c, const uint8_t public_key[32])
{
	for (size_t i = 0; i < c->npeers; i++)
		if (memcmp(c->peers[i].public_key, public_key, 32) == 0)
			return (ptrdiff_t)i;
	return -1;
}

static void *grow(void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	*cap = *cap ? *cap * 2 : 64;
	list = realloc(list, *cap * size);
	assert_non_null(list);
	return list;
}

static bool is_client(const struct world_engine *we)
{
	return we->index >= WORLD_WORKERS;
}

static struct world_client *client_of(const struct world_engine *we)
{
	return &we->w->client[we->index - WORLD_WORKERS];
}

/* --- addresses --- */

static struct ip server_ip(void)
{
	return ip_from_v4((const uint8_t[]){ 192, 0, 2, 1 });
}

static struct route route_up(const struct world *w, unsigned int client, uint32_t socket)
{
	const uint8_t path = w->client[client].socket[socket].path;
	const uint16_t nat = w->client[client].link[path].nat;
	struct route r = { .local = server_ip() };

	r.remote.ip = ip_from_v4((const uint8_t[]){ 198, 51, (uint8_t)(100 + client), path });
	r.remote.port = (uint16_t)(1000 + socket + 10000 * nat);
	return r;
}

/* Which client's socket the address leads to, or false. */
static bool socket_at(const struct world *w, const struct endpoint *to, unsigned int *client, uint8_t *path, uint32_t *socket)
{
	if (to->ip.b[12] != 198 || to->ip.b[14] < 100)
		return false;
	*client = to->ip.b[14] - 100u;
	*path = to->ip.b[15];
	if (*client >= w->clients || *path >= WORLD_PATHS || to->port < 1000)
		return false;
	*socket = (to->port - 1000u) % 10000;
	return (to->port - 1000u) / 10000 == w->client[*client].link[*path].nat &&
	       *socket < w->client[*client].sockets && w->client[*client].socket[*socket].open;
}

struct route world_stranger(unsigned int number)
{
	struct route r = { .local = server_ip() };

	r.remote.ip = ip_from_v4((const uint8_t[]){ 203, 0, (uint8_t)(number >> 8), (uint8_t)number });
	r.remote.port = 5000;
	return r;
}

/* --- datagrams --- */

static struct datagram *datagram_add(struct datagrams *l)
{
	l->list = grow(l->list, l->n, &l->cap, sizeof(*l->list));
	memset(&l->list[l->n], 0, offsetof(struct datagram, data));
	return &l->list[l->n++];
}

/* What an authentic CONTROL packet holds, read with the receiver's keys; nothing is changed. */
static unsigned int frames_of(struct engine *e, const uint8_t *data, size_t len, struct jv_time now)
{
	struct path *p = len >= PROTO_OVERHEAD && data[0] == PACKET_CONTROL ?
		session_find_path(e, data + offsetof(struct packet_header, locator)) : NULL;
	uint8_t copy[WORLD_DATAGRAM_MAX];
	unsigned int types = 0;
	struct packet_id id;
	struct epoch *ep;
	struct reader r;
	struct frame f;

	if (!p)
		return 0;
	id = packet_unmask(data, keycache_mask(e->cache, p->session->keys.rx_mask_cache, p->session->keys.suite,
					       p->session->keys.rx_mask));
	ep = keys_find(&p->session->keys, id.epoch, now);
	memcpy(copy, data, len);
	if (!ep || !packet_open(copy, len, &id, keycache_aead(e->cache, ep->rx_cache, p->session->keys.suite, ep->rx_key),
				ep->rx_iv))
		return 0;
	r = reader_init(copy + PROTO_HEADER_LEN, len - PROTO_OVERHEAD);
	while (frame_next(&r, &f))
		types |= FRAME_BIT(f.type);
	return types;
}

static unsigned int worker_of(struct world *w, const uint8_t *data, size_t len)
{
	if (len > 0 && data[0] == PACKET_HELLO)
		return w->hello_worker;
	return engine_datagram_home(w->engine[0].e, data, len);
}

static struct engine *receiver(struct world *w, const struct datagram *d)
{
	return d->up ? w->engine[worker_of(w, d->data, d->len)].e : w->engine[WORLD_WORKERS + d->client].e;
}

static bool is_lost(struct world *w, const struct datagram *d)
{
	const struct world_link *l = &w->client[d->client].link[d->path];

	if (w->swallow && w->swallow(w, d)) {
		w->swallowed++;
		return true;
	}
	if (d->up ? l->cut_up : l->cut_down)
		return true;
	return prng_below(&w->rng, 1000000) < l->loss_ppm;
}

static void launch(struct world *w, const struct datagram *d)
{
	struct datagram *out;

	if (w->recording == RECORD_SENT)
		*datagram_add(&w->record) = *d;
	if (is_lost(w, d))
		return;
	out = datagram_add(&w->flight);
	*out = *d;
	out->at = time_add_us(w->now, w->client[d->client].link[d->path].delay_us);
	out->order = w->order++;
}

/* A locator is for one path: the same one from two sockets would link them. */
static void note_locator(struct world *w, unsigned int client, uint32_t socket, const uint8_t *data, size_t len)
{
	const uint8_t *locator = data + offsetof(struct packet_header, locator);

	if (len < PROTO_OVERHEAD || (data[0] != PACKET_DATA && data[0] != PACKET_CONTROL))
		return;
	for (size_t i = 0; i < w->seens; i++) {
		if (memcmp(w->seen[i].locator, locator, 8) != 0)
			continue;
		w->locators_reused += w->seen[i].socket != socket || w->seen[i].client != client;
		return;
	}
	w->seen = grow(w->seen, w->seens, &w->seens_cap, sizeof(*w->seen));
	memcpy(w->seen[w->seens].locator, locator, 8);
	w->seen[w->seens].client = client;
	w->seen[w->seens++].socket = socket;
}

static void client_sends(struct world_engine *we, const struct route *to, const uint8_t *data, size_t len)
{
	struct world_client *c = client_of(we);
	struct world *w = we->w;
	static struct datagram d;

	assert_true(to->socket < c->sockets && c->socket[to->socket].open);
	memset(&d, 0, offsetof(struct datagram, data));
	d.up = true;
	d.client = we->index - WORLD_WORKERS;
	d.path = c->socket[to->socket].path;
	d.route = route_up(w, d.client, to->socket);
	d.len = len;
	memcpy(d.data, data, len);
	if (w->swallow || w->recording)
		d.frames = frames_of(receiver(w, &d), data, len, w->now);
	note_locator(w, d.client, to->socket, data, len);
	launch(w, &d);
}

static void server_sends(struct world_engine *we, const struct route *to, const uint8_t *data, size_t len)
{
	struct world *w = we->w;
	static struct datagram d;
	uint32_t socket;

	memset(&d, 0, offsetof(struct datagram, data));
	if (!socket_at(w, &to->remote, &d.client, &d.path, &socket)) {
		w->stranger_bytes += len;
		w->stranger_datagrams++;
		w->stranger_type = data[0];
		return;
	}
	d.route.socket = socket;
	d.route.remote.ip = server_ip();
	d.route.remote.port = 4433;
	d.len = len;
	memcpy(d.data, data, len);
	if (w->swallow || w->recording)
		d.frames = frames_of(receiver(w, &d), data, len, w->now);
	launch(w, &d);
}

/* What comes for a socket that was closed meanwhile, or by a mapping that is gone, arrives nowhere. */
static void arrive(struct world *w, struct datagram *d)
{
	if (!d->up && !w->client[d->client].socket[d->route.socket].open)
		return;
	if (w->recording == RECORD_ARRIVED)
		*datagram_add(&w->record) = *d;
	engine_datagram(receiver(w, d), &d->route, d->data, d->len, w->now);
}

void world_inject_up(struct world *w, const struct route *from, const void *data, size_t len)
{
	static struct datagram d;

	memset(&d, 0, offsetof(struct datagram, data));
	d.up = true;
	d.route = *from;
	d.len = len;
	memcpy(d.data, data, len);
	engine_datagram(receiver(w, &d), &d.route, d.data, len, w->now);
}

void world_inject_down(struct world *w, unsigned int client, const struct route *from, const void *data, size_t len)
{
	static struct datagram d;

	memset(&d, 0, offsetof(struct datagram, data));
	d.client = client;
	d.route = *from;
	d.len = len;
	memcpy(d.data, data, len);
	engine_datagram(receiver(w, &d), &d.route, d.data, len, w->now);
}

static bool swallow_some(struct world *w, const struct datagram *d)
{
	if (d->up != w->swallow_up || w->swallow_left == 0 || !(d->frames & w->swallow_frames))
		return false;
	w->swallow_left--;
	return true;
}

void world_swallow_frame(struct world *w, bool up, unsigned int frames, uint32_t n)
{
	w->swallow = swallow_some;
	w->swallow_up = up;
	w->swallow_frames = frames;
	w->swallow_left = n;
	w->swallowed = 0;
}

static bool swallow_type(struct world *w, const struct datagram *d)
{
	if (d->up != w->swallow_up || w->swallow_left == 0 || d->data[0] != w->swallow_frames)
		return false;
	w->swallow_left--;
	return true;
}

void world_swallow_type(struct world *w, bool up, enum packet_type type, uint32_t n)
{
	world_swallow_frame(w, up, type, n);
	w->swallow = swallow_type;
}

/* --- inner packets --- */

size_t world_packet(uint8_t *out, size_t len, const char *src, const char *dst)
{
	struct ip from, to;

	assert_true(ip_parse(src, &from) && ip_parse(dst, &to));
	memset(out, 0, len);
	out[0] = 0x45;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	out[8] = 64;
	out[9] = 17;
	memcpy(out + 12, from.b + 12, 4);
	memcpy(out + 16, to.b + 12, 4);
	return len;
}

void world_inner(struct world *w, unsigned int engine, const uint8_t *packet, size_t len)
{
	uint8_t buf[PROTO_HEADER_LEN + 2000 + PROTO_TAG_LEN];
	unsigned int home = engine;

	memcpy(buf + PROTO_HEADER_LEN, packet, len);
	if (engine < WORLD_WORKERS)
		home = engine_inner_home(w->engine[engine].e, buf + PROTO_HEADER_LEN, len);
	engine_inner(w->engine[home].e, buf + PROTO_HEADER_LEN, len, w->now);
}

static void numbered(struct world *w, unsigned int engine, enum packet_kind kind, unsigned int client, uint32_t seq)
{
	uint8_t packet[100];
	char peer[32];

	snprintf(peer, sizeof(peer), "10.8.0.%u", client + 2);
	world_packet(packet, sizeof(packet), engine < WORLD_WORKERS ? "10.8.0.1" : peer,
		     engine < WORLD_WORKERS ? peer : "10.8.0.1");
	memcpy(packet + 28, &(uint32_t){ MAGIC }, 4);
	packet[32] = (uint8_t)kind;
	packet[33] = (uint8_t)client;
	memcpy(packet + 36, &seq, 4);
	world_inner(w, engine, packet, sizeof(packet));
}

void world_traffic(struct world *w, struct traffic *t, int64_t interval_us, bool echo)
{
	t->interval_us = interval_us;
	t->echo = echo;
	t->next = time_add_us(w->now, interval_us);
	t->last_got = w->now;
	t->gap_us = 0;
}

static void mark(struct world *w, struct traffic *t, uint32_t seq)
{
	const int64_t gap = time_diff_us(w->now, t->last_got);

	assert_true(seq < t->sent && seq < t->cap);
	t->twice += t->seen[seq];
	t->got += !t->seen[seq];
	t->seen[seq] = 1;
	t->last_got = w->now;
	if (gap > t->gap_us)
		t->gap_us = gap;
}

static void traffic_send(struct world *w, struct traffic *t, unsigned int engine, enum packet_kind kind, unsigned int client)
{
	if (t->interval_us == 0 || time_before(w->now, t->next))
		return;
	t->next = time_add_us(t->next, t->interval_us);
	if (t->sent == t->cap) {
		t->seen = realloc(t->seen, t->cap + 4096);
		assert_non_null(t->seen);
		memset(t->seen + t->cap, 0, 4096);
		t->cap += 4096;
	}
	numbered(w, engine, kind, client, t->sent++);
}

static void deliver(void *ctx, const uint8_t *packet, size_t len)
{
	struct world_engine *we = ctx;
	struct world *w = we->w;
	struct world_client *c;
	uint32_t magic = 0, seq;

	assert_true(len >= 20);
	if (packet[9] == 1) {
		we->icmp++;
		we->icmp_type = packet[20];
		we->icmp_code = packet[21];
		return;
	}
	if (len >= 40)
		memcpy(&magic, packet + 28, 4);
	if (magic != MAGIC || packet[33] >= w->clients) {
		we->strange++;
		return;
	}
	memcpy(&seq, packet + 36, 4);
	c = &w->client[packet[33]];
	if (packet[32] == KIND_ECHO) {
		c->up.echoed += is_client(we);
		return;
	}
	assert_int_equal(packet[32], is_client(we) ? KIND_DOWN : KIND_UP);
	mark(w, is_client(we) ? &c->down : &c->up, seq);
	if (!is_client(we) && c->up.echo) {
		assert_true(w->replies < 256);
		w->reply[w->replies].engine = we->index;
		w->reply[w->replies].client = packet[33];
		w->reply[w->replies++].seq = seq;
	}
}

/* --- the rest of what an engine asks for --- */

static void io_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len)
{
	assert_true(len <= WORLD_DATAGRAM_MAX);
	if (is_client(ctx))
		client_sends(ctx, to, datagram, len);
	else
		server_sends(ctx, to, datagram, len);
}

static void io_audit(void *ctx, const struct audit_record *r)
{
	struct world_engine *we = ctx;
	struct world *w = we->w;

	w->audit = grow(w->audit, w->audits, &w->audits_cap, sizeof(*w->audit));
	w->audit[w->audits].engine = we->index;
	w->audit[w->audits++].r = *r;
}

static void job_add(struct world *w, unsigned int engine, struct job *j, bool run, int64_t delay_us)
{
	struct world_job *wj;

	w->job = grow(w->job, w->jobs, &w->jobs_cap, sizeof(*w->job));
	wj = &w->job[w->jobs++];
	wj->at = time_add_us(w->now, delay_us);
	wj->engine = engine;
	wj->run = run;
	wj->job = j;
}

static void io_job(void *ctx, struct job *j)
{
	struct world_engine *we = ctx;

	job_add(we->w, we->index, j, true, we->w->job_us);
}

static void io_forward(void *ctx, uint32_t worker, struct job *j)
{
	struct world_engine *we = ctx;

	assert_true(worker < we->w->workers && worker != we->index);
	job_add(we->w, worker, j, false, 0);
}

static void io_random(void *ctx, void *out, size_t len)
{
	prng_fill(&((struct world_engine *)ctx)->rng, out, len);
}

static void io_jump_done(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms)
{
	struct world *w = ((struct world_engine *)ctx)->w;

	w->jumped.n++;
	w->jumped.token = token;
	w->jumped.why = why;
	w->jumped.retry_after_ms = retry_after_ms;
}

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number)
{
	struct world_client *c = client_of(ctx);

	assert_true(number < ((struct world_engine *)ctx)->w->paths);
	if (socket >= c->sockets) {
		c->socket = realloc(c->socket, (socket + 64) * sizeof(*c->socket));
		assert_non_null(c->socket);
		memset(c->socket + c->sockets, 0, (socket + 64 - c->sockets) * sizeof(*c->socket));
		c->sockets = socket + 64;
	}
	assert_false(c->socket[socket].open);
	c->socket[socket].open = true;
	c->socket[socket].path = number;
	return true;
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct world_client *c = client_of(ctx);

	assert_true(socket < c->sockets && c->socket[socket].open);
	c->socket[socket].open = false;
}

static void io_net_setup(void *ctx, const struct net_setup *n)
{
	struct world_client *c = client_of(ctx);

	assert_true(n->count <= POLICY_PARTS_MAX * POLICY_ITEMS_MAX);
	c->nets++;
	c->mtu = n->mtu;
	c->items = n->count;
	memcpy(c->item, n->items, n->count * sizeof(c->item[0]));
}

/* --- set-up --- */

static void *copy_of(const void *data, size_t len)
{
	void *out = malloc(len ? len : 1);

	assert_non_null(out);
	if (len)
		memcpy(out, data, len);
	return out;
}

static void own(struct config *c)
{
	lpm_free(c->owners);
	c->owners = lpm_new(c->npeers);
	for (size_t i = 0; i < c->npeers; i++)
		for (size_t j = 0; j < c->peers[i].naddresses; j++)
			assert_int_equal(lpm_add(c->owners, &c->peers[i].addresses[j], (uint32_t)i, NULL), 0);
}

static void config_drop(struct config *c)
{
	for (size_t i = 0; i < c->npeers; i++) {
		free(c->peers[i].addresses);
		free(c->peers[i].routes);
		free(c->peers[i].dns);
	}
	free(c->peers);
	free(c->tunnel.addresses);
	lpm_free(c->owners);
	free(c);
}

struct config *world_config_next(const struct world *w)
{
	struct config *c = copy_of(w->config, sizeof(*c));

	c->generation++;
	c->owners = NULL;
	c->tunnel.addresses = copy_of(c->tunnel.addresses, c->tunnel.naddresses * sizeof(struct prefix));
	c->peers = copy_of(c->peers, c->npeers * sizeof(*c->peers));
	for (size_t i = 0; i < c->npeers; i++) {
		struct config_peer *p = &c->peers[i];

		p->addresses = copy_of(p->addresses, p->naddresses * sizeof(*p->addresses));
		p->routes = copy_of(p->routes, p->nroutes * sizeof(*p->routes));
		p->dns = copy_of(p->dns, p->ndns * sizeof(*p->dns));
	}
	return c;
}

void world_reload(struct world *w, struct config *next)
{
	own(next);
	for (unsigned int i = 0; i < w->workers; i++)
		engine_configure(w->engine[i].e, next, w->now);
	config_drop(w->config);
	w->config = next;
}

static void keys_make(struct prng *rng, uint8_t private_key[32], uint8_t public_key[32])
{
	prng_fill(rng, private_key, 32);
	x25519_public(public_key, private_key);
}

static void prefix_of(struct prefix *out, const char *text)
{
	assert_true(prefix_parse(text, out));
}

static void peer_make(struct config_peer *p, unsigned int i, unsigned int workers)
{
	char text[32];

	snprintf(p->name, sizeof(p->name), "client%u", i);
	p->addresses = calloc(2, sizeof(*p->addresses));
	p->naddresses = 2;
	snprintf(text, sizeof(text), "10.8.0.%u", i + 2);
	prefix_of(&p->addresses[0], text);
	snprintf(text, sizeof(text), "10.9.%u.0/24", i);
	prefix_of(&p->addresses[1], text);
	p->routes = calloc(1, sizeof(*p->routes));
	p->nroutes = 1;
	prefix_of(&p->routes[0], "10.8.0.0/24");
	p->dns = calloc(1, sizeof(*p->dns));
	p->ndns = 1;
	assert_true(ip_parse("10.8.0.1", &p->dns[0]));
	p->policy = policy_defaults;
	p->policy.max_candidates = WORLD_PATHS;
	p->generation = 1;
	p->home = i % workers;
}

struct world *world_new(unsigned int workers, unsigned int clients)
{
	struct world *w = calloc(1, sizeof(*w));
	struct config *c = calloc(1, sizeof(*c));

	assert_non_null(w);
	assert_non_null(c);
	assert_int_equal(crypto_init(), 0);
	w->now.us = START_US;
	w->workers = workers;
	w->clients = clients;
	w->paths = 3;
	w->rng.state = 1;
	w->job_us = 100;
	w->aes[0] = w->aes[1] = true;
	w->config = c;
	c->role = ROLE_SERVER;
	c->generation = 1;
	c->node_id = 1;
	c->tunnel.mtu = 1420;
	c->tunnel.addresses = calloc(1, sizeof(struct prefix));
	c->tunnel.naddresses = 1;
	prefix_of(&c->tunnel.addresses[0], "10.8.0.1/24");
	keys_make(&w->rng, c->private_key, c->public_key);
	c->npeers = clients;
	c->peers = calloc(clients + 1, sizeof(*c->peers));
	for (unsigned int i = 0; i < clients; i++) {
		struct config *cc = &w->client[i].config;

		peer_make(&c->peers[i], i, workers);
		cc->role = ROLE_CLIENT;
		cc->generation = 1;
		cc->node_id = 1;
		memcpy(cc->server_public_key, c->public_key, 32);
		keys_make(&w->rng, cc->private_key, cc->public_key);
		memcpy(c->peers[i].public_key, cc->public_key, 32);
		for (unsigned int n = 0; n < WORLD_PATHS; n++)
			w->client[i].link[n].delay_us = 500;
	}
	w->max_switches = policy_defaults.max_switches_per_min;
	return w;
}

void world_policy(struct world *w, const struct policy *p)
{
	for (size_t i = 0; i < w->config->npeers; i++)
		w->config->peers[i].policy = *p;
	if (p->max_switches_per_min > w->max_switches)
		w->max_switches = p->max_switches_per_min;
}

static const struct engine_io io = {
	.send = io_send,
	.deliver = deliver,
	.audit = io_audit,
	.job = io_job,
	.forward = io_forward,
	.random = io_random,
	.jump_done = io_jump_done,
	.path_open = io_path_open,
	.path_close = io_path_close,
	.net_setup = io_net_setup,
};

static void engine_start(struct world *w, unsigned int i)
{
	struct world_engine *we = &w->engine[i];
	const bool client = i >= WORLD_WORKERS;
	const struct engine_setup setup = {
		.io = io,
		.ctx = we,
		.config = client ? &w->client[i - WORLD_WORKERS].config : w->config,
		.worker = client ? 0 : i,
		.workers = client ? 1 : w->workers,
		.max_sessions = 64,
		.key_cache = 64,
		.hardware_aes = w->aes[client ? 0 : 1],
	};

	we->w = w;
	we->index = i;
	we->rng.state = i * 1000003 + w->rng.state;
	we->e = engine_new(&setup, w->now);
	assert_non_null(we->e);
}

void world_start(struct world *w)
{
	own(w->config);
	for (unsigned int i = 0; i < w->workers; i++)
		engine_start(w, i);
	for (unsigned int i = 0; i < w->clients; i++) {
		engine_start(w, WORLD_WORKERS + i);
		for (uint8_t n = 0; n < w->paths; n++) {
			struct candidate cand = { .number = n, .remote = { server_ip(), 0, 4433 } };

			snprintf(cand.name, sizeof(cand.name), "path%u", n);
			engine_candidate_up(w->engine[WORLD_WORKERS + i].e, &cand, w->now);
		}
	}
}

/* --- time --- */

static struct datagram *first_datagram(struct world *w)
{
	struct datagram *first = NULL;

	for (size_t i = 0; i < w->flight.n; i++) {
		struct datagram *d = &w->flight.list[i];

		if (!first || d->at.us < first->at.us || (d->at.us == first->at.us && d->order < first->order))
			first = d;
	}
	return first;
}

static struct jv_time next_event(struct world *w)
{
	struct datagram *d = first_datagram(w);
	struct jv_time at = d ? d->at : TIME_NEVER;

	for (size_t i = 0; i < w->jobs; i++)
		at = time_min(at, w->job[i].at);
	for (unsigned int i = 0; i < WORLD_ENGINES; i++)
		if (w->engine[i].e)
			at = time_min(at, engine_next(w->engine[i].e));
	for (unsigned int i = 0; i < w->clients; i++) {
		if (w->client[i].up.interval_us)
			at = time_min(at, w->client[i].up.next);
		if (w->client[i].down.interval_us)
			at = time_min(at, w->client[i].down.next);
	}
	return at;
}

static void jobs_finish(struct world *w)
{
	for (size_t i = 0; i < w->jobs; i++) {
		struct world_job wj = w->job[i];

		if (time_before(w->now, wj.at))
			continue;
		memmove(&w->job[i], &w->job[i + 1], (--w->jobs - i) * sizeof(wj));
		i--;
		if (wj.run)
			job_run(wj.job);
		engine_job_done(w->engine[wj.engine].e, wj.job, w->now);
	}
}

static void replies_send(struct world *w)
{
	for (size_t i = 0; i < w->replies; i++)
		numbered(w, w->reply[i].engine, KIND_ECHO, w->reply[i].client, w->reply[i].seq);
	w->replies = 0;
}

/* Everything that is due now: first what the network brings, then what was asked for, then timers. */
static void happen(struct world *w)
{
	struct datagram *d;

	while ((d = first_datagram(w)) && !time_before(w->now, d->at)) {
		static struct datagram copy;

		copy = *d;
		*d = w->flight.list[--w->flight.n];
		arrive(w, &copy);
		replies_send(w);
	}
	jobs_finish(w);
	for (unsigned int i = 0; i < w->clients; i++) {
		traffic_send(w, &w->client[i].up, WORLD_WORKERS + i, KIND_UP, i);
		traffic_send(w, &w->client[i].down, 0, KIND_DOWN, i);
	}
	for (unsigned int i = 0; i < WORLD_ENGINES; i++)
		if (w->engine[i].e && !time_before(w->now, engine_next(w->engine[i].e)))
			engine_tick(w->engine[i].e, w->now);
}

static bool run(struct world *w, bool (*question)(struct world *w), uint64_t ms)
{
	const struct jv_time end = time_add_ms(w->now, ms);
	unsigned int rounds = 0;

	for (;;) {
		struct jv_time at = next_event(w);

		if (question && question(w))
			return true;
		if (time_before(end, at)) {
			w->now = end;
			return false;
		}
		rounds = time_before(w->now, at) ? 0 : rounds + 1;
		if (rounds > ROUNDS_MAX)
			fail_msg("time stands still at %lld us", (long long)w->now.us);
		w->now = time_max(w->now, at);
		happen(w);
	}
}

void world_run(struct world *w, uint64_t ms)
{
	run(w, NULL, ms);
}

bool world_until(struct world *w, bool (*question)(struct world *w), uint64_t ms)
{
	return run(w, question, ms);
}

/* --- questions --- */

struct engine *world_client_engine(struct world *w, unsigned int client)
{
	return w->engine[WORLD_WORKERS + client].e;
}

struct session *world_session(struct world *w, unsigned int client)
{
	return world_client_engine(w, client)->client->session;
}

struct engine *world_home(struct world *w, unsigned int client)
{
	const ptrdiff_t peer = config_find_peer(w->config, w->client[client].config.public_key);

	assert_true(peer >= 0);
	return w->engine[w->config->peers[peer].home % w->workers].e;
}

struct session *world_peer(struct world *w, unsigned int client)
{
	const ptrdiff_t peer = config_find_peer(w->config, w->client[client].config.public_key);

	return peer < 0 ? NULL : world_home(w, client)->by_peer[peer];
}

static bool attached(struct world *w, unsigned int client)
{
	const struct session *c = world_session(w, client), *s = world_peer(w, client);

	return c && s && c->state == STATE_ATTACHED && s->state == STATE_ATTACHED && memcmp(c->id, s->id, sizeof(c->id)) == 0 &&
	       c->active->number == s->active->number && c->binding_version == s->binding_version && !c->jump.pending;
}

bool world_all_attached(struct world *w)
{
	for (unsigned int i = 0; i < w->clients; i++)
		if (!attached(w, i))
			return false;
	return true;
}

static bool all_warm(struct world *w)
{
	if (!world_all_attached(w))
		return false;
	for (unsigned int i = 0; i < w->clients; i++) {
		for (uint8_t n = 0; n < w->paths; n++) {
			struct path *c = session_path_numbered(world_session(w, i), n);
			struct path *s = session_path_numbered(world_peer(w, i), n);

			if (!c || !path_is_warm(c, &world_session(w, i)->policy) || !s || !s->proven)
				return false;
		}
	}
	return true;
}

void world_attach(struct world *w)
{
	world_start(w);
	world_assert(w, world_until(w, all_warm, 10000));
}

uint64_t world_count(struct world *w, unsigned int engine, enum counter c)
{
	return engine_counters(w->engine[engine].e)->n[c];
}

uint64_t world_served(struct world *w, enum counter c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < w->workers; i++)
		n += world_count(w, i, c);
	return n;
}

unsigned int world_audits(struct world *w, bool clients, enum audit_event event, enum reason why, size_t from)
{
	unsigned int n = 0;

	for (size_t i = from; i < w->audits; i++)
		n += (w->audit[i].engine >= WORLD_WORKERS) == clients && w->audit[i].r.event == event &&
		     (why == REASON_NONE || w->audit[i].r.reason == why);
	return n;
}

void world_jump(struct world *w, unsigned int client, uint8_t path, uint64_t token)
{
	w->jumped.n = 0;
	engine_jump(world_client_engine(w, client), world_session(w, client)->id, path, token, w->now);
}

size_t world_view(struct world *w, unsigned int engine, struct session_info *out, size_t max)
{
	memset(out, 0, max * sizeof(*out));
	return engine_info(w->engine[engine].e, out, max, w->now);
}

void world_free(struct world *w)
{
	uint64_t illegal = 0;

	world_check(w);
	while (w->jobs > 0) {
		w->now = time_add_us(w->now, w->job_us);
		jobs_finish(w);
	}
	for (unsigned int i = 0; i < WORLD_ENGINES; i++) {
		if (w->engine[i].e)
			illegal += world_count(w, i, COUNT_ILLEGAL_TRANSITION);
		engine_free(w->engine[i].e);
	}
	assert_int_equal(illegal, 0);
	for (unsigned int i = 0; i < w->clients; i++) {
		free(w->client[i].socket);
		free(w->client[i].up.seen);
		free(w->client[i].down.seen);
	}
	config_drop(w->config);
	free(w->flight.list);
	free(w->record.list);
	free(w->job);
	free(w->audit);
	free(w->seen);
	free(w);
}
