#include "worker/jobs.h"

#include <assert.h>

#include "worker/clock.h"
#include "worker/outside.h"
#include "worker/pool.h"

static_assert(sizeof(struct work) <= JOB_SHELL, "JOB_SHELL");

void jobs_start(void *ctx, struct job *j)
{
	struct worker *w = ctx;
	struct work *work = (void *)j->shell;

	*work = (struct work){ .worker = w, .job = j };
	if (w->to_do)
		w->to_do_last->next = work;
	else
		w->to_do = work;
	w->to_do_last = work;
	w->to_do_n++;
	w->jobs++;
}

void jobs_flush(struct worker *w)
{
	if (!w->to_do)
		return;
	pool_put(w->pool, w->to_do, w->to_do_last, w->to_do_n);
	w->to_do = NULL;
	w->to_do_n = 0;
}

void jobs_take(struct worker *w)
{
	struct work *work = pool_done(w), *next;
	const struct jv_time now = clock_now();

	if (!work)
		return;
	for (; work; work = next) {
		struct job *j = work->job;

		next = work->next; /* which stands in the job */
		w->jobs--;
		if (w->stopping)
			j->ok = false; /* no session is to be born any more */
		engine_job_done(w->engine, j, now);
	}
	outside_flush(w);
}
