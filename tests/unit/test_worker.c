/*
 * Workers with a scripted engine: real loops, threads, sockets and rings; the tunnel queue is a socket pair.
 * What surfaces at the wrong worker arrives whole at the right one, whatever its size; every question is
 * answered once; stopping leaves nothing behind.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/tun.h"
#include "session/info.h"
#include "worker/affinity.h"
#include "worker/in.h"
#include "worker/outside.h"
#include "worker/paths.h"
#include "worker/clock.h"
#include "worker/pool.h"
#include "worker/resolv.h"
#include "worker/worker.h"

#define WORKERS 2

/* --- the daemon: answers come here --- */

struct daemon {
	struct worker w[WORKERS];
	struct engine *e[WORKERS];
	struct config config;
	struct pool *pool;
	int tun[WORKERS]; /* our ends */
	int answer[2];    /* a byte for each wake-up */
};

static void wake(void *control)
{
	const struct daemon *d = control;

	(void)!write(d->answer[1], "", 1);
}

/* Waits for the next answer of a worker. */
static struct message answer_of(struct daemon *d, uint32_t i)
{
	struct message m;
	char byte;

	while (!ring_pop(d->w[i].outbox, &m)) {
		struct pollfd p = { .fd = d->answer[0], .events = POLLIN };

		assert_int_equal(poll(&p, 1, 20000), 1);
		assert_int_equal(read(d->answer[0], &byte, 1), 1);
	}
	if (m.kind != MESSAGE_LOST)
		d->w[i].asked--;
	return m;
}

/* --- the engine: writes down what it gets, and does what the first byte says --- */

enum { DO_ECHO = 1, DO_DELIVER = 2, DO_JOB = 3, DO_FORWARD = 4, DO_CALL = 5 };

struct seen {
	bool inner;
	uint8_t first;
	size_t len;
	uint32_t sum;
};

struct engine {
	struct engine_setup setup;
	struct ring *seen; /* to the test */
	struct counters counters;
	struct jv_time next;
	unsigned int ticks, shutdowns, clonings;
	_Atomic unsigned int jobs_done;
	bool job_ok;
	uint64_t orders[8];
	size_t norders;
	size_t announced, handed_in; /* datagrams that engine_ahead() takes: there, and afterwards */
	_Atomic bool unannounced;
};

static _Atomic unsigned int jobs_alive, jobs_ran;
static pthread_barrier_t *jobs_meet; /* each waits there for another one */

static struct { /* DO_CALL: this datagram is sent, and waits for the worker before it looks again */
	int fd;
	struct udp_datagram d;
} call;

void job_run(struct job *j)
{
	if (jobs_meet)
		pthread_barrier_wait(jobs_meet);
	jobs_ran++;
	j->ok = true;
}

void job_free(struct job *j)
{
	jobs_alive--;
	free(j);
}

static struct job *job_make(void)
{
	struct job *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	jobs_alive++;
	return j;
}

struct engine *engine_new(const struct engine_setup *setup, struct jv_time now)
{
	struct daemon *d = ((struct worker *)setup->ctx)->control;
	struct engine *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->setup = *setup;
	e->seen = ring_new(4096, sizeof(struct seen));
	e->next = TIME_NEVER;
	d->e[setup->worker] = e;
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	ring_free(e->seen);
	free(e);
}

static uint32_t sum_of(const uint8_t *p, size_t len)
{
	uint32_t sum = 1;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static void see(struct engine *e, bool inner, const uint8_t *p, size_t len)
{
	const struct seen s = { .inner = inner, .first = p[0], .len = len, .sum = sum_of(p, len) };

	ring_push(e->seen, &s);
}

/* What had room and was refused leaves nothing behind, whatever is delivered next and from where. */
static void deliver_twice(struct engine *e, const uint8_t *p, size_t len)
{
	const struct engine_io *io = &e->setup.io;
	uint8_t *room;

	memset(io->room(e->setup.ctx), 0xaa, len);
	io->deliver(e->setup.ctx, p, len);
	memset(io->room(e->setup.ctx), 0xaa, len);
	room = io->room(e->setup.ctx);
	memcpy(room, p, len);
	io->deliver(e->setup.ctx, room, len);
}

void engine_datagram(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *p, size_t len,
		     struct jv_time now)
{
	uint8_t copy[256];

	if (len >= PROTO_OVERHEAD && ++e->handed_in > e->announced)
		e->unannounced = true;
	see(e, false, p, len);
	if (p[0] == DO_ECHO)
		e->setup.io.send(e->setup.ctx, from, p, len, ecn);
	if (p[0] == DO_DELIVER)
		deliver_twice(e, p, len);
	if (p[0] == DO_JOB)
		e->setup.io.job(e->setup.ctx, job_make());
	if (p[0] == DO_FORWARD)
		e->setup.io.forward(e->setup.ctx, 1 - e->setup.worker, job_make());
	if (p[0] == DO_CALL)
		udp_send(call.fd, &call.d, 1, &(int){ 0 });
	if (p[0] == DO_ECHO && len < sizeof(copy)) {
		/* The engine's own buffer is gone by the time the datagram leaves. */
		memcpy(copy, p, len);
		e->setup.io.send(e->setup.ctx, from, copy, len, ecn);
		memset(copy, 0xee, sizeof(copy));
		memset(p, 0xdd, len);
	}
}

void engine_ahead(const struct engine *e, const uint8_t *const datagram[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		((struct engine *)(uintptr_t)e)->announced += datagram[i] != NULL;
}

void engine_datagrams(struct engine *e, const struct route *from, uint8_t ecn, uint8_t *run, size_t len,
		      size_t segment, struct jv_time now)
{
	for (size_t at = 0; at < len; at += segment)
		engine_datagram(e, from, ecn, run + at, len - at < segment ? len - at : segment, now);
}

void engine_inner(struct engine *e, uint8_t *p, size_t len, struct jv_time now)
{
	see(e, true, p, len);
}

void engine_inner_run(struct engine *e, struct inner_run *r, struct jv_time now)
{
	size_t len;
	uint8_t *p;

	while ((p = r->next(r, &len)))
		engine_inner(e, p, len, now);
}

size_t engine_inner_fits(const struct engine *e, const uint8_t *p, size_t len)
{
	return PROTO_MTU_MAX;
}

/* The second byte says whose it is. */
uint32_t engine_inner_home(const struct engine *e, const uint8_t *p, size_t len)
{
	return p[1] % WORKERS;
}

uint32_t engine_datagram_home(const struct engine *e, const uint8_t *p, size_t len)
{
	return p[1] % WORKERS;
}

void engine_job_done(struct engine *e, struct job *j, struct jv_time now)
{
	e->jobs_done++;
	e->job_ok = j->ok;
	job_free(j);
}

void engine_tick(struct engine *e, struct jv_time now)
{
	e->ticks++;
	e->next = TIME_NEVER;
	e->setup.io.jump_done(e->setup.ctx, 77, REASON_NONE, e->ticks);
}

struct jv_time engine_next(const struct engine *e)
{
	return e->next;
}

/* Tells the test when a tick is wanted. */
void resolv_finish(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_DEFAULT);
}

void engine_configure(struct engine *e, const struct config *config, struct engine_peers *peers,
		      struct jv_time now)
{
	e->next = time_add_ms(now, config->generation);
}

void engine_cloned(struct engine *e, struct jv_time now)
{
	(void)now;
	e->clonings++;
}

void engine_shutdown(struct engine *e, struct jv_time now)
{
	e->shutdowns++;
	for (size_t i = 0; i < e->norders; i++)
		e->setup.io.jump_done(e->setup.ctx, e->orders[i], REASON_OPERATOR_TERMINATED, 0);
}

void engine_jump(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], uint8_t number, uint64_t token,
		 struct jv_time now)
{
	if (number == 0)
		e->setup.io.jump_done(e->setup.ctx, token, REASON_NONE, 0);
	else
		e->orders[e->norders++] = token;
}

