/*
 * The outside as an engine sees it: datagrams out, packets into the tunnel, records, random bytes, and answers to the control
 * loop. On the worker's thread.
 */
#pragma once

#include "worker/worker_state.h"

int outside_init(struct worker *w); /* 0 or -errno */
void outside_free(struct worker *w);
/* What it fills in of engine_io: all but job() and what a client has beside. */
void outside_io(struct engine_io *io);
/*
 * Sends what the engine has queued, and tells the control loop of new audit records. Call it after every
 * input.
 */
void outside_flush(struct worker *w);
/* To the control loop, which has asked, or not: see enum message_kind. */
void outside_answer(struct worker *w, const struct message *m);
/* A client's, or NULL. */
struct worker_socket *outside_path_socket(const struct worker *w, uint32_t id);
