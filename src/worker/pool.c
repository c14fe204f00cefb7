#include "worker/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "worker/privileges.h"

#define TAKE_MOST 8 /* some 0.3 ms: a worker has 16 under way, and is not to wait for all of them */

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, **last; /* waiting */
	size_t n, idle;             /* how many wait, and threads that have nothing to do */
	bool stopping;
	uint32_t threads;
	pthread_t thread[];
};

/* So many that the other threads have as many; a row of them, or NULL: it is the end. */
static struct work *take(struct pool *p)
{
	struct work *row, **end;
	size_t n;

	pthread_mutex_lock(&p->lock);
	while (p->n == 0 && !p->stopping) {
		p->idle++;
		pthread_cond_wait(&p->more, &p->lock);
		p->idle--;
	}
	n = (p->n + p->threads - 1) / p->threads;
	if (n > TAKE_MOST)
		n = TAKE_MOST;
	p->n -= n;
	row = p->first;
	for (end = &row; n > 0; n--)
		end = &(*end)->next;
	p->first = *end;
	*end = NULL;
	if (!p->first)
		p->last = &p->first;
	pthread_mutex_unlock(&p->lock);
	return row;
}

/* Its worker may take it, and free the job, at once. */
static void give_back(struct work *work)
{
	struct worker *w = work->worker;
	struct work *top = atomic_load(&w->done);

	do
		work->next = top;
	while (!atomic_compare_exchange_weak(&w->done, &top, work));
	if (!top) /* else it has been woken for those */
		uv_async_send(&w->wake);
}

static void *thread_main(void *arg)
{
	struct pool *p = arg;
	struct work *row, *next;

	privileges_none();
	while ((row = take(p))) {
		for (struct work *work = row; work; work = work->next)
			job_run(work->job);
		for (; row; row = next) {
			next = row->next;
			give_back(row);
		}
	}
	return NULL;
}

int pool_new(struct pool **out, uint32_t threads)
{
	struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->thread[0]));
	sigset_t all, old;
	int err = 0;

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->last = &p->first;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&p->lock); /* they have to know how many they are */
	while (p->threads < threads && !err) {
		err = pthread_create(&p->thread[p->threads], NULL, thread_main, p);
		if (!err)
			pthread_setname_np(p->thread[p->threads++], "agreement");
	}
	pthread_mutex_unlock(&p->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p->threads == 0) {
		pool_free(p);
		return -err;
	}
	*out = p; /* with one at least all gets done */
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pool_put(struct pool *p, struct work *first, struct work *last, size_t n)
{
	size_t wake;

	last->next = NULL;
	pthread_mutex_lock(&p->lock);
	*p->last = first;
	p->last = &last->next;
	p->n += n;
	wake = p->idle < n ? p->idle : n;
	pthread_mutex_unlock(&p->lock);
	while (wake-- > 0)
		pthread_cond_signal(&p->more);
}

struct work *pool_done(struct worker *w)
{
	struct work *work = atomic_exchange(&w->done, NULL), *row = NULL, *next;

	for (; work; work = next) { /* the newest is on top */
		next = work->next;
		work->next = row;
		row = work;
	}
	return row;
}
