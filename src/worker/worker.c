#include "worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "net/tun.h"
#include "worker/client.h"
#include "worker/daemon.h"

#define SOCKET_BATCHES 16   /* receive batches per socket and turn: then the others have theirs */
#define PACKET_MAX 2048     /* of a packet handed to another worker */

struct handover { /* an element of worker->packets */
	bool inner;
	uint16_t len;
	struct route from;
	uint8_t room[PROTO_HEADER_LEN];
	uint8_t data[PACKET_MAX + PROTO_TAG_LEN];
};

struct work { /* a job on the thread pool */
	uv_work_t req;
	struct worker *worker;
	struct job *job;
};

struct jv_time worker_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct jv_time){ (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 };
}

/* --- what the engine asks for --- */

static bool in_slab(const uint8_t *p, const uint8_t *slab, size_t size)
{
	return p >= slab && p < slab + size;
}

static void drop_unsent(struct worker *w, int error)
{
	const bool full = error == -EAGAIN || error == -ENOBUFS;

	engine_count(w->engine, full ? COUNT_DROP_SOCKET_FULL : COUNT_DROP_SOCKET_ERROR, 1);
}

/* One run of datagrams for the same socket. */
static void send_run(struct worker *w, int fd, const struct udp_datagram *d, size_t n)
{
	while (n > 0) {
		int error = 0;
		int sent = udp_send(fd, d, n < UDP_BATCH ? n : UDP_BATCH, &error);

		if (sent < 0)
			sent = 0;
		d += sent;
		n -= (size_t)sent;
		if (error == 0)
			continue;
		drop_unsent(w, error);
		d++;
		n--;
	}
}

static void flush_datagrams(struct worker *w)
{
	struct udp_datagram run[UDP_BATCH / 2];
	size_t i = 0;

	while (i < w->ntx) {
		const int fd = w->tx[i].fd;
		size_t n = 0;

		for (; i < w->ntx && w->tx[i].fd == fd && n < UDP_BATCH / 2; i++)
			run[n++] = w->tx[i].d;
		send_run(w, fd, run, n);
	}
	w->ntx = 0;
	w->ncontrol = 0;
}

void worker_flush(struct worker *w)
{
	flush_datagrams(w);
	if (w->audited)
		daemon_wake(w->daemon);
	w->audited = false;
}

static int socket_of(const struct worker *w, const struct route *to)
{
	if (w->client)
		return client_shell_fd(w->client, to->socket);
	return to->socket < w->nlisteners ? w->listeners[to->socket].fd : -1;
}

static void io_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len)
{
	struct worker *w = ctx;
	const int fd = socket_of(w, to);
	struct udp_datagram *d;

	if (fd < 0 || len > UDP_BUFFER) {
		engine_count(w->engine, COUNT_DROP_SOCKET_ERROR, 1);
		return;
	}
	if (w->ntx == WORKER_TX || w->ncontrol == WORKER_CONTROL_SLOTS)
		flush_datagrams(w);
	d = &w->tx[w->ntx].d;
	w->tx[w->ntx++].fd = fd;
	*d = (struct udp_datagram){ .len = len, .remote = to->remote, .local = to->local };
	if (in_slab(datagram, w->tun_slab, (size_t)TUN_BATCH * TUN_BUFFER)) {
		d->data = (uint8_t *)(uintptr_t)datagram;
	} else {
		d->data = w->control_slab + w->ncontrol++ * UDP_BUFFER;
		memcpy(d->data, datagram, len);
	}
}

static void io_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	struct worker *w = ctx;

	if (tun_write(w->tun_fd, packet, len) < 0)
		engine_count(w->engine, COUNT_DROP_TUN_FULL, 1);
}

static void io_audit(void *ctx, const struct audit_record *r)
{
	struct worker *w = ctx;

	audit_push(w->audit, r);
	w->audited = true;
}

static void io_random(void *ctx, void *out, size_t len)
{
	struct worker *w = ctx;
	uint8_t *p = out;

	while (len > 0) {
		size_t n;

		if (w->random_left == 0) {
			if (getrandom(w->random, sizeof(w->random), 0) != (ssize_t)sizeof(w->random))
				bug("getrandom: %s", strerror(errno));
			w->random_left = sizeof(w->random);
		}
		n = len < w->random_left ? len : w->random_left;
		w->random_left -= n;
		memcpy(p, w->random + w->random_left, n);
		memset(w->random + w->random_left, 0, n); /* handed out once, kept by nobody */
		p += n;
		len -= n;
	}
}

