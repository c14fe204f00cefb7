/* See crowd.h. */
#include "crowd.h"

#include "session/client_state.h"
#include "session/job.h"
#include "session/send.h"
#include "session/wheel.h"

#define SEALED_MOST 40 /* datagrams in the socket for sealed ones: a hundredth of 4,000, */
#define HELLOS_MOST 10 /* and in the one for HELLOs */
#define SEALED_TURN 10 /* of one turn of the loop */
#define HELLOS_TURN 1
#define RUDE_US 300000
#define DATAGRAM 1600

enum happening {
	HAPPENS_DATAGRAM,
	HAPPENS_TIMER,
	HAPPENS_JOB,
	HAPPENS_CORE,
	HAPPENS_COMES,
	HAPPENS_LEAVES,
	HAPPENS_RUDE,
	HAPPENS_DATA
};

struct crowd_datagram {
	struct crowd_datagram *next;
	struct route route;
	size_t len;
	uint8_t data[DATAGRAM];
};

struct crowd_event {
	struct jv_time at;
	uint64_t order, life;
	enum happening what;
	unsigned int client; /* c->clients: the server */
	struct crowd_datagram *datagram;
	struct job *job;
};

/* --- events --- */

static bool before(const struct crowd_event *a, const struct crowd_event *b)
{
	return a->at.us < b->at.us || (a->at.us == b->at.us && a->order < b->order);
}

static void push(struct crowd *c, struct jv_time at, struct crowd_event ev)
{
	size_t i = c->events++;

	if (c->events > c->events_cap) {
		c->events_cap = c->events_cap ? 2 * c->events_cap : 1024;
		c->event = realloc(c->event, c->events_cap * sizeof(*c->event));
		assert_non_null(c->event);
	}
	ev.at = time_max(at, c->now);
	ev.order = c->order++;
	for (; i > 0 && before(&ev, &c->event[(i - 1) / 2]); i = (i - 1) / 2)
		c->event[i] = c->event[(i - 1) / 2];
	c->event[i] = ev;
}

static struct crowd_event pop(struct crowd *c)
{
	const struct crowd_event top = c->event[0], last = c->event[--c->events];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < c->events && before(&c->event[child + 1], &c->event[child]))
			child++;
		if (child >= c->events || !before(&c->event[child], &last))
			break;
		c->event[i] = c->event[child];
		i = child;
	}
	c->event[i] = last;
	return top;
}

static struct crowd_datagram *datagram_new(struct crowd *c, const uint8_t *data, size_t len)
{
	struct crowd_datagram *d = c->spare;

	assert_true(len <= DATAGRAM);
	if (d)
		c->spare = d->next;
	else
		d = malloc(sizeof(*d));
	assert_non_null(d);
	d->next = NULL;
	d->len = len;
	memcpy(d->data, data, len);
	return d;
}

static void datagram_free(struct crowd *c, struct crowd_datagram *d)
{
	d->next = c->spare;
	c->spare = d;
}

static bool enqueue(struct crowd *c, struct crowd_queue *q, struct crowd_datagram *d)
{
	if (q->n == q->most) {
		q->dropped++;
		datagram_free(c, d);
		return false;
	}
	if (q->n++ == 0)
		q->first = d;
	else
		q->last->next = d;
	q->last = d;
	return true;
}

static struct crowd_datagram *dequeue(struct crowd_queue *q)
{
	struct crowd_datagram *d = q->first;

	q->first = d->next;
	d->next = NULL;
	q->n--;
	return d;
}

/* --- what engines ask for --- */

static struct ip server_ip(void)
{
	return ip_from_v4((const uint8_t[]){ 192, 0, 2, 1 });
}

static void wake(struct crowd *c, struct jv_time at)
{
	at = time_max(time_max(at, c->free_at), c->now);
	if (!time_before(at, c->wake_at))
		return;
	c->wake_at = at;
	push(c, at, (struct crowd_event){ .what = HAPPENS_CORE });
}

