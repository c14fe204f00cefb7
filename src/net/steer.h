/*
 * Which worker a packet surfaces at.
 *
 * Outside: a classic BPF program on the SO_REUSEPORT group returns the worker byte of DATA and CONTROL; for
 * other types it returns a number out of range, so that the kernel's hash decides.
 */
#pragma once

#include <stddef.h>

/* Attaches to the group that `fd` belongs to (one member is enough). 0 or -errno. */
int steer_reuseport(int fd, unsigned int workers);
