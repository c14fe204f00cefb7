/* File descriptors: as many as the daemon may come to need are allowed to it before it opens the first. */
#pragma once

#include <stdint.h>

#define DESCRIPTORS_LEAST 64  /* of the main thread, the libraries and what it inherited */
#define DESCRIPTORS_WORKER 10 /* of each: its loop, timer, queue of the tunnel */
#define DESCRIPTORS_MORE 128  /* connections to the control socket and the metrics, look-ups */

/*
 * Raises this process's own limit to `least`, and to `wanted` as far as that goes. A lack of `least` is logged, and
 * -EMFILE: libuv aborts where it gets no descriptor for its signals.
 */
int descriptors_allow(uint64_t least, uint64_t wanted);