bool engine_terminate(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], struct jv_time now)
{
	return id[0] % WORKERS == e->setup.worker;
}

bool engine_rekey(struct engine *e, const uint8_t id[PROTO_SESSION_ID_LEN], struct jv_time now)
{
	return id[0] % WORKERS != e->setup.worker;
}

size_t engine_session_count(const struct engine *e)
{
	return 3;
}

uint64_t engine_session_bytes(const struct engine *e)
{
	return 0;
}

const uint32_t *engine_states(const struct engine *e)
{
	static const uint32_t states[STATE_COUNT] = { [STATE_ATTACHED] = 3 };

	return states;
}

bool engine_own(struct engine *e, struct session_info *out, struct jv_time now)
{
	return false;
}

/* One in each step. */
size_t engine_walk(struct engine *e, struct walk *w, const char *wanted, struct session_info *out, size_t max,
		   struct jv_time now)
{
	memset(out, 0, sizeof(*out));
	out->worker = (uint8_t)e->setup.worker;
	w->done = w->begun;
	w->begun = true;
	return 1;
}

void walk_stop(struct walk *w)
{
	w->done = true;
}

const struct counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}

void engine_pressed(struct engine *e, struct jv_time now)
{
}

void engine_count(struct engine *e, enum counter c, uint64_t n)
{
	e->counters.n[c] += n;
}

bool crypto_has_aes(void)
{
	return true;
}

void audit_push(struct audit_ring *r, const struct audit_record *rec)
{
}

int paths_new(struct paths **out, struct worker *w)
{
	return -ENOSYS;
}

void paths_free(struct paths *c)
{
}

void paths_start(struct paths *c)
{
}

void paths_stop(struct paths *c)
{
}

void paths_configure(struct paths *c, const struct config *config)
{
}

void paths_io(struct engine_io *io)
{
}

void paths_count(struct paths *c)
{
}

char *paths_names(const struct paths *c)
{
	(void)c;
	return NULL;
}

const char *paths_trouble(const struct paths *c)
{
	return "";
}

void engine_path_error(struct engine *e, uint32_t socket, int error)
{
	(void)e;
	(void)socket;
	(void)error;
}

/* --- a kernel that refuses what is more than one packet --- */

static _Atomic int refuse_supers, refuse_runs; /* with this error */
static _Atomic unsigned int supers_offered, runs_offered;

int __real_tun_write(int fd, bool header, const uint8_t *packet, size_t len);
int __wrap_tun_write(int fd, bool header, const uint8_t *packet, size_t len);
int __real_udp_send(int fd, const struct udp_datagram *d, size_t n, int *error);
int __wrap_udp_send(int fd, const struct udp_datagram *d, size_t n, int *error);

int __wrap_tun_write(int fd, bool header, const uint8_t *packet, size_t len)
{
	struct vnet_header v;

	memcpy(&v, packet, sizeof(v));
	supers_offered += vnet_is_super(&v);
	if (refuse_supers && vnet_is_super(&v))
		return -refuse_supers;
	return __real_tun_write(fd, header, packet, len);
}

int __wrap_udp_send(int fd, const struct udp_datagram *d, size_t n, int *error)
{
	for (size_t i = 0; i < n; i++) {
		if (d[i].segment == 0 || d[i].len <= d[i].segment)
			continue;
		runs_offered++;
		if (!refuse_runs)
			continue;
		n = i > 0 ? (size_t)__real_udp_send(fd, d, i, error) : 0;
		*error = refuse_runs;
		return (int)n;
	}
	return __real_udp_send(fd, d, n, error);
}

/* --- set-up --- */

static struct daemon *daemon_new(void)
{
	static const uint8_t zeroes[32];
	struct daemon *d = calloc(1, sizeof(*d));
	struct endpoint e = { .port = 0 };

