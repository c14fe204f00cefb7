#include "audit/sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "audit/queue.h"

enum { RETRY_MS = 1000 };

struct sink {
	const struct sink_type *type;
	void *state;
	struct queue *queue;
	int wake; /* eventfds */
	int done;
	atomic_bool stop;
	atomic_bool left; /* the thread has ended, or nobody waits for that: who comes second frees */
	pthread_t thread;
	struct audit_record batch[SINK_BATCH]; /* of the thread */
};

static void signal_event(int fd)
{
	const uint64_t one = 1;

	/* It can fail only when the counter is full, and then the other side is awake anyway. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void sink_wait(struct sink *s)
{
	struct pollfd p = { .fd = s->wake, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, s->type->behind(s->state) ? RETRY_MS : -1) > 0 && read(s->wake, &n, sizeof(n)) < 0)
		return;
}

static size_t sink_write_queued(struct sink *s)
{
	size_t n = 0;

	while (n < SINK_BATCH && queue_pop(s->queue, &s->batch[n]))
		n++;
	if (n || s->type->behind(s->state))
		s->type->write(s->state, s->batch, n);
	return n;
}

static void sink_free(struct sink *s)
{
	if (s->wake >= 0)
		close(s->wake);
	if (s->done >= 0)
		close(s->done);
	queue_free(s->queue);
	free(s);
}

static void sink_destroy(struct sink *s)
{
	s->type->free(s->state);
	sink_free(s);
}

static void *sink_main(void *arg)
{
	struct sink *s = arg;
	bool stop;

	s->type->start(s->state);
	do {
		sink_wait(s);
		/* Read before the queue is emptied: what was pushed before the stop is still written. */
		stop = atomic_load(&s->stop);
		while (sink_write_queued(s) > 0)
			;
	} while (!stop);
	s->type->finish(s->state);
	signal_event(s->done);
	if (atomic_exchange(&s->left, true))
		sink_destroy(s);
	return NULL;
}

static int sink_thread(struct sink *s)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&s->thread, NULL, sink_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(s->thread, s->type->thread_name);
	return -err;
}

int sink_start(struct sink **out, const struct sink_type *type, void *state, size_t slots)
{
	struct sink *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->type = type;
	s->state = state;
	s->queue = queue_new(slots);
	s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->done = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!s->queue)
		err = -ENOMEM;
	else if (s->wake < 0 || s->done < 0)
		err = -errno;
	else
		err = sink_thread(s);
	if (err) {
		sink_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void sink_push(struct sink *s, const struct audit_record *r)
{
	queue_push(s->queue, r);
}

void sink_wake(struct sink *s)
{
	signal_event(s->wake);
}

uint64_t sink_lost(const struct sink *s)
{
	return queue_lost(s->queue) + s->type->lost(s->state);
}

void *sink_state(struct sink *s)
{
	return s->state;
}

void sink_stop(struct sink *s)
{
	atomic_store(&s->stop, true);
	sink_wake(s);
}

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool sink_ended(struct sink *s, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = s->done, .events = POLLIN };
	int n;

	do {
		uint64_t now = monotonic_ms();

		n = poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

void sink_join(struct sink *s, uint64_t deadline_ms)
{
	if (sink_ended(s, deadline_ms)) {
		pthread_join(s->thread, NULL);
		sink_destroy(s);
		return;
	}
	pthread_detach(s->thread);
	if (atomic_exchange(&s->left, true))
		sink_destroy(s);
}
