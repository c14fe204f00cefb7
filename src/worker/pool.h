/*
 * The threads that run key agreements, for all workers: as many as the daemon may have CPUs. A thread takes several at a time
 * where many wait, and hands them back together, for the way there and back costs about as much as a Diffie-Hellman.
 */
#pragma once

#include "session/job.h"
#include "worker/worker_state.h"

struct work { /* a job on its way; stands in the job */
	struct work *next;
	struct worker *worker; /* whose it is */
	struct job *job;
};

/* On a thread that has the priority and the CPUs that they shall have. 0 or -errno. */
int pool_new(struct pool **out, uint32_t threads);
/* When nothing is under way any more; NULL is fine. */
void pool_free(struct pool *p);
/* A row of `n`, from any thread. Each comes back by its worker's `done`, and that is woken. */
void pool_put(struct pool *p, struct work *first, struct work *last, size_t n);
/* What has come back since the last time, oldest first, or NULL; on the worker's thread. */
struct work *pool_done(struct worker *w);