	assert_non_null(d);
	assert_int_equal(pipe(d->answer), 0);
	assert_int_equal(pool_new(&d->pool, 2), 0);
	assert_true(ip_parse("127.0.0.1", &e.ip));
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct worker *w = &d->w[i];
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
				 0);
		d->tun[i] = pair[0];
		w->wake_control = wake;
		w->control = d;
		w->siblings = d->w;
		w->pool = d->pool;
		w->tunnel = "none";
		w->machine = w->cookie_seed = zeroes;
		w->index = i;
		w->cpu = AFFINITY_ANY;
		w->workers = WORKERS;
		w->config = &d->config;
		w->tun_fd = pair[1];
		w->tun_index = -1;
		w->tun_header = true;
		w->nlisteners = 1;
		w->listeners = calloc(1, sizeof(*w->listeners));
		w->listeners[0].fd = udp_open_listener(&e);
		assert_true(w->listeners[0].fd >= 0);
		assert_int_equal(worker_init(w), 0);
	}
	return d;
}

static void go(struct worker *w)
{
	assert_int_equal(worker_create(w), 0);
	worker_start(w);
}

static int set_up(void **state)
{
	struct daemon *d = daemon_new();

	*state = d;
	jobs_alive = jobs_ran = 0;
	for (uint32_t i = 0; i < WORKERS; i++)
		go(&d->w[i]);
	return 0;
}

static void halt(struct daemon *d)
{
	const struct message stop = { .kind = MESSAGE_STOP };

	for (uint32_t i = 0; i < WORKERS; i++)
		if (d->w[i].running)
			assert_true(worker_post(&d->w[i], &stop));
	for (uint32_t i = 0; i < WORKERS; i++)
		if (d->w[i].running)
			worker_join(&d->w[i]);
}

static void finish(struct daemon *d)
{
	pool_free(d->pool);
	for (uint32_t i = 0; i < WORKERS; i++) {
		assert_true(worker_fini(&d->w[i]));
		close(d->w[i].listeners[0].fd);
		close(d->w[i].tun_fd);
		close(d->tun[i]);
		free(d->w[i].listeners);
		if (d->w[i].hellos)
			close(d->w[i].hellos[0].fd);
		free(d->w[i].hellos);
	}
	close(d->answer[0]);
	close(d->answer[1]);
	free(d);
	assert_int_equal(jobs_alive, 0);
}

static int tear_down(void **state)
{
	struct daemon *d = *state;

	halt(d);
	finish(d);
	return 0;
}

/* Waits until worker `i` has seen something. */
static struct seen seen_by(struct daemon *d, uint32_t i)
{
	struct seen s;

	for (int ms = 0; !ring_pop(d->e[i]->seen, &s); ms++) {
		assert_true(ms < 20000);
		poll(NULL, 0, 1);
	}
	return s;
}

static void fill(uint8_t *p, size_t len, uint8_t what, uint8_t home)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + len);
	p[0] = what;
	p[1] = home;
}

/* --- packets --- */

/* As the kernel gives it to queue 0. */
static size_t tun_send(struct daemon *d, uint8_t *packet, size_t len)
{
	struct vnet_header plain = { .gso_type = 0 };
	struct iovec iov[] = { { &plain, sizeof(plain) }, { packet, len } };
	ssize_t sent = writev(d->tun[0], iov, 2);

	return sent < 0 ? 0 : (size_t)sent - sizeof(plain);
}

static void test_inner_packet_at_the_wrong_worker(void **state)
{
	static const size_t lengths[] = { 40, 1420, 2048, 2049, PROTO_MTU_MAX, TUN_PACKET };
	struct daemon *d = *state;
	uint8_t packet[TUN_PACKET];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct seen s;

		for (uint8_t home = 0; home < WORKERS; home++) {
			fill(packet, lengths[i], 0, home);
			assert_int_equal(tun_send(d, packet, lengths[i]), lengths[i]);
			s = seen_by(d, home);
			assert_true(s.inner);
			assert_int_equal(s.len, lengths[i]);
			assert_int_equal(s.sum, sum_of(packet, lengths[i]));
		}
	}
}

static int dial(struct daemon *d, struct endpoint *to)
{
	int fd = udp_open_path(&(struct udp_path){ .interface = "", .v4 = true });

	assert_true(fd >= 0);
	assert_int_equal(udp_local(d->w[0].listeners[0].fd, to), 0);
	return fd;
}

static void send_to(int fd, const struct endpoint *to, uint8_t *data, size_t len)
{
	struct udp_datagram d = { .data = data, .len = len, .remote = *to };
	int error;

	assert_int_equal(udp_send(fd, &d, 1, &error), 1);
}

/* Each that is long enough, and the whole batch before the first of it is handed in. */
static void test_announced(void **state)
{
	struct daemon *d = *state;
	struct endpoint to;
	uint8_t packet[PROTO_OVERHEAD];
	const int fd = dial(d, &to);

	for (unsigned int i = 0; i < 40; i++) {
		const size_t len = i % 4 == 3 ? PROTO_OVERHEAD - 1 : PROTO_OVERHEAD;

		fill(packet, len, 0, 0);
		send_to(fd, &to, packet, len);
	}
	for (unsigned int i = 0; i < 40; i++)
		seen_by(d, 0);
	halt(d);
	assert_int_equal(d->e[0]->announced, 30);
	assert_false(d->e[0]->unannounced);
	close(fd);
}

static void test_datagram_at_the_wrong_worker(void **state)
{
	static const size_t lengths[] = { 32, 1452, 2049, UDP_BUFFER };
	struct daemon *d = *state;
	uint8_t data[UDP_BUFFER];
	struct endpoint to;
	int fd = dial(d, &to);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (uint8_t home = 0; home < WORKERS; home++) {
			struct seen s;

			fill(data, lengths[i], 0, home);
			send_to(fd, &to, data, lengths[i]);
			s = seen_by(d, home);
			assert_false(s.inner);
			assert_int_equal(s.len, lengths[i]);
			assert_int_equal(s.sum, sum_of(data, lengths[i]));
		}
	close(fd);
}

