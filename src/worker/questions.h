/*
 * What the control socket and collectors of metrics ask, put to the workers, and what these answer. Main thread.
 *
 * About all sessions only numbers are asked; the sessions themselves are asked for in steps (engine_walk()), one worker
 * after the other, with packets in between.
 */
#pragma once

#include "ctl/ctl.h"
#include "ctl/metrics.h"
#include "worker/daemon_state.h"

extern const struct ctl_ops questions_ops; /* ctx: struct daemon */
/* For metrics_start(); ctx: struct daemon. */
void questions_scraped(void *ctx, struct metrics_request *scrape);
/* A worker's answer to a question (not STOP, not LOST). */
void questions_answered(struct daemon *d, const struct message *m);
/* After the workers have ended: whoever still waits is told that the daemon ends. */
void questions_stop(struct daemon *d);