static void timer_again(struct crowd_client *k, struct crowd *c)
{
	const struct jv_time at = time_max(engine_next(k->e), c->now);

	if (time_is_never(at) || !time_before(at, k->timer_at))
		return;
	k->timer_at = at;
	push(c, at, (struct crowd_event){ .what = HAPPENS_TIMER, .client = k->index, .life = k->life });
}

struct end { /* an engine's ctx */
	struct crowd *c;
	struct crowd_client *k; /* NULL: the server */
};

static void io_send(void *ctx, const struct route *to, const uint8_t *data, size_t len, unsigned int how)
{
	struct end *end = ctx;
	struct crowd *c = end->c;
	struct crowd_event ev = { .what = HAPPENS_DATAGRAM };
	uint8_t path = 0;

	(void)how;
	if (end->k) {
		struct crowd_client *k = end->k;

		for (unsigned int i = 0; i < CROWD_SOCKETS; i++)
			if (k->socket[i].open && k->socket[i].id == to->socket)
				path = k->socket[i].path;
		if (k->cut[path])
			return;
		ev.client = c->clients;
		ev.datagram = datagram_new(c, data, len);
		ev.datagram->route = (struct route){ .local = server_ip() };
		ev.datagram->route.remote.ip = ip_from_v4((const uint8_t[]){
			(uint8_t)(20 + path), (uint8_t)(k->index >> 8), (uint8_t)k->index, 1 });
		ev.datagram->route.remote.port = (uint16_t)(1000 + to->socket);
		push(c, time_add_us(c->now, c->delay_us), ev);
		return;
	}
	c->sent++;
	path = (uint8_t)(to->remote.ip.b[12] - 20);
	ev.client = (unsigned int)to->remote.ip.b[13] << 8 | to->remote.ip.b[14];
	if (c->client[ev.client].cut[path])
		return;
	ev.life = c->client[ev.client].life;
	ev.datagram = datagram_new(c, data, len);
	ev.datagram->route.socket = to->remote.port - 1000u;
	ev.datagram->route.remote = (struct endpoint){ .ip = server_ip(), .port = 4433 };
	ev.datagram->route.local = (struct ip){ { 0 } };
	push(c, time_add_us(c->now, c->sent * c->cost.send + c->delay_us), ev);
}

static void io_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	struct end *end = ctx;

	(void)len;
	if (end->k)
		return;
	end->c->delivered++;
	end->c->client[(unsigned int)packet[28] << 8 | packet[29]].data_got++;
}

static void io_audit(void *ctx, const struct audit_record *r)
{
	struct end *end = ctx;

	if (!end->k || r->event != AUDIT_TRANSPORT_ATTACHED || end->k->attached)
		return;
	end->k->attached = true;
	end->c->attached++;
	if (end->c->hold_us > 0 && !end->k->stays)
		push(end->c, time_add_us(end->c->now, end->c->hold_us),
		     (struct crowd_event){
			     .what = HAPPENS_LEAVES, .client = end->k->index, .life = end->k->life });
}

static void io_job(void *ctx, struct job *j)
{
	struct end *end = ctx;

	if (!end->k) {
		list_append(&end->c->jobs, (struct list *)(void *)j->shell);
		return;
	}
	push(end->c, time_add_us(end->c->now, 1000),
	     (struct crowd_event){
		     .what = HAPPENS_JOB, .client = end->k->index, .life = end->k->life, .job = j });
}

static void io_random(void *ctx, void *out, size_t len)
{
	struct end *end = ctx;

	prng_fill(end->k ? &end->k->rng : &end->c->rng, out, len);
}

static uint64_t io_wall(void *ctx)
{
	return UINT64_C(1700000000000000) + (uint64_t)((struct end *)ctx)->c->now.us;
}

static bool io_path_open(void *ctx, uint32_t socket, uint8_t number, const struct endpoint *remote)
{
	struct crowd_client *k = ((struct end *)ctx)->k;

	(void)remote;
	for (unsigned int i = 0; i < CROWD_SOCKETS; i++)
		if (!k->socket[i].open) {
			k->socket[i].open = true;
			k->socket[i].id = socket;
			k->socket[i].path = number;
			return true;
		}
	fail_msg("too many sockets");
	return false;
}

