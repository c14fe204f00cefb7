/* Key agreements, on libuv's thread pool. */
#pragma once

struct job;

/* engine_io's job(); ctx: struct worker. */
void jobs_start(void *ctx, struct job *j);