/* A run of datagrams may hold some for each worker: each gets its own, in order, and the short one at the end. */
static void test_run_for_both_workers(void **state)
{
	enum { N = 24, LEN = 64 };
	static const uint8_t home[N] = { 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1 };
	struct daemon *d = *state;
	uint8_t data[N][LEN];
	struct udp_datagram run = { .data = data[0], .len = sizeof(data) - 10, .segment = LEN };
	uint32_t sum[N];
	int fd = dial(d, &run.remote), error;

	for (size_t i = 0; i < N; i++) {
		fill(data[i], LEN, 0, home[i]);
		data[i][2] = (uint8_t)i;
		sum[i] = sum_of(data[i], i == N - 1 ? LEN - 10 : LEN);
	}
	assert_int_equal(udp_send(fd, &run, 1, &error), 1);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(seen_by(d, home[i]).sum, sum[i]);
	close(fd);
}

/* Longer than any datagram of ours: counted, seen by nobody. */
static void test_datagram_too_long(void **state)
{
	struct daemon *d = *state;
	uint8_t data[UDP_BUFFER + 1];
	struct endpoint to;
	int fd = dial(d, &to);

	fill(data, sizeof(data), 0, 0);
	send_to(fd, &to, data, sizeof(data));
	fill(data, 100, 0, 0);
	send_to(fd, &to, data, 100);
	assert_int_equal(seen_by(d, 0).len, 100);
	assert_int_equal(d->e[0]->counters.n[COUNT_DROP_MALFORMED], 1);
	close(fd);
}

/* What the engine sends may stand in any buffer of its own, which it uses again at once. */
static void test_sent_datagrams_are_kept(void **state)
{
	struct daemon *d = *state;
	static uint8_t room[UDP_ROOM];
	uint8_t data[200];
	struct udp_datagram in = { .data = room };
	struct endpoint to;
	int fd = dial(d, &to);

	fill(data, sizeof(data), DO_ECHO, 1); /* by way of the ring */
	send_to(fd, &to, data, sizeof(data));
	for (int i = 0; i < 2; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 20000), 1);
		assert_int_equal(udp_receive(fd, &in, 1), 1);
		assert_int_equal(in.len, sizeof(data));
		assert_memory_equal(room, data, sizeof(data));
	}
	close(fd);
}

/* ECN comes in and goes out with its datagram, handed over or not, and no run holds two kinds. */
static void test_ecn(void **state)
{
	struct daemon *d = *state;
	static uint8_t room[UDP_ROOM];
	uint8_t data[16][64];
	struct udp_datagram out[16], in = { .data = room };
	struct endpoint to;
	int fd = dial(d, &to), error;

	for (uint8_t i = 0; i < 16; i++) {
		fill(data[i], sizeof(data[i]), DO_ECHO, (uint8_t)(i / 8));
		data[i][2] = i % 4;
		out[i] = (struct udp_datagram){
			.data = data[i], .len = sizeof(data[i]), .remote = to, .ecn = i % 4
		};
	}
	assert_int_equal(udp_send(fd, out, 16, &error), 16);
	for (int i = 0; i < 32; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 20000), 1);
		assert_int_equal(udp_receive(fd, &in, 1), 1);
		assert_int_equal(in.len, sizeof(data[0]));
		assert_int_equal(in.ecn, room[2]);
	}
	close(fd);
}

/* One send for a run: only what stands side by side, on its way to the same place and with the same ECN field, joins it. */
static void test_runs(void **state)
{
	static const struct {
		unsigned int how;
		size_t tx; /* runs, with this one */
	} steps[] = {
		{ 0, 1 }, { 0, 1 }, { 1, 2 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 3, 4 }, { 0, 5 },
		{ SEND_WHOLE, 6 }, { SEND_WHOLE, 7 }, { 0, 8 }, { 0, 8 }, { SEND_SINGLY, 9 }, { SEND_SINGLY, 10 },
		{ 0, 11 },
	};
	struct daemon *d = daemon_new();
	struct worker *w = &d->w[0];
	const struct engine_setup *engine = &d->e[0]->setup;
	uint8_t data[64] = { 0 };
	struct route to = { .socket = 0 };

	w->runs = true;
	to.remote.port = 9;
	assert_true(ip_parse("127.0.0.1", &to.remote.ip));
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		engine->io.send(engine->ctx, &to, data, sizeof(data), steps[i].how);
		assert_int_equal(w->ntx, steps[i].tx);
		assert_int_equal(w->tx[w->ntx - 1].d.ecn, steps[i].how & SEND_ECN);
		assert_int_equal(w->tx[w->ntx - 1].d.whole, (steps[i].how & SEND_WHOLE) != 0);
	}
	to.remote.port = 10;
	engine->io.send(engine->ctx, &to, data, sizeof(data), 0);
	assert_int_equal(w->ntx, 12);
	finish(d);
}

/* What stands is not copied, and leaves when the engine is about to write over it. */
static void test_standing(void **state)
{
	static uint8_t data[3][1000];
	struct daemon *d = daemon_new();
	struct worker *w = &d->w[0];
	const struct engine_setup *engine = &d->e[0]->setup;
	struct route to = { .socket = 0 };

	w->runs = true;
	assert_int_equal(udp_local(w->listeners[0].fd, &to.remote), 0);
	engine->io.send(engine->ctx, &to, data[0], sizeof(data[0]), SEND_STANDS);
	engine->io.send(engine->ctx, &to, data[1], sizeof(data[1]), SEND_STANDS);
	assert_int_equal(w->ntx, 1);
	assert_ptr_equal(w->tx[0].d.data, data);
	assert_int_equal(w->tx[0].d.len, 2 * sizeof(data[0]));
	engine->io.send(engine->ctx, &to, data[2], sizeof(data[2]), 0); /* a neighbour by chance: it will not stand */
	assert_int_equal(w->ntx, 2);
	assert_int_equal(w->copied, sizeof(data[2]));
	engine->io.flush(engine->ctx);
	assert_int_equal(w->ntx + w->copied, 0);
	finish(d);
}

