#include "worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "worker/affinity.h"
#include "worker/clock.h"
#include "worker/descriptors.h"
#include "worker/in.h"
#include "worker/jobs.h"
#include "worker/outside.h"
#include "worker/paths.h"
#include "worker/privileges.h"
#include "worker/resolv.h"

#define CLIENT_KEY_CACHE 16
#define SERVER_KEY_CACHE 4096  /* expanded keys */

/* --- messages --- */

/* Numbers, which are at hand: what it costs does not grow with the sessions. */
static void count(struct worker *w, struct worker_report *r)
{
	const uint32_t *states = engine_states(w->engine);

	for (size_t i = 0; i < w->nlisteners; i++) {
		if (w->listeners[i].fd >= 0)
			in_socket_count(w, &w->listeners[i]);
		if (w->hellos && w->hellos[i].fd >= 0)
			in_socket_count(w, &w->hellos[i]);
	}
	if (w->paths) {
		paths_count(w->paths);
		snprintf(r->trouble, sizeof(r->trouble), "%s", paths_trouble(w->paths));
		r->names = paths_names(w->paths);
	}
	r->has_own = engine_own(w->engine, &r->own, clock_now());
	for (unsigned int i = 0; i < STATE_COUNT; i++)
		r->by_state[i] = states[i];
	r->session_bytes = engine_session_bytes(w->engine);
	r->counters = *engine_counters(w->engine);
}

static void walk(struct worker *w, struct worker_walk *k)
{
	k->n = k->last ? 0 : engine_walk(w->engine, &k->at, k->wanted, k->rows, k->max, clock_now());
	if (k->last)
		walk_stop(&k->at);
}

static void configure(struct worker *w, const struct config *config, struct engine_peers *peers,
		      struct jv_time now)
{
	engine_configure(w->engine, config, peers, now);
	w->config = config;
	if (w->paths)
		paths_configure(w->paths, config);
}

static void message_received(struct worker *w, struct message *m)
{
	const struct jv_time now = clock_now();

	switch (m->kind) {
	case MESSAGE_CONFIGURE:
		configure(w, m->config, m->peers, now);
		break;
	case MESSAGE_COUNT:
		count(w, m->report);
		break;
	case MESSAGE_WALK:
		walk(w, m->walk);
		break;
	case MESSAGE_JUMP:
		engine_jump(w->engine, m->id, m->path, m->token, now);
		return; /* io_jump_done() answers */
	case MESSAGE_TERMINATE:
		m->reason = engine_terminate(w->engine, m->id, now) ? REASON_NONE : REASON_UNKNOWN_SESSION;
		break;
	case MESSAGE_REKEY:
		m->reason = engine_rekey(w->engine, m->id, now) ? REASON_NONE : REASON_UNKNOWN_SESSION;
		break;
	case MESSAGE_LISTEN:
		in_listen(w, &m->listen);
		break;
	case MESSAGE_JOB:
		if (w->stopping)
			job_free(m->job);
		else
			engine_job_done(w->engine, m->job, now);
		return;
	case MESSAGE_STOP:
		/* Reading stops, or a flood of HELLOs could keep the pool busy for ever. */
		in_stop(w);
		engine_shutdown(w->engine, now);
		w->stopping = true;
		outside_flush(w);
		return; /* thread_main() answers */
	case MESSAGE_LOST:
		bug("a worker was told of a lost tunnel");
	}
	outside_flush(w);
	outside_answer(w, m);
}

/* The stock of random bytes, too, is one that others have. */
static void cloned(struct worker *w)
{
	explicit_bzero(w->random, sizeof(w->random));
	w->random_left = 0;
	engine_cloned(w->engine, clock_now());
	outside_flush(w);
}

void worker_cloned(struct worker *w)
{
	atomic_store(&w->cloned, true);
	uv_async_send(&w->wake);
}