static void io_path_close(void *ctx, uint32_t socket)
{
	struct crowd_client *k = ((struct end *)ctx)->k;

	for (unsigned int i = 0; i < CROWD_SOCKETS; i++)
		if (k->socket[i].id == socket)
			k->socket[i].open = false;
}

static void io_jump_done(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms)
{
	(void)ctx;
	(void)token;
	(void)why;
	(void)retry_after_ms;
}

static void io_forward(void *ctx, uint32_t worker, struct job *j)
{
	(void)ctx;
	(void)worker;
	(void)j;
	fail_msg("there is one worker");
}

static void io_resolve(void *ctx, uint8_t number)
{
	(void)ctx;
	(void)number;
}

static void io_unanswered(void *ctx)
{
	(void)ctx;
}

static void io_net_setup(void *ctx, const struct net_setup *n)
{
	(void)ctx;
	(void)n;
}

static const struct engine_io crowd_io = {
	.send = io_send,
	.deliver = io_deliver,
	.audit = io_audit,
	.job = io_job,
	.forward = io_forward,
	.random = io_random,
	.wall_us = io_wall,
	.jump_done = io_jump_done,
	.path_open = io_path_open,
	.path_close = io_path_close,
	.resolve = io_resolve,
	.unanswered = io_unanswered,
	.net_setup = io_net_setup,
};

/* --- the server's core --- */

static int64_t dhs(enum job_kind kind)
{
	switch (kind) {
	case JOB_WELCOME_CREATE:
		return 3;
	case JOB_REKEY_SHARED:
		return 2;
	default:
		return 1;
	}
}

/* A key agreement is run, and will be found done. */
static void pool_step(struct crowd *c)
{
	struct list *shell = c->jobs.next;
	struct job *j = container_of((uint8_t *)shell, struct job, shell[0]);
	const int64_t us = dhs(j->kind) * c->cost.dh;

	list_remove(shell);
	job_run(j);
	list_append(&c->done, shell);
	c->pool_us += us;
	c->free_at = time_add_us(c->now, us);
}

static bool datagram_step(struct crowd *c, struct crowd_queue *q, int64_t cost)
{
	struct crowd_datagram *d = dequeue(q);

	engine_datagram(c->server, &d->route, 0, d->data, d->len, c->now);
	datagram_free(c, d);
	c->worker_us += c->cost.receive + cost;
	c->free_at = time_add_us(c->free_at, c->cost.receive + cost);
	return true;
}

static void next_phase(struct crowd *c)
{
	if (c->phase == TURN_SEALED && c->sealed.dropped != c->dropped_seen)
		engine_pressed(c->server, c->now);
	c->dropped_seen = c->sealed.dropped;
	c->phase = (c->phase + 1) % 4;
	c->left = c->phase == TURN_SEALED ? SEALED_TURN : c->phase == TURN_HELLOS ? HELLOS_TURN : 1000;
}

static bool has_tick(const struct crowd *c)
{
	return !time_before(c->now, engine_next(c->server));
}

static bool has_work(const struct crowd *c)
{
	return c->sealed.n > 0 || c->hellos.n > 0 || !list_is_empty(&c->done) || has_tick(c);
}

/* The next input of the turn. */
static void worker_step(struct crowd *c)
{
	const int64_t had = c->worker_us;
	struct list *shell;

	c->free_at = c->now;
	for (;; next_phase(c)) {
		if (c->left == 0)
			continue;
		c->left--;
		if (c->phase == TURN_SEALED && c->sealed.n > 0) {
			datagram_step(c, &c->sealed, c->cost.sealed);
			break;
		}
		if (c->phase == TURN_HELLOS && c->hellos.n > 0) {
			datagram_step(c, &c->hellos, c->cost.hello);
			break;
		}
		if (c->phase == TURN_DONE && !list_is_empty(&c->done)) {
			shell = c->done.next;
			list_remove(shell);
			engine_job_done(c->server, container_of((uint8_t *)shell, struct job, shell[0]),
					c->now);
			c->worker_us += c->cost.done;
			break;
		}
		if (c->phase == TURN_TICK && has_tick(c)) {
			engine_tick(c->server, c->now);
			c->worker_us += c->cost.turn;
			next_phase(c);
			break;
		}
	}
	c->worker_us += c->sent * c->cost.send + c->delivered * c->cost.deliver;
	c->free_at = time_add_us(c->now, c->worker_us - had);
}