static void test_delivered(void **state)
{
	struct daemon *d = *state;
	uint8_t data[UDP_BUFFER], room[sizeof(struct vnet_header) + UDP_BUFFER];
	struct endpoint to;
	struct pollfd p = { .fd = d->tun[1], .events = POLLIN };
	int fd = dial(d, &to);

	fill(data, sizeof(data), DO_DELIVER, 1);
	send_to(fd, &to, data, sizeof(data));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(poll(&p, 1, 20000), 1);
		assert_int_equal(recv(d->tun[1], room, sizeof(room), 0), sizeof(struct vnet_header) + sizeof(data));
		assert_memory_equal(room + sizeof(struct vnet_header), data, sizeof(data));
	}
	close(fd);
}

/* --- where only single packets go --- */

enum { SEGMENTS = 8, SEGMENT = 20 + 8 + 100 };

static void put_sum(uint8_t *at, const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

/* UDP over IPv4 */
static void segment_make(uint8_t p[SEGMENT], unsigned int number)
{
	static const uint8_t headers[28] = { 0x45, 0, 0, SEGMENT, 0,  0, 0x40, 0, 64, 17, 0, 0, 10, 8,
					     0,    1, 10, 8,       0, 2,  0,    7, 0,  9,  0, SEGMENT - 20 };

	memset(p, (int)number, SEGMENT);
	memcpy(p, headers, sizeof(headers));
	p[5] = (uint8_t)number;
	put_sum(p + 10, p, 20, 0);
	put_sum(p + 26, p + 12, SEGMENT - 12, 17 + SEGMENT - 20);
}

static void deliver_segments(struct daemon *d)
{
	const struct engine_io *io = &d->e[0]->setup.io;

	for (unsigned int i = 0; i < SEGMENTS; i++) {
		uint8_t *room = io->room(&d->w[0]);

		segment_make(room, i);
		io->deliver(&d->w[0], room, SEGMENT);
	}
	outside_flush(&d->w[0]);
}

/* What the device got: each packet by itself, its header in front or none, in order and whole. */
static void expect_segments(struct daemon *d, bool header)
{
	const size_t before = header ? sizeof(struct vnet_header) : 0;
	static const struct vnet_header none;
	uint8_t got[2048], want[SEGMENT];

	for (unsigned int i = 0; i < SEGMENTS; i++) {
		assert_int_equal(recv(d->tun[0], got, sizeof(got), 0), before + SEGMENT);
		segment_make(want, i);
		if (header)
			assert_memory_equal(got, &none, sizeof(none));
		assert_memory_equal(got + before, want, SEGMENT);
	}
	assert_int_equal(recv(d->tun[0], got, sizeof(got), 0), -1);
}

static void device_refuses(int error)
{
	struct daemon *d = daemon_new();
	struct worker *w = &d->w[0];

	w->merge_kinds = (struct merge_kinds){ true, true };
	supers_offered = 0;
	refuse_supers = error;
	deliver_segments(d);
	expect_segments(d, true);
	assert_int_equal(supers_offered, 1);
	assert_true(w->tun_singly);
	deliver_segments(d);
	expect_segments(d, true);
	assert_int_equal(supers_offered, 1); /* never again */
	assert_int_equal(d->e[0]->counters.n[COUNT_TUN_RUN_REFUSED], 1);
	assert_int_equal(d->e[0]->counters.n[COUNT_DROP_TUN_FULL], 0);
	refuse_supers = 0;
	finish(d);
}

static void test_device_refuses_supers(void **state)
{
	device_refuses(EINVAL);
	device_refuses(EIO);
}

/* A device that takes nothing at all is no reason to think so. */
static void test_device_is_down(void **state)
{
	struct daemon *d = daemon_new();
	struct worker *w = &d->w[0];
	int fd = w->tun_fd;

	w->merge_kinds = (struct merge_kinds){ true, true };
	refuse_supers = EIO;
	w->tun_fd = -1;
	deliver_segments(d);
	assert_int_equal(d->e[0]->counters.n[COUNT_DROP_TUN_FULL], SEGMENTS);
	assert_int_equal(d->e[0]->counters.n[COUNT_TUN_RUN_REFUSED], 0);
	assert_false(w->tun_singly);
	w->tun_fd = fd;
	refuse_supers = 0;
	finish(d);
}

/* tunnel.offload: off */
static void test_device_without_headers(void **state)
{
	struct daemon *d = daemon_new();
	struct tun_packet p;
	uint8_t want[SEGMENT];

	d->w[0].tun_header = false;
	deliver_segments(d);
	expect_segments(d, false);
	segment_make(want, 3);
	assert_int_equal(send(d->tun[0], want, sizeof(want), 0), sizeof(want));
	memset(&p, 0xff, sizeof(p));
	assert_int_equal(tun_read(d->w[0].tun_fd, false, &p), SEGMENT);
	assert_false(vnet_is_super(&p.vnet) || p.vnet.flags);
	assert_memory_equal(p.data, want, sizeof(want));
	finish(d);
}

static unsigned int received(int fd, struct udp_datagram *d, size_t len)
{
	unsigned int n = 0;

	for (int got; (got = udp_receive(fd, d, 1)) > 0;)
		n += (unsigned int)(d->len / len);
	return n;
}

/* Nothing of a run that was refused is lost, and no other is offered to that receiver for a while. */
static void runs_refused(int error)
{
	enum { N = 10, LEN = 64 };
	static uint8_t data[N * LEN], room[UDP_ROOM];
	struct daemon *d = daemon_new();
	struct worker *w = &d->w[0];
	const struct engine_io *io = &d->e[0]->setup.io;
	struct udp_datagram in = { .data = room };
	struct route to = { .socket = 0 };
	struct endpoint unused;
	int fd = dial(d, &unused);

	assert_int_equal(udp_local(fd, &to.remote), 0);
	assert_true(ip_parse("127.0.0.1", &to.remote.ip));
	w->runs = true;
	w->turn = clock_now();
	refuse_runs = error;
	runs_offered = 0;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < N; i++)
			io->send(w, &to, data + i * LEN, LEN, SEND_STANDS);
		outside_flush(w);
		assert_int_equal(received(fd, &in, LEN), N);
	}
	assert_int_equal(runs_offered, 1);
	assert_int_equal(d->e[0]->counters.n[COUNT_UDP_RUN_REFUSED], 1);
	assert_int_equal(d->e[0]->counters.n[COUNT_DROP_SOCKET_ERROR], 0);
	w->turn = time_add_ms(w->turn, REFUSED_MS);
	refuse_runs = 0;
	for (size_t i = 0; i < N; i++)
		io->send(w, &to, data + i * LEN, LEN, SEND_STANDS);
	assert_int_equal(w->ntx, 1);
	outside_flush(w);
	assert_int_equal(runs_offered, 2);
	assert_int_equal(received(fd, &in, LEN), N);
	close(fd);
	finish(d);
}

