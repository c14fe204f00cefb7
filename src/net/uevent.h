/*
 * What the kernel tells of devices, of which one thing matters here: that this virtual machine is a copy now, cloned or
 * restored from a snapshot. The vmgenid driver says so from Linux 6.5 on, where the hypervisor tells it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A non-blocking socket that hears the kernel, or -errno. */
int uevent_open(void);
/* Takes all that waits; true when a new generation of the machine was among it. */
bool uevent_read(int fd);
/* Is this message of `len` bytes about a new generation? */
bool uevent_is_new_generation(const char *message, size_t len);