static void core_step(struct crowd *c)
{
	const bool work = has_work(c), agrees = !list_is_empty(&c->jobs);

	c->server_steps++;
	c->sent = c->delivered = 0;
	/* Who has slept does not catch up. */
	if (!work && c->worker_us < c->pool_us)
		c->worker_us = c->pool_us;
	if (!agrees && c->pool_us < c->worker_us)
		c->pool_us = c->worker_us;
	if (work && (!agrees || c->worker_us <= c->pool_us))
		worker_step(c);
	else if (agrees)
		pool_step(c);
	c->sent = 0;
	if (has_work(c) || !list_is_empty(&c->jobs))
		wake(c, c->free_at);
	else if (!time_is_never(engine_next(c->server)))
		wake(c, engine_next(c->server));
}

static void server_hears(struct crowd *c, struct crowd_datagram *d)
{
	if (!c->up)
		datagram_free(c, d);
	else if (enqueue(c, d->data[0] == PACKET_HELLO ? &c->hellos : &c->sealed, d))
		wake(c, c->now);
}

/* --- clients --- */

static void client_hears(struct crowd *c, struct crowd_client *k, struct crowd_datagram *d)
{
	for (unsigned int i = 0; i < CROWD_SOCKETS; i++)
		if (k->socket[i].open && k->socket[i].id == d->route.socket) {
			engine_datagram(k->e, &d->route, 0, d->data, d->len, c->now);
			break;
		}
	datagram_free(c, d);
}

static void client_gone(struct crowd *c, struct crowd_client *k)
{
	if (!k->e)
		return;
	engine_shutdown(k->e, c->now);
	while (!list_is_empty(&k->e->jobs)) {
		struct job *j = container_of(k->e->jobs.next, struct job, node);

		list_remove(&j->node);
		k->e->njobs--;
		/* it is freed where its event is found void */
	}
	free(k->e->ctx);
	engine_free(k->e);
	k->e = NULL;
	memset(k->socket, 0, sizeof(k->socket));
	k->life++;
}

static void client_comes(struct crowd *c, struct crowd_client *k)
{
	struct candidate cand = { .remotes = 1, .remote[0] = { server_ip(), .port = 4433 } };
	struct end *end = malloc(sizeof(*end));
	const struct engine_setup setup = {
		.io = crowd_io,
		.ctx = end,
		.config = k->config,
		.workers = 1,
		.key_cache = 8,
		.hardware_aes = true,
	};

	client_gone(c, k);
	assert_non_null(end);
	*end = (struct end){ c, k };
	k->attached = false;
	k->came = c->now;
	k->timer_at = TIME_NEVER;
	k->e = engine_new(&setup, c->now);
	assert_non_null(k->e);
	for (uint8_t n = 0; n < CROWD_PATHS; n++) {
		cand.number = cand.via = n;
		snprintf(cand.name, sizeof(cand.name), "path%u", n);
		engine_candidate_up(k->e, &cand, c->now);
	}
}

/* What no client of ours does: it asks without end, however late the answers are. */
static void be_rude(struct crowd *c, struct crowd_client *k)
{
	struct client *cl = k->e->client;
	struct session *s[2] = { cl->session, cl->next };

	cl->tries = 0;
	for (unsigned int i = 0; i < 2; i++)
		for (uint8_t n = 0; s[i] && n < s[i]->slots; n++)
			if (s[i]->slot[n].path && path_is_known(s[i]->slot[n].path) &&
			    s[i]->slot[n].path->health->ping_out && s[i]->state != STATE_TERMINATED)
				send_ping(s[i]->slot[n].path, 0, c->now);
}

static void send_inner(struct crowd *c, struct crowd_client *k)
{
	struct ip from = k->config ? c->config->peers[k->index].addresses[0].ip : server_ip(), to;
	uint8_t packet[1200];

	assert_true(ip_parse("10.8.0.1", &to));
	make_packet(packet, sizeof(packet), &from, &to);
	packet[28] = (uint8_t)(k->index >> 8);
	packet[29] = (uint8_t)k->index;
	k->data_sent++;
	engine_inner(k->e, packet, sizeof(packet), c->now);
}