static void woken(uv_async_t *a)
{
	struct worker *w = container_of(a, struct worker, wake);
	struct message m;

	if (atomic_exchange(&w->cloned, false) && !w->stopping)
		cloned(w);
	while (ring_pop(w->inbox, &m))
		message_received(w, &m);
	for (uint32_t i = 0; i < w->workers; i++)
		while (w->mail[i] && ring_pop(w->mail[i], &m))
			message_received(w, &m);
	jobs_take(w);
	in_take(w, clock_now());
	outside_flush(w);
}

bool worker_post(struct worker *w, const struct message *m)
{
	if (w->asked >= WORKER_ASKED && m->kind != MESSAGE_STOP && m->kind != MESSAGE_WALK)
		return false;
	if (!ring_push(w->inbox, m))
		bug("worker %u: inbox full", w->index);
	w->asked++;
	uv_async_send(&w->wake);
	return true;
}

/* --- the turn of the loop: timers run after what the network had waiting has been taken in, so that a late
 * turn does not take an answer that is already here for silence --- */

/*
 * A timer of its own, on the boot clock, for libuv's stands still while the machine sleeps: after waking up
 * what is overdue runs at once. It is only ever set earlier: a turn too many costs less than a system call in
 * each.
 */
static void timer_arm(struct worker *w)
{
	struct itimerspec at = { 0 };

	if (!time_before(w->due, w->armed))
		return;
	at.it_value.tv_sec = w->due.us / 1000000;
	at.it_value.tv_nsec = w->due.us % 1000000 * 1000 + 1; /* all zero would mean never */
	if (timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		bug("timerfd_settime: %s", strerror(errno));
	w->armed = w->due;
}

/* after_poll() does what is due. */
static void timer_fired(uv_poll_t *poll, int status, int events)
{
	struct worker *w = container_of(poll, struct worker, timer);
	uint64_t times;

	(void)status;
	(void)events;
	if (read(w->timer_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		w->armed = TIME_NEVER;
}

static void before_poll(uv_prepare_t *p)
{
	struct worker *w = container_of(p, struct worker, prepare);

	jobs_flush(w);
	atomic_fetch_add_explicit(&w->beats, 1, memory_order_relaxed);
	atomic_store_explicit(&w->sessions, engine_session_count(w->engine), memory_order_relaxed);
	w->due = engine_next(w->engine);
	timer_arm(w);
}

static void after_poll(uv_check_t *c)
{
	struct worker *w = container_of(c, struct worker, check);
	const struct jv_time now = clock_now();

	w->turn = now;
	if (w->stopping) {
		if (w->jobs == 0)
			uv_stop(&w->loop);
		return;
	}
	in_hellos(w, now);
	if (time_before(now, w->due))
		return;
	engine_tick(w->engine, now);
	outside_flush(w);
}

/* A hint: where it cannot be had, the kernel's choice does. */
static void stay_on_cpu(const struct worker *w)
{
	int rc = w->cpu == AFFINITY_ANY ? 0 : affinity_stay(w->cpu);

	if (rc < 0)
		log_info("worker %u: cannot stay on CPU %d: %s", w->index, w->cpu, strerror(-rc));
}

/* The handles stay open: others may wake this loop until all threads have ended. */
static void thread_main(void *arg)
{
	struct worker *w = arg;
	const struct message bye = { .kind = MESSAGE_STOP, .worker = w->index };

	uv_sem_wait(&w->gate);
	stay_on_cpu(w);
	if (w->paths)
		paths_start(w->paths); /* which sets up the device from here, with CAP_NET_ADMIN */
	else
		privileges_none();
	uv_run(&w->loop, UV_RUN_DEFAULT);
	outside_answer(w, &bye);
}

/* --- life --- */

static int boxes_init(struct worker *w)
{
	w->inbox = ring_new(WORKER_BOX, sizeof(struct message));
	w->outbox = ring_new(WORKER_BOX, sizeof(struct message));
	w->mail = calloc(w->workers, sizeof(*w->mail));
	if (!w->inbox || !w->outbox || !w->mail)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->workers; i++) {
		if (i == w->index)
			continue;
		w->mail[i] = ring_new(WORKER_BOX, sizeof(struct message));
		if (!w->mail[i])
			return -ENOMEM;
	}
	return 0;
}

static int loop_init(struct worker *w)
{
	int rc = uv_loop_init(&w->loop);

	if (rc < 0)
		return rc;
	w->looping = true;
	uv_prepare_init(&w->loop, &w->prepare);
	uv_prepare_start(&w->prepare, before_poll);
	uv_check_init(&w->loop, &w->check);
	uv_check_start(&w->check, after_poll);
	w->armed = TIME_NEVER;
	w->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->timer_fd < 0)
		return -errno;
	rc = uv_poll_init(&w->loop, &w->timer, w->timer_fd);
	if (rc == 0)
		rc = uv_poll_start(&w->timer, UV_READABLE, timer_fired);
	if (rc == 0)
		rc = descriptors_reserve(&w->loop, &w->held, w->descriptors);
	return rc < 0 ? rc : uv_async_init(&w->loop, &w->wake, woken);
}

static int engine_init(struct worker *w)
{
	const bool client = w->config->role == ROLE_CLIENT;
	struct engine_setup setup = {
		.ctx = w,
		.config = w->config,
		.worker = w->index,
		.workers = w->workers,
		.key_cache = client ? CLIENT_KEY_CACHE : SERVER_KEY_CACHE,
		.hardware_aes = crypto_has_aes(),
	};

	memcpy(setup.machine, w->machine, sizeof(setup.machine));
	memcpy(setup.cookie_seed, w->cookie_seed, sizeof(setup.cookie_seed));
	outside_io(&setup.io);
	setup.io.job = jobs_start;
	if (client)
		paths_io(&setup.io);
	w->engine = engine_new(&setup, clock_now());
	if (!w->engine)
		return -ENOMEM;
	return client ? paths_new(&w->paths, w) : 0;
}

int worker_init(struct worker *w)
{
	int rc;

	w->timer_fd = -1;
	list_init(&w->path_sockets);
	rc = boxes_init(w);
	if (rc == 0)
		rc = outside_init(w);
	if (rc == 0)
		rc = loop_init(w);
	if (rc == 0)
		rc = in_init(w);
	return rc < 0 ? rc : engine_init(w);
}

int worker_create(struct worker *w)
{
	int rc = uv_sem_init(&w->gate, 0);

	if (rc < 0)
		return rc;
	rc = uv_thread_create(&w->thread, thread_main, w);
	w->running = rc == 0;
	if (rc < 0)
		uv_sem_destroy(&w->gate);
	return rc;
}

void worker_start(struct worker *w)
{
	uv_sem_post(&w->gate);
}

void worker_join(struct worker *w)
{
	uv_thread_join(&w->thread);
	uv_sem_destroy(&w->gate);
	w->running = false;
}

/* A process handle closes itself once the process has ended. */
static void close_walked(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h) && h->type != UV_PROCESS)
		uv_close(h, NULL);
}

static bool loop_fini(struct worker *w)
{
	uv_walk(&w->loop, close_walked, NULL);
	resolv_finish(&w->loop);
	return uv_loop_close(&w->loop) == 0;
}

/* HELLOs that were on their way to us when our thread ended. */
static void mail_free(struct worker *w)
{
	struct message m;

	for (uint32_t i = 0; w->mail && i < w->workers; i++) {
		while (w->mail[i] && ring_pop(w->mail[i], &m))
			job_free(m.job);
		ring_free(w->mail[i]);
	}
	free(w->mail);
}

bool worker_fini(struct worker *w)
{
	bool ended;

	if (w->paths)
		paths_stop(w->paths);
	ended = !w->looping || loop_fini(w);
	engine_free(w->engine);
	if (ended)
		paths_free(w->paths);
	if (w->looping && w->timer_fd >= 0)
		close(w->timer_fd);
	mail_free(w);
	ring_free(w->inbox);
	ring_free(w->outbox);
	in_free(w);
	outside_free(w);
	return ended;
}
