/* Key agreements, which the threads of pool.h run: what a turn of the loop starts goes there together. */
#pragma once

#include "worker/worker_state.h"

/* engine_io's job(); ctx: struct worker. */
void jobs_start(void *ctx, struct job *j);
/* What was started since the last time goes to the pool. */
void jobs_flush(struct worker *w);
/* What has come back is taken in. */
void jobs_take(struct worker *w);