static void work_run(uv_work_t *req)
{
	struct work *work = container_of(req, struct work, req);

	job_run(work->job);
}

static void work_done(uv_work_t *req, int status)
{
	struct work *work = container_of(req, struct work, req);
	struct worker *w = work->worker;

	(void)status;
	w->jobs--;
	engine_job_done(w->engine, work->job, worker_now());
	worker_flush(w);
	free(work);
}

static void io_job(void *ctx, struct job *j)
{
	struct worker *w = ctx;
	struct work *work = malloc(sizeof(*work));

	if (!work)
		bug("no memory for a key agreement");
	work->worker = w;
	work->job = j;
	w->jobs++;
	uv_queue_work(&w->loop, &work->req, work_run, work_done);
}

static void io_forward(void *ctx, uint32_t worker, struct job *j)
{
	struct worker *w = ctx;
	struct worker *home = daemon_worker(w->daemon, worker);
	const struct message m = { .kind = MESSAGE_JOB, .job = j };

	if (!ring_push(home->mail[w->index], &m)) {
		engine_count(w->engine, COUNT_HELLO_BUSY, 1);
		job_free(j);
		return;
	}
	uv_async_send(&home->wake);
}

static void io_jump_done(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms)
{
	struct worker *w = ctx;
	const struct message m = { .kind = MESSAGE_JUMP, .worker = w->index, .token = token, .reason = why,
				   .retry_after_ms = retry_after_ms };

	daemon_answer(w->daemon, w, &m);
}

/* --- packets --- */

static void hand_over(struct worker *w, uint32_t to, bool inner, const struct route *from, const uint8_t *data, size_t len)
{
	struct worker *home = daemon_worker(w->daemon, to);
	struct handover *h = len <= PACKET_MAX ? ring_reserve(home->packets[w->index]) : NULL;

	if (!h) {
		engine_count(w->engine, COUNT_DROP_RING_FULL, 1);
		return;
	}
	h->inner = inner;
	h->len = (uint16_t)len;
	if (from)
		h->from = *from;
	memcpy(h->data, data, len);
	ring_publish(home->packets[w->index]);
	uv_async_send(&home->wake);
}

static void take_handovers(struct worker *w, struct jv_time now)
{
	for (uint32_t i = 0; i < w->workers; i++) {
		struct handover *h;

		while (w->packets[i] && (h = ring_peek(w->packets[i]))) {
			if (h->inner)
				engine_inner(w->engine, h->data, h->len, now);
			else
				engine_datagram(w->engine, &h->from, h->data, h->len, now);
			/* What was sealed in the ring's slot was copied by io_send(). */
			ring_release(w->packets[i]);
		}
	}
}

static void datagram_received(struct worker *w, uint32_t socket, struct udp_datagram *d, struct jv_time now)
{
	struct route from = { .socket = socket, .remote = d->remote };
	uint32_t home;

	if (d->truncated) {
		engine_count(w->engine, COUNT_DROP_MALFORMED, 1);
		return;
	}
	if (!w->client)
		from.local = d->local;
	home = w->client ? w->index : engine_datagram_home(w->engine, d->data, d->len);
	if (home == w->index)
		engine_datagram(w->engine, &from, d->data, d->len, now);
	else
		hand_over(w, home, false, &from, d->data, d->len);
}

static void socket_readable(uv_poll_t *poll, int status, int events)
{
	struct worker_socket *s = container_of(poll, struct worker_socket, poll);
	struct worker *w = s->worker;

	(void)events;
	/* libuv stops polling a socket with a pending error (an ICMP message, say); reading clears it. */
	if (status < 0 && s->open)
		uv_poll_start(poll, UV_READABLE, socket_readable);
	for (int turn = 0; turn < SOCKET_BATCHES && s->open; turn++) {
		const uint32_t id = s->id;
		int n = udp_receive(s->fd, w->rx, UDP_BATCH);
		struct jv_time now;

		if (n < 0) {
			client_shell_socket_error(w->client, id, n);
			continue;
		}
		now = worker_now();
		for (int i = 0; i < n; i++)
			datagram_received(w, id, &w->rx[i], now);
		worker_flush(w);
		if (n < UDP_BATCH)
			break;
	}
}

