/* File descriptors: as many as the daemon may come to need are allowed to it before it opens the first. */
#pragma once

#include <stdint.h>
#include <uv.h>

#define DESCRIPTORS_LEAST 64  /* of the main thread and the libraries */
#define DESCRIPTORS_WORKER 10 /* of each: its loop, timer, queue of the tunnel */
#define DESCRIPTORS_MORE 128  /* connections to the control socket and the metrics, look-ups */

/*
 * Raises this process's own limit until `least` are free, beside those in use (inherited ones, say), and `wanted` as far
 * as that goes. A lack of `least` is logged, and -EMFILE: libuv aborts where it gets no descriptor for its signals, and
 * without any no file can be read, however right the configuration is. -ENFILE: the machine has none left.
 */
int descriptors_allow(uint64_t least, uint64_t wanted);
/*
 * libuv has a table of descriptors in each loop, makes it longer as their numbers grow, and aborts where it finds no memory for
 * that. Here it becomes as long as this process may come to need: `most` beside those in use. `held` closes with the loop.
 * 0 or -errno.
 */
int descriptors_reserve(uv_loop_t *loop, uv_poll_t *held, uint64_t most);
