/* The life of a worker, and the questions that it is asked. Main thread. */
#pragma once

#include "worker/worker_state.h"

/*
 * Before the thread: buffers, loop, handles, engine. 0 or -errno; worker_fini() undoes as much of it as was
 * done.
 */
int worker_init(struct worker *w);
/* The thread, with the priority of the one that calls; it does nothing before it is started. 0 or -errno. */
int worker_create(struct worker *w);
void worker_start(struct worker *w);
/* Once it has been told to stop. */
void worker_join(struct worker *w);
/* Control loop: this machine is a copy now. */
void worker_cloned(struct worker *w);
/* Control loop: false when as many questions as there may be wait for an answer. STOP always finds room, and WALK, of which
 * the control loop has no more than WORKER_WALKS under way. */
bool worker_post(struct worker *w, const struct message *m);
/*
 * After every worker's thread has ended. False: a name look-up or resolvconf does not end within some seconds, so
 * the loop and what belongs to it stay in memory, and the process must end without waiting for the thread
 * pool.
 */
bool worker_fini(struct worker *w);