int worker_socket_start(struct worker *w, struct worker_socket *s)
{
	int rc = uv_poll_init(&w->loop, &s->poll, s->fd);

	if (rc < 0)
		return rc;
	s->worker = w;
	s->open = true;
	return uv_poll_start(&s->poll, UV_READABLE, socket_readable);
}

static void tun_readable(uv_poll_t *poll, int status, int events)
{
	struct worker *w = container_of(poll, struct worker, tun_poll);
	struct jv_time now = worker_now();

	(void)status;
	(void)events;
	for (size_t i = 0; i < TUN_BATCH; i++) {
		uint8_t *packet = w->tun_slab + i * TUN_BUFFER + PROTO_HEADER_LEN;
		int n = tun_read(w->tun_fd, packet, PROTO_MTU_MAX + 80);
		uint32_t home;

		if (n <= 0)
			break;
		home = engine_inner_home(w->engine, packet, (size_t)n);
		if (home == w->index)
			engine_inner(w->engine, packet, (size_t)n, now);
		else
			hand_over(w, home, true, NULL, packet, (size_t)n);
	}
	worker_flush(w);
}

/* --- messages --- */

static void report_make(struct worker *w, struct worker_report *r)
{
	const size_t n = engine_session_count(w->engine);

	r->sessions = n > 0 ? calloc(n, sizeof(*r->sessions)) : NULL;
	r->n = r->sessions ? engine_info(w->engine, r->sessions, n, worker_now()) : 0;
	r->counters = *engine_counters(w->engine);
}

static void close_walked(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void message_received(struct worker *w, struct message *m)
{
	const struct jv_time now = worker_now();

	switch (m->kind) {
	case MESSAGE_CONFIGURE:
		engine_configure(w->engine, m->config, now);
		w->config = m->config;
		if (w->client)
			client_shell_configure(w->client, m->config);
		break;
	case MESSAGE_INFO:
		report_make(w, m->report);
		break;
	case MESSAGE_JUMP:
		engine_jump(w->engine, m->id, m->path, m->token, now);
		return; /* io_jump_done() answers */
	case MESSAGE_TERMINATE:
		m->reason = engine_terminate(w->engine, m->id, now) ? REASON_NONE : REASON_UNKNOWN_SESSION;
		break;
	case MESSAGE_JOB:
		engine_job_done(w->engine, m->job, now);
		return;
	case MESSAGE_STOP:
		engine_shutdown(w->engine, now);
		w->stopping = true;
		break;
	}
	worker_flush(w);
	if (m->kind != MESSAGE_STOP)
		daemon_answer(w->daemon, w, m);
}

static void woken(uv_async_t *a)
{
	struct worker *w = container_of(a, struct worker, wake);
	struct message m;

	while (ring_pop(w->inbox, &m))
		message_received(w, &m);
	for (uint32_t i = 0; i < w->workers; i++)
		while (w->mail[i] && ring_pop(w->mail[i], &m))
			message_received(w, &m);
	take_handovers(w, worker_now());
	worker_flush(w);
}

bool worker_post(struct worker *w, const struct message *m)
{
	if (!ring_push(w->inbox, m))
		return false;
	uv_async_send(&w->wake);
	return true;
}

/* --- the turn of the loop: timers run after what the network had waiting has been taken in, so that a late
 * turn does not take an answer that is already here for silence --- */

static void timer_noop(uv_timer_t *t)
{
	(void)t;
}

static void before_poll(uv_prepare_t *p)
{
	struct worker *w = container_of(p, struct worker, prepare);
	const struct jv_time now = worker_now();

	atomic_fetch_add_explicit(&w->beats, 1, memory_order_relaxed);
	w->due = engine_next(w->engine);
	if (w->stopping && w->jobs == 0) {
		if (w->client)
			client_shell_stop(w->client);
		uv_walk(&w->loop, close_walked, NULL);
		return;
	}
	if (time_is_never(w->due)) {
		uv_timer_stop(&w->timer);
		return;
	}
	uv_update_time(&w->loop);
	uv_timer_start(&w->timer, timer_noop, time_before(now, w->due) ? time_since_ms(w->due, now) + 1 : 0, 0);
}

static void after_poll(uv_check_t *c)
{
	struct worker *w = container_of(c, struct worker, check);
	const struct jv_time now = worker_now();

	if (time_before(now, w->due))
		return;
	engine_tick(w->engine, now);
	worker_flush(w);
}

static void thread_main(void *arg)
{
	struct worker *w = arg;
	struct message bye = { .kind = MESSAGE_STOP, .worker = w->index };

	if (w->client)
		client_shell_start(w->client);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	daemon_answer(w->daemon, w, &bye);
}

static void io_fill(struct engine_io *io)
{
	*io = (struct engine_io){
		.send = io_send,
		.deliver = io_deliver,
		.audit = io_audit,
		.job = io_job,
		.forward = io_forward,
		.random = io_random,
		.jump_done = io_jump_done,
	};
	client_shell_io(io);
}

static int buffers_init(struct worker *w)
{
	w->rx_slab = malloc((size_t)UDP_BATCH * UDP_BUFFER);
	w->tun_slab = malloc((size_t)TUN_BATCH * TUN_BUFFER);
	w->control_slab = malloc((size_t)WORKER_CONTROL_SLOTS * UDP_BUFFER);
	w->inbox = ring_new(256, sizeof(struct message));
	w->outbox = ring_new(256, sizeof(struct message));
	w->mail = calloc(w->workers, sizeof(*w->mail));
	w->packets = calloc(w->workers, sizeof(*w->packets));
	if (!w->rx_slab || !w->tun_slab || !w->control_slab || !w->inbox || !w->outbox || !w->mail || !w->packets)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->workers; i++) {
		if (i == w->index)
			continue;
		w->mail[i] = ring_new(256, sizeof(struct message));
		w->packets[i] = ring_new(256, sizeof(struct handover));
		if (!w->mail[i] || !w->packets[i])
			return -ENOMEM;
	}
	for (size_t i = 0; i < UDP_BATCH; i++)
		w->rx[i].data = w->rx_slab + i * UDP_BUFFER;
	return 0;
}

