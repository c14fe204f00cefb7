#include "worker/jobs.h"

#include <assert.h>

#include "worker/clock.h"
#include "worker/outside.h"

struct work { /* a job on the thread pool; stands in the job */
	uv_work_t req;
	struct worker *worker;
	struct job *job;
};

static_assert(sizeof(struct work) <= JOB_SHELL, "JOB_SHELL");

static void work_run(uv_work_t *req)
{
	struct work *work = container_of(req, struct work, req);

	job_run(work->job);
}

static void work_done(uv_work_t *req, int status)
{
	struct work *work = container_of(req, struct work, req);
	struct worker *w = work->worker;

	(void)status; /* nobody cancels it */
	w->jobs--;
	if (w->stopping)
		work->job->ok = false; /* no session is to be born any more */
	engine_job_done(w->engine, work->job, clock_now());
	outside_flush(w);
}

void jobs_start(void *ctx, struct job *j)
{
	struct worker *w = ctx;
	struct work *work = (void *)j->shell;

	work->worker = w;
	work->job = j;
	w->jobs++;
	uv_queue_work(&w->loop, &work->req, work_run, work_done);
}
