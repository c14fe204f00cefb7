/* What a world's engines ask for: links, tunnel devices, jobs and records. */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/session.h"
#include "world.h"

#include "proto/packet.h"

#define MAGIC 0x4a56544cu

enum packet_kind { KIND_UP, KIND_DOWN, KIND_ECHO };

static void *grow(void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	*cap = *cap ? *cap * 2 : 64;
	return world_realloc(list, *cap * size);
}

static bool is_client(const struct world_engine *we)
{
	return we->index >= WORLD_WORKERS;
}

static struct world_client *client_of(const struct world_engine *we)
{
	return &we->w->client[we->index - WORLD_WORKERS];
}

struct ip world_server_ip(void)
{
	return ip_from_v4((const uint8_t[]){ 192, 0, 2, 1 });
}

static struct route route_up(const struct world *w, unsigned int client, uint32_t socket)
{
	const uint8_t path = w->client[client].socket[socket].path;
	const uint16_t nat = w->client[client].link[path].nat;
	struct route r = { .local = w->client[client].socket[socket].remote.ip };

	r.remote.ip = ip_from_v4((const uint8_t[]){ 198, 51, (uint8_t)(100 + client), path });
	r.remote.port = (uint16_t)(1000 + socket + 10000 * nat);
	return r;
}