static int handles_init(struct worker *w)
{
	int rc;

	rc = uv_loop_init(&w->loop);
	if (rc < 0)
		return rc;
	uv_async_init(&w->loop, &w->wake, woken);
	uv_timer_init(&w->loop, &w->timer);
	uv_prepare_init(&w->loop, &w->prepare);
	uv_prepare_start(&w->prepare, before_poll);
	uv_check_init(&w->loop, &w->check);
	uv_check_start(&w->check, after_poll);
	rc = uv_poll_init(&w->loop, &w->tun_poll, w->tun_fd);
	if (rc == 0)
		rc = uv_poll_start(&w->tun_poll, UV_READABLE, tun_readable);
	for (size_t i = 0; rc == 0 && i < w->nlisteners; i++)
		rc = worker_socket_start(w, &w->listeners[i]);
	return rc;
}

int worker_init(struct worker *w)
{
	struct engine_setup setup = {
		.ctx = w,
		.config = w->config,
		.worker = w->index,
		.workers = w->workers,
		.max_sessions = DAEMON_MAX_SESSIONS,
		.key_cache = w->config->role == ROLE_CLIENT ? 16 : DAEMON_KEY_CACHE,
		.hardware_aes = crypto_has_aes(),
	};
	int rc;

	io_fill(&setup.io);
	rc = buffers_init(w);
	if (rc == 0)
		rc = handles_init(w);
	if (rc < 0)
		return rc;
	w->engine = engine_new(&setup, worker_now());
	if (!w->engine)
		return -ENOMEM;
	if (w->config->role == ROLE_CLIENT)
		w->client = client_shell_new(w);
	return w->config->role == ROLE_CLIENT && !w->client ? -ENOMEM : 0;
}

int worker_start(struct worker *w)
{
	return uv_thread_create(&w->thread, thread_main, w);
}

void worker_fini(struct worker *w)
{
	engine_free(w->engine);
	client_shell_free(w->client);
	for (uint32_t i = 0; i < w->workers; i++) {
		if (w->mail && w->mail[i])
			ring_free(w->mail[i]);
		if (w->packets && w->packets[i])
			ring_free(w->packets[i]);
	}
	if (w->inbox)
		ring_free(w->inbox);
	if (w->outbox)
		ring_free(w->outbox);
	free(w->mail);
	free(w->packets);
	free(w->rx_slab);
	free(w->tun_slab);
	free(w->control_slab);
	uv_loop_close(&w->loop);
}