/* Kernels and drivers say it differently. */
static void test_runs_refused(void **state)
{
	static const int errors[] = { EIO, EINVAL, EMSGSIZE, EOPNOTSUPP };

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		runs_refused(errors[i]);
}

/* A socket for HELLOs beside the listener of worker 0, before that runs; and where it is. */
static struct worker_socket *open_hellos(struct daemon *d, struct endpoint *to)
{
	struct worker *w = &d->w[0];
	struct endpoint e = { .port = 0 };

	assert_true(ip_parse("127.0.0.1", &e.ip));
	w->hellos = calloc(1, sizeof(*w->hellos));
	assert_non_null(w->hellos);
	w->hellos[0].hellos = true;
	w->hellos[0].fd = udp_open_listener(&e);
	assert_true(w->hellos[0].fd >= 0);
	assert_int_equal(udp_local(w->hellos[0].fd, to), 0);
	assert_int_equal(in_socket_start(w, &w->hellos[0]), 0);
	return &w->hellos[0];
}

/* Sends what does not fit into the worker's socket, and looks where the rest is counted: there alone, and once. */
static void full_buffer_is_counted(bool hellos, enum counter there, enum counter not_there)
{
	enum { SENT = 300 };
	struct daemon *d = daemon_new();
	struct worker_report report = { .has_own = false };
	struct message m = { .kind = MESSAGE_COUNT, .report = &report };
	const int small = 1;
	uint8_t data[64];
	struct endpoint to, other;
	int fd = dial(d, &to), full = d->w[0].listeners[0].fd;
	uint64_t lost;

	if (hellos)
		full = open_hellos(d, &to)->fd;
	else
		open_hellos(d, &other);
	assert_int_equal(setsockopt(full, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	fill(data, sizeof(data), 0, 0);
	for (unsigned int i = 0; i < SENT; i++)
		send_to(fd, &to, data, sizeof(data));
	lost = udp_dropped(full);
	assert_true(lost > 0 && lost < SENT);
	go(&d->w[0]);
	for (unsigned int i = 0; i < SENT - lost; i++)
		seen_by(d, 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(worker_post(&d->w[0], &m));
		answer_of(d, 0);
		assert_int_equal(report.counters.n[there], lost);
		assert_int_equal(report.counters.n[not_there], 0);
	}
	halt(d);
	close(fd);
	finish(d);
}

/* What found the socket's buffer full never got as far as us, and is counted nevertheless: once. */
static void test_full_receive_buffer_is_counted(void **state)
{
	full_buffer_is_counted(false, COUNT_DROP_RECEIVE_FULL, COUNT_DROP_HELLO_FULL);
	full_buffer_is_counted(true, COUNT_DROP_HELLO_FULL, COUNT_DROP_RECEIVE_FULL);
	*state = NULL;
}

/* However many HELLOs wait: DATA that comes meanwhile has its turn after two of them. */
static void test_hellos_give_way(void **state)
{
	enum { HELLOS = 60, LEN = 64 };
	struct daemon *d = daemon_new();
	uint8_t hello[LEN], data[LEN - 1];
	struct endpoint to, hellos;
	int fd = dial(d, &to), in_a_row = 0, left = HELLOS;

	open_hellos(d, &hellos);
	fill(hello, sizeof(hello), DO_CALL, 0);
	fill(data, sizeof(data), 0, 0);
	call.fd = fd;
	call.d = (struct udp_datagram){ .data = data, .len = sizeof(data), .remote = to };
	for (int i = 0; i < HELLOS; i++)
		send_to(fd, &hellos, hello, sizeof(hello));
	go(&d->w[0]);
	while (left > 0) {
		const bool is_hello = seen_by(d, 0).len == sizeof(hello);

		left -= is_hello;
		in_a_row = is_hello ? in_a_row + 1 : 0;
		assert_in_range(in_a_row, 0, 2);
	}
	halt(d);
	close(fd);
	finish(d);
	*state = NULL;
}

/* A ring that nobody empties loses packets, counts each, and grows no further. */
static void test_full_ring_is_counted(void **state)
{
	struct daemon *d = daemon_new();
	uint8_t data[64];
	struct endpoint to;
	uint64_t lost;
	int fd;

	go(&d->w[0]); /* and not worker 1 */
	fd = dial(d, &to);
	for (unsigned int i = 0; i < 300; i++) {
		fill(data, sizeof(data), 0, 1);
		send_to(fd, &to, data, sizeof(data));
	}
	fill(data, sizeof(data), 0, 0);
	send_to(fd, &to, data, sizeof(data));
	seen_by(d, 0); /* the last one: the others have been dealt with */
	halt(d);
	lost = d->e[0]->counters.n[COUNT_DROP_RING_FULL];
	assert_int_equal(lost, 300 - 256);
	close(fd);
	finish(d);
	*state = NULL;
}

/* Large packets wait side by side in the ring, and none spills into the next. */
static void test_ring_of_large_packets(void **state)
{
	struct daemon *d = daemon_new();
	uint8_t packet[TUN_PACKET];
	uint32_t sum[20];

	go(&d->w[0]);
	for (size_t i = 0; i < 20; i++) {
		fill(packet, sizeof(packet), 0, 1);
		packet[2] = (uint8_t)i;
		sum[i] = sum_of(packet, sizeof(packet));
		assert_int_equal(tun_send(d, packet, sizeof(packet)), sizeof(packet));
		packet[1] = 0; /* and one to see that it has been dealt with */
		assert_int_equal(tun_send(d, packet, sizeof(packet)), sizeof(packet));
		seen_by(d, 0);
	}
	go(&d->w[1]);
	uv_async_send(&d->w[1].wake);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(seen_by(d, 1).sum, sum[i]);
	halt(d);
	finish(d);
}

/* --- questions --- */

static void test_every_question_is_answered_once(void **state)
{
	struct daemon *d = *state;
	struct worker_report report = { .has_own = false };
	struct message m = { .kind = MESSAGE_COUNT, .report = &report, .token = 1 };
	struct session_info row;
	struct worker_walk walk = { .rows = &row, .max = 1 };

	assert_true(worker_post(&d->w[1], &m));
	assert_int_equal(answer_of(d, 1).token, 1);
	assert_int_equal(report.by_state[STATE_ATTACHED], 3);
	assert_false(report.has_own);

	m = (struct message){ .kind = MESSAGE_WALK, .walk = &walk, .token = 1 };
	for (unsigned int i = 0; i < 2; i++) {
		assert_false(walk.at.done);
		assert_true(worker_post(&d->w[1], &m));
		assert_int_equal(answer_of(d, 1).token, 1);
		assert_true(walk.n == 1 && row.worker == 1);
	}
	assert_true(walk.at.done);
	walk.last = true; /* no step any more */
	assert_true(worker_post(&d->w[1], &m));
	answer_of(d, 1);
	assert_int_equal(walk.n, 0);

	m = (struct message){ .kind = MESSAGE_TERMINATE, .token = 2, .id = { 1 } };
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_true(worker_post(&d->w[i], &m));
	assert_int_equal(answer_of(d, 0).reason, REASON_UNKNOWN_SESSION);
	assert_int_equal(answer_of(d, 1).reason, REASON_NONE);

	m = (struct message){ .kind = MESSAGE_REKEY, .token = 2, .id = { 1 } };
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_true(worker_post(&d->w[i], &m));
	assert_int_equal(answer_of(d, 0).reason, REASON_NONE);
	assert_int_equal(answer_of(d, 1).reason, REASON_UNKNOWN_SESSION);

	m = (struct message){ .kind = MESSAGE_JUMP, .token = 3 };
	assert_true(worker_post(&d->w[0], &m));
	m = answer_of(d, 0);
	assert_int_equal(m.token, 3);
	assert_int_equal(m.kind, MESSAGE_JUMP);
	assert_int_equal(d->w[0].asked + d->w[1].asked, 0);
}

/* An order that waits when the daemon ends is answered before the goodbye. */
static void test_waiting_order_at_the_end(void **state)
{
	struct daemon *d = *state;
	struct message m = { .kind = MESSAGE_JUMP, .path = 1, .token = 9 };

	assert_true(worker_post(&d->w[0], &m));
	m.kind = MESSAGE_STOP;
	assert_true(worker_post(&d->w[0], &m));
	m = answer_of(d, 0);
	assert_int_equal(m.token, 9);
	assert_int_equal(m.reason, REASON_OPERATOR_TERMINATED);
	assert_int_equal(answer_of(d, 0).kind, MESSAGE_STOP);
	worker_join(&d->w[0]);
	assert_int_equal(d->e[0]->shutdowns, 1);
}

/* The engine hears of it before anything else, and no random byte of before is handed out again. */
static void test_cloned(void **state)
{
	struct daemon *d = *state;
	struct message m = { .kind = MESSAGE_STOP };

	memset(d->w[0].random, 7, sizeof(d->w[0].random));
	d->w[0].random_left = sizeof(d->w[0].random);
	worker_cloned(&d->w[0]);
	assert_true(worker_post(&d->w[0], &m));
	assert_int_equal(answer_of(d, 0).kind, MESSAGE_STOP);
	worker_join(&d->w[0]);
	assert_int_equal(d->e[0]->clonings, 1);
	assert_int_equal(d->w[0].random_left, 0);
	for (size_t i = 0; i < sizeof(d->w[0].random); i++)
		assert_int_equal(d->w[0].random[i], 0);
}

/* However many questions: those that do not fit are refused, and STOP fits always. */
static void test_questions_are_bounded(void **state)
{
	struct daemon *d = daemon_new();
	struct message m = { .kind = MESSAGE_TERMINATE };
	unsigned int n = 0;

	while (worker_post(&d->w[0], &m))
		n++;
	assert_int_equal(n, WORKER_ASKED);
	m.kind = MESSAGE_STOP;
	assert_true(worker_post(&d->w[0], &m));
	go(&d->w[0]);
	worker_join(&d->w[0]);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(answer_of(d, 0).kind, MESSAGE_TERMINATE);
	assert_int_equal(answer_of(d, 0).kind, MESSAGE_STOP);
	finish(d);
}

/* --- time, jobs, losses --- */

static void test_timer(void **state)
{
	struct daemon *d = *state;
	struct config soon = { .generation = 5 };
	struct message m = { .kind = MESSAGE_CONFIGURE, .config = &soon };

	for (uint32_t round = 1; round <= 3; round++) {
		assert_true(worker_post(&d->w[0], &m));
		assert_int_equal(answer_of(d, 0).kind, MESSAGE_CONFIGURE);
		d->w[0].asked++; /* what the tick sends answers no question */
		m = answer_of(d, 0);
		assert_int_equal(m.token, 77);
		assert_int_equal(m.retry_after_ms, round);
		m = (struct message){ .kind = MESSAGE_CONFIGURE, .config = &soon };
	}
}

static void test_jobs_run_and_come_back(void **state)
{
	struct daemon *d = *state;
	struct message m = { .kind = MESSAGE_STOP };
	uint8_t data[8];
	struct endpoint to;
	int fd = dial(d, &to);

	fill(data, sizeof(data), DO_JOB, 0);
	send_to(fd, &to, data, sizeof(data));
	seen_by(d, 0);
	for (int ms = 0; d->e[0]->jobs_done < 1; ms++) { /* by itself: nothing else wakes the worker */
		assert_true(ms < 20000);
		poll(NULL, 0, 1);
	}
	fill(data, sizeof(data), DO_FORWARD, 0);
	send_to(fd, &to, data, sizeof(data));
	seen_by(d, 0);
	/* Stopping waits for the job; what was forwarded is taken or freed. tear_down() counts. */
	assert_true(worker_post(&d->w[0], &m));
	assert_int_equal(answer_of(d, 0).kind, MESSAGE_STOP);
	worker_join(&d->w[0]);
	assert_int_equal(d->e[0]->jobs_done, 1);
	assert_int_equal(jobs_ran, 1);
	close(fd);
}

/* Two that wait are run by two threads, side by side; and of many each comes back once. */
static void test_jobs_are_shared(void **state)
{
	struct daemon *d = *state;
	struct message m = { .kind = MESSAGE_STOP };
	pthread_barrier_t two;
	uint8_t data[8];
	struct endpoint to;
	int fd = dial(d, &to);

	pthread_barrier_init(&two, NULL, 2);
	jobs_meet = &two;
	fill(data, sizeof(data), DO_JOB, 0);
	for (int i = 0; i < 200; i++) {
		send_to(fd, &to, data, sizeof(data));
		seen_by(d, 0);
	}
	assert_true(worker_post(&d->w[0], &m));
	assert_int_equal(answer_of(d, 0).kind, MESSAGE_STOP);
	worker_join(&d->w[0]);
	assert_int_equal(d->e[0]->jobs_done, 200);
	assert_int_equal(jobs_ran, 200);
	jobs_meet = NULL;
	pthread_barrier_destroy(&two);
	close(fd);
}

static void woken_for_nothing(uv_async_t *a) {}

/* Of two that come in one row no thread takes both while another has nothing to do. */
static void test_pool_shares_a_row(void **state)
{
	struct worker w = { 0 };
	struct work work[2], *row, *next;
	pthread_barrier_t two;
	struct pool *p;
	int back = 0;

	uv_loop_init(&w.loop);
	uv_async_init(&w.loop, &w.wake, woken_for_nothing);
	pthread_barrier_init(&two, NULL, 2);
	jobs_meet = &two;
	for (int i = 0; i < 2; i++)
		work[i] = (struct work){ .next = &work[1], .worker = &w, .job = job_make() };
	assert_int_equal(pool_new(&p, 2), 0);
	pool_put(p, &work[0], &work[1], 2);
	for (int ms = 0; back < 2; ms++) {
		assert_true(ms < 30000);
		poll(NULL, 0, 1);
		for (row = pool_done(&w); row; row = next, back++) {
			next = row->next;
			assert_true(row->job->ok);
			job_free(row->job);
		}
	}
	pool_free(p);
	jobs_meet = NULL;
	pthread_barrier_destroy(&two);
	uv_close((uv_handle_t *)&w.wake, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
}

/* A HELLO on its way to a worker that has ended is nobody's, and is freed. */
static void test_forwarded_to_one_that_ended(void **state)
{
	struct daemon *d = *state;
	struct message m = { .kind = MESSAGE_STOP };
	uint8_t data[8];
	struct endpoint to;
	int fd;

	assert_true(worker_post(&d->w[1], &m));
	assert_int_equal(answer_of(d, 1).kind, MESSAGE_STOP);
	worker_join(&d->w[1]);
	fd = dial(d, &to);
	fill(data, sizeof(data), DO_FORWARD, 0);
	send_to(fd, &to, data, sizeof(data));
	seen_by(d, 0);
	fill(data, sizeof(data), 0, 1);
	send_to(fd, &to, data, sizeof(data)); /* a packet as well */
	close(fd);
}

static void test_never_started(void **state)
{
	struct daemon *d = daemon_new();

	finish(d);
}

/* Half made, as when the second worker of two cannot be: what is there goes. */
static void test_never_made(void **state)
{
	struct worker w = { .workers = WORKERS };

	assert_true(worker_fini(&w));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_inner_packet_at_the_wrong_worker),
		TEST(test_announced),
		TEST(test_datagram_at_the_wrong_worker),
		TEST(test_run_for_both_workers),
		TEST(test_datagram_too_long),
		TEST(test_sent_datagrams_are_kept),
		TEST(test_ecn),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_standing),
		TEST(test_delivered),
		cmocka_unit_test(test_device_refuses_supers),
		cmocka_unit_test(test_device_is_down),
		cmocka_unit_test(test_device_without_headers),
		cmocka_unit_test(test_runs_refused),
		cmocka_unit_test(test_full_receive_buffer_is_counted),
		cmocka_unit_test(test_hellos_give_way),
		cmocka_unit_test(test_full_ring_is_counted),
		cmocka_unit_test(test_ring_of_large_packets),
		TEST(test_every_question_is_answered_once),
		TEST(test_waiting_order_at_the_end),
		TEST(test_cloned),
		cmocka_unit_test(test_questions_are_bounded),
		TEST(test_timer),
		TEST(test_jobs_run_and_come_back),
		TEST(test_jobs_are_shared),
		TEST(test_pool_shares_a_row),
		TEST(test_forwarded_to_one_that_ended),
		cmocka_unit_test(test_never_started),
		cmocka_unit_test(test_never_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