/* Which client's socket the address leads to, or false. */
static bool socket_at(const struct world *w, const struct endpoint *to, unsigned int *client, uint8_t *path,
		      uint32_t *socket)
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
	struct route r = { .local = world_server_ip() };

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
	struct session *s;
	uint8_t copy[WORLD_DATAGRAM_MAX];
	unsigned int types = 0;
	struct packet_id id;
	struct epoch *ep;
	struct reader r;
	struct frame f;

	if (len < PROTO_OVERHEAD || data[0] != PACKET_SEALED ||
	    !session_find_slot(e, data + offsetof(struct packet_header, locator), &s))
		return 0;
	id = packet_unmask(data, keycache_mask(e->cache, s->keys.mask_cache + 1,
					       s->keys.suite, s->keys.rx_mask));
	ep = keys_find(&s->keys, id.epoch, now);
	memcpy(copy, data, len);
	if (id.kind != SEALED_CONTROL || !ep || !packet_open(copy + PROTO_HEADER_LEN, copy, len, &id,
				keycache_aead(e->cache, ep->cache + 1, s->keys.suite, ep->rx_key),
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
	if (d->inner && (d->up ? l->data_up : l->data_down))
		return true;
	if (d->up ? l->hole_up && d->len > l->hole_up : l->hole_down && d->len > l->hole_down) {
		w->holed++;
		return true;
	}
	return prng_below(&w->rng, 1000000) < l->loss_ppm;
}

static void fly(struct world *w, const struct datagram *d)
{
	const struct world_link *l = &w->client[d->client].link[d->path];
	struct datagram *out = datagram_add(&w->flight);

	*out = *d;
	out->at = time_add_us(w->now, l->delay_us);
	if (d->inner)
		out->at = time_add_us(out->at, l->data_late_us);
	if (l->jitter_us > 0)
		out->at = time_add_us(out->at, (int64_t)prng_below(&w->rng, l->jitter_us));
	out->order = w->order++;
}

static void launch(struct world *w, const struct datagram *d)
{
	const uint32_t twice_ppm = w->client[d->client].link[d->path].twice_ppm;

	if (w->recording == RECORD_SENT)
		*datagram_add(&w->record) = *d;
	if (is_lost(w, d))
		return;
	fly(w, d);
	if (twice_ppm > 0 && prng_below(&w->rng, 1000000) < twice_ppm)
		fly(w, d);
}

/* A locator is for one path: the same one from two sockets would link them. */
static void note_locator(struct world *w, unsigned int client, uint32_t socket, const uint8_t *data,
			 size_t len)
{
	const uint8_t *locator = data + offsetof(struct packet_header, locator);

	if (len < PROTO_OVERHEAD || data[0] != PACKET_SEALED)
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

static void client_sends(struct world_engine *we, const struct route *to, const uint8_t *data, size_t len,
			 unsigned int how)
{
	struct world_client *c = client_of(we);
	struct world *w = we->w;
	static struct datagram d;

	assert_true(to->socket < c->sockets && c->socket[to->socket].open);
	assert_true(endpoint_equal(&to->remote, &c->socket[to->socket].remote));
	memset(&d, 0, offsetof(struct datagram, data));
	d.up = true;
	d.client = we->index - WORLD_WORKERS;
	d.path = c->socket[to->socket].path;
	d.route = route_up(w, d.client, to->socket);
	d.len = len;
	d.ecn = how & SEND_ECN;
	d.inner = how & SEND_DATA;
	d.singly = how & SEND_SINGLY;
	memcpy(d.data, data, len);
	if (w->swallow || w->recording)
		d.frames = frames_of(receiver(w, &d), data, len, w->now);
	note_locator(w, d.client, to->socket, data, len);
	launch(w, &d);
}

static void server_sends(struct world_engine *we, const struct route *to, const uint8_t *data, size_t len,
			 unsigned int how)
{
	struct world *w = we->w;
	static struct datagram d;
	uint32_t socket;

	memset(&d, 0, offsetof(struct datagram, data));
	d.inner = how & SEND_DATA;
	if (!socket_at(w, &to->remote, &d.client, &d.path, &socket)) {
		w->stranger_bytes += len;
		w->stranger_datagrams++;
		w->stranger_type = data[0];
		d.client = WORLD_CLIENTS;
		d.route = *to;
		d.len = len;
		memcpy(d.data, data, len);
		for (unsigned int i = 0; w->recording && i < w->clients; i++)
			d.frames |= frames_of(w->engine[WORLD_WORKERS + i].e, data, len, w->now);
		if (w->recording == RECORD_SENT)
			*datagram_add(&w->record) = d;
		return;
	}
	d.route.socket = socket;
	d.route.remote.ip = ip_is_zero(&to->local) ? world_server_ip() : to->local;
	d.route.remote.port = 4433;
	d.len = len;
	d.ecn = how & SEND_ECN;
	d.singly = how & SEND_SINGLY;
	memcpy(d.data, data, len);
	if (w->swallow || w->recording)
		d.frames = frames_of(receiver(w, &d), data, len, w->now);
	launch(w, &d);
}

/* What comes for a socket that was closed meanwhile, or by a mapping that is gone, arrives nowhere. */
void world_arrive(struct world *w, struct datagram *d)
{
	if (!d->up && !w->client[d->client].socket[d->route.socket].open)
		return;
	if (w->recording == RECORD_ARRIVED)
		*datagram_add(&w->record) = *d;
	engine_datagram(receiver(w, d), &d->route, d->ecn, d->data, d->len, w->now);
}

void world_inject_up(struct world *w, const struct route *from, const void *data, size_t len)
{
	static struct datagram d;

	memset(&d, 0, offsetof(struct datagram, data));
	d.up = true;
	d.route = *from;
	d.len = len;
	memcpy(d.data, data, len);
	engine_datagram(receiver(w, &d), &d.route, 0, d.data, len, w->now);
}

void world_inject_down(struct world *w, unsigned int client, const struct route *from, const void *data,
		       size_t len)
{
	static struct datagram d;

	memset(&d, 0, offsetof(struct datagram, data));
	d.client = client;
	d.route = *from;
	d.len = len;
	memcpy(d.data, data, len);
	engine_datagram(receiver(w, &d), &d.route, 0, d.data, len, w->now);
}

struct datagram world_recorded(struct world *w, bool up, unsigned int frames)
{
	for (size_t i = w->record.n; i-- > 0;)
		if (w->record.list[i].up == up && w->record.list[i].frames & frames)
			return w->record.list[i];
	fail_msg("nothing like that was sent");
	return w->record.list[0];
}

void world_late(struct world *w, const struct datagram *d)
{
	static struct datagram copy;

	copy = *d;
	world_arrive(w, &copy);
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
	if (d->up != w->swallow_up || w->swallow_left == 0 || d->data[0] != w->swallow_frames || d->inner)
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
	return make_packet(out, len, &from, &to);
}

void world_inner(struct world *w, unsigned int engine, const uint8_t *packet, size_t len)
{
	uint8_t buf[2000];
	unsigned int home = engine;

	memcpy(buf, packet, len);
	if (engine < WORLD_WORKERS)
		home = engine_inner_home(w->engine[engine].e, buf, len);
	engine_inner(w->engine[home].e, buf, len, w->now);
}

static void numbered(struct world *w, unsigned int engine, enum packet_kind kind, unsigned int client,
		     uint32_t seq)
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
	t->late += seq < t->newest;
	t->newest = seq > t->newest ? seq : t->newest;
	t->last_got = w->now;
	if (gap > t->gap_us)
		t->gap_us = gap;
}

static void traffic_send(struct world *w, struct traffic *t, unsigned int engine, enum packet_kind kind,
			 unsigned int client)
{
	if (t->interval_us == 0 || time_before(w->now, t->next))
		return;
	t->next = time_add_us(t->next, t->interval_us);
	if (t->sent == t->cap) {
		t->seen = world_realloc(t->seen, t->cap + 4096);
		memset(t->seen + t->cap, 0, 4096);
		t->cap += 4096;
	}
	numbered(w, engine, kind, client, t->sent++);
}

void world_reply(struct world *w)
{
	for (size_t i = 0; i < w->replies; i++)
		numbered(w, w->reply[i].engine, KIND_ECHO, w->reply[i].client, w->reply[i].seq);
	w->replies = 0;
}

void world_traffic_send(struct world *w)
{
	for (unsigned int i = 0; i < w->clients; i++) {
		traffic_send(w, &w->client[i].up, WORLD_WORKERS + i, KIND_UP, i);
		traffic_send(w, &w->client[i].down, 0, KIND_DOWN, i);
	}
}

static uint8_t *io_room(void *ctx)
{
	struct world_engine *we = ctx;

	memset(we->room, 0xee, sizeof(we->room));
	return we->room;
}

static void deliver(void *ctx, const uint8_t *packet, size_t len)
{
	struct world_engine *we = ctx;
	struct world *w = we->w;
	struct world_client *c;
	uint32_t magic = 0, seq;

	assert_true(len >= 20);
	memcpy(we->last, packet, len < sizeof(we->last) ? len : sizeof(we->last));
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
	assert_ptr_equal(packet, we->room);
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

static uint32_t sum_of(const uint8_t *p, size_t len)
{
	uint32_t sum = (uint32_t)len;

	while (len-- > 0)
		sum = sum * 31 + *p++;
	return sum;
}

/* What is said to stand must be as it was when the shell is flushed, which only the engine asks for here. */
static void stands(struct world_engine *we, const uint8_t *datagram, size_t len)
{
	we->standing = grow(we->standing, we->nstanding, &we->standing_cap, sizeof(*we->standing));
	we->standing[we->nstanding++] =
		(struct world_standing){ .at = datagram, .len = len, .sum = sum_of(datagram, len) };
}

static void io_flush(void *ctx)
{
	struct world_engine *we = ctx;

	for (size_t i = 0; i < we->nstanding; i++)
		assert_int_equal(sum_of(we->standing[i].at, we->standing[i].len), we->standing[i].sum);
	we->nstanding = 0;
}

static void io_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len, unsigned int how)
{
	struct world_engine *we = ctx;

	if (how & SEND_STANDS)
		stands(we, datagram, len);
	how &= ~(unsigned int)SEND_STANDS;

	assert_true(len <= WORLD_DATAGRAM_MAX);
	world_sealed(we->w, we->index, datagram, len, how);
	if (is_client(ctx))
		client_sends(ctx, to, datagram, len, how);
	else
		server_sends(ctx, to, datagram, len, how);
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
	struct world *w = we->w;
	const struct jv_time from = w->one_thread ? time_max(w->now, w->job_last) : w->now;

	w->job_last = time_add_us(from, w->job_us);
	job_add(w, we->index, j, true, time_diff_us(w->job_last, w->now));
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

static uint64_t io_wall_us(void *ctx)
{
	const struct world_engine *we = ctx;
	const uint64_t at_start = we->w->wall_us[we->index < WORLD_WORKERS];

	return at_start ? at_start + (uint64_t)(we->w->now.us - START_US) : 0;
}

static void io_jump_done(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms)
{
	struct world *w = ((struct world_engine *)ctx)->w;

	w->jumped.n++;
	w->jumped.token = token;
	w->jumped.why = why;
	w->jumped.retry_after_ms = retry_after_ms;
}

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number, const struct endpoint *remote)
{
	struct world_client *c = client_of(ctx);

	assert_true(number < ((struct world_engine *)ctx)->w->paths);
	if (socket >= c->sockets) {
		c->socket = world_realloc(c->socket, (socket + 64) * sizeof(*c->socket));
		memset(c->socket + c->sockets, 0, (socket + 64 - c->sockets) * sizeof(*c->socket));
		c->sockets = socket + 64;
	}
	assert_false(c->socket[socket].open);
	c->socket[socket].open = true;
	c->socket[socket].path = number;
	c->socket[socket].remote = *remote;
	c->opens++;
	return true;
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct world_client *c = client_of(ctx);

	assert_true(socket < c->sockets && c->socket[socket].open);
	c->socket[socket].open = false;
	c->closes++;
}

static void io_resolve(void *ctx, uint8_t number)
{
	struct world_client *c = client_of(ctx);

	assert_true(number < ((struct world_engine *)ctx)->w->paths);
	c->resolves++;
}

static void io_unanswered(void *ctx)
{
	client_of(ctx)->complaints++;
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

const struct engine_io world_io = {
	.send = io_send,
	.flush = io_flush,
	.room = io_room,
	.deliver = deliver,
	.audit = io_audit,
	.job = io_job,
	.forward = io_forward,
	.random = io_random,
	.wall_us = io_wall_us,
	.jump_done = io_jump_done,
	.path_open = io_path_open,
	.path_close = io_path_close,
	.resolve = io_resolve,
	.net_setup = io_net_setup,
	.unanswered = io_unanswered,
};