static void client_event(struct crowd *c, struct crowd_client *k, const struct crowd_event *ev)
{
	if (ev->what == HAPPENS_COMES) {
		client_comes(c, k);
	} else if (!k->e || ev->life != k->life) {
		if (ev->job)
			job_free(ev->job);
		if (ev->datagram)
			datagram_free(c, ev->datagram);
		return;
	} else if (ev->what == HAPPENS_LEAVES) {
		if (c->hold_us > 0)
			client_comes(c, k);
	} else if (ev->what == HAPPENS_TIMER) {
		if (k->timer_at.us == ev->at.us)
			k->timer_at = TIME_NEVER;
		if (!time_before(c->now, engine_next(k->e)))
			engine_tick(k->e, c->now);
	} else if (ev->what == HAPPENS_JOB) {
		job_run(ev->job);
		engine_job_done(k->e, ev->job, c->now);
	} else if (ev->what == HAPPENS_DATAGRAM) {
		client_hears(c, k, ev->datagram);
	}
	timer_again(k, c);
}

static void happen(struct crowd *c, const struct crowd_event *ev)
{
	struct crowd_client *k = &c->client[ev->client < c->clients ? ev->client : 0];

	switch (ev->what) {
	case HAPPENS_CORE:
		if (c->wake_at.us != ev->at.us)
			break;
		c->wake_at = TIME_NEVER;
		if (c->up)
			core_step(c);
		break;
	case HAPPENS_RUDE:
		if (!k->rude)
			break;
		if (k->e)
			be_rude(c, k);
		push(c, time_add_us(c->now, RUDE_US), *ev);
		break;
	case HAPPENS_DATA:
		if (k->data_us == 0)
			break;
		push(c, time_add_us(c->now, k->data_us), *ev);
		if (k->e)
			send_inner(c, k);
		timer_again(k, c);
		break;
	case HAPPENS_DATAGRAM:
		if (ev->client == c->clients) {
			server_hears(c, ev->datagram);
			break;
		} /* fallthrough */
	default:
		client_event(c, k, ev);
	}
}

/* --- from outside --- */

void crowd_run(struct crowd *c, int64_t us)
{
	const struct jv_time end = time_add_us(c->now, us);

	while (c->events > 0 && !time_before(end, c->event[0].at)) {
		const struct crowd_event ev = pop(c);

		c->now = ev.at;
		happen(c, &ev);
	}
	c->now = end;
}

unsigned int crowd_attached(const struct crowd *c)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->clients; i++) {
		const struct session *s = c->client[i].e ? c->client[i].e->client->session : NULL;
		const struct session *p = c->up ? c->server->by_peer[i] : NULL;

		n += s && p && s->state == STATE_ATTACHED && p->state == STATE_ATTACHED &&
		     memcmp(s->id, p->id, sizeof(s->id)) == 0;
	}
	return n;
}

int64_t crowd_until_attached(struct crowd *c, unsigned int n, int64_t most)
{
	int64_t us = 0;

	while (crowd_attached(c) < n && us < most) {
		crowd_run(c, 50000);
		us += 50000;
	}
	return us;
}

void crowd_come(struct crowd *c, unsigned int client, int64_t after_us)
{
	push(c, time_add_us(c->now, after_us),
	     (struct crowd_event){ .what = HAPPENS_COMES, .client = client });
}

void crowd_rude(struct crowd *c, unsigned int client)
{
	c->client[client].rude = true;
	push(c, time_add_us(c->now, (int64_t)prng_below(&c->rng, RUDE_US)),
	     (struct crowd_event){ .what = HAPPENS_RUDE, .client = client });
}

void crowd_data(struct crowd *c, unsigned int client, int64_t interval_us)
{
	c->client[client].data_us = interval_us;
	push(c, time_add_us(c->now, (int64_t)prng_below(&c->rng, (uint64_t)interval_us)),
	     (struct crowd_event){ .what = HAPPENS_DATA, .client = client });
}

