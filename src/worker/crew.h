/* All workers: how many, made, started, and ended. Main thread; what fails has been logged, unless it says so. */
#pragma once

#include "worker/daemon_state.h"

uint32_t crew_size(const struct config *c);
/* While there are privileges: what they are made of, and their sockets. `wake`: see struct worker. 0 or -errno, not logged. */
int crew_make(struct daemon *d, void (*wake)(void *control));
/* Their threads, which wait to be started. 0 or -errno. */
int crew_create(struct daemon *d);
int crew_start(struct daemon *d);
/* Told to end, if they have not been, and waited for. */
void crew_join(struct daemon *d);
/* After that. False: see worker_fini(). */
bool crew_free(struct daemon *d);