void crowd_path_dies(struct crowd *c, unsigned int client, uint8_t path)
{
	struct crowd_client *k = &c->client[client];

	k->cut[path] = true;
	engine_candidate_down(k->e, path, REASON_TRANSPORT_DEAD, c->now);
	timer_again(k, c);
}

void crowd_cut(struct crowd *c, unsigned int client, bool cut)
{
	for (unsigned int n = 0; n < CROWD_PATHS; n++)
		c->client[client].cut[n] = cut;
}

void crowd_slower(struct crowd *c, int times)
{
	c->cost.receive *= times;
	c->cost.sealed *= times;
	c->cost.send *= times;
}

uint64_t crowd_count(const struct crowd *c, enum counter n)
{
	return engine_counters(c->server)->n[n];
}

void crowd_kill(struct crowd *c)
{
	struct list *lists[] = { &c->jobs, &c->done };

	if (!c->server)
		return;
	c->up = false;
	for (unsigned int i = 0; i < 2; i++)
		while (!list_is_empty(lists[i])) {
			struct list *shell = lists[i]->next;
			struct job *j = container_of((uint8_t *)shell, struct job, shell[0]);

			list_remove(shell);
			list_remove(&j->node);
			c->server->njobs--;
			job_free(j);
		}
	while (c->sealed.n > 0)
		datagram_free(c, dequeue(&c->sealed));
	while (c->hellos.n > 0)
		datagram_free(c, dequeue(&c->hellos));
	free(c->server->ctx);
	engine_free(c->server);
	c->server = NULL;
}

void crowd_serve(struct crowd *c)
{
	struct end *end = malloc(sizeof(*end));
	const struct engine_setup setup = {
		.io = crowd_io,
		.ctx = end,
		.config = c->config,
		.workers = 1,
		.key_cache = 512,
		.hardware_aes = true,
	};

	assert_non_null(end);
	*end = (struct end){ c, NULL };
	crowd_kill(c);
	c->server = engine_new(&setup, c->now);
	assert_non_null(c->server);
	c->up = true;
	c->wake_at = TIME_NEVER;
	c->free_at = c->now;
}

struct crowd *crowd_new(unsigned int clients)
{
	struct crowd *c = calloc(1, sizeof(*c));
	struct config **configs = calloc(clients, sizeof(*configs));

	assert_true(c && configs);
	assert_int_equal(crypto_init(), 0);
	c->now.us = CROWD_START_US;
	c->rng.state = 7;
	c->clients = clients;
	c->client = calloc(clients, sizeof(*c->client));
	assert_non_null(c->client);
	c->delay_us = 10000;
	c->cost = (struct crowd_costs){
		.receive = 60,
		.sealed = 100,
		.hello = 150,
		.send = 200,
		.deliver = 150,
		.done = 100,
		.turn = 50,
		.dh = 3500,
	};
	c->sealed.most = SEALED_MOST;
	c->hellos.most = HELLOS_MOST;
	list_init(&c->jobs);
	list_init(&c->done);
	for (unsigned int i = 0; i < clients; i++)
		configs[i] = calloc(1, sizeof(struct config));
	c->config = make_config(&c->rng, 1, clients, configs);
	for (unsigned int i = 0; i < clients; i++) {
		c->client[i].index = i;
		c->client[i].config = configs[i];
		c->client[i].rng.state = i * UINT64_C(1000003) + 1;
	}
	make_owners(c->config);
	free(configs);
	crowd_serve(c);
	return c;
}

void crowd_free(struct crowd *c)
{
	for (unsigned int i = 0; i < c->clients; i++) {
		client_gone(c, &c->client[i]);
		free(c->client[i].config);
	}
	while (c->events > 0) {
		const struct crowd_event ev = pop(c);

		if (ev.job)
			job_free(ev.job);
		free(ev.datagram);
	}
	crowd_kill(c);
	while (c->spare) {
		struct crowd_datagram *d = c->spare;

		c->spare = d->next;
		free(d);
	}
	make_config_free(c->config);
	free(c->client);
	free(c->event);
	free(c);
}
