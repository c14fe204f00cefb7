/* The tunnel device: one queue (fd) per worker, packets without a header in front (IFF_NO_PI). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Opens `queues` queues of one device, in order; fds[] gets them, name (IFNAMSIZ bytes) is read as the
 * wanted name and gets the real one. Non-blocking. The device goes away when the last queue is closed; one
 * that exists already is refused (-EBUSY). Needs CAP_NET_ADMIN. 0 or -errno, and then nothing is open.
 */
int tun_open(char *name, int *fds, size_t queues);
/* Length of one packet, 0 when there is none now, or -errno. */
int tun_read(int fd, uint8_t *buf, size_t cap);
/* 0, -EAGAIN when the queue is full, or -errno. */
int tun_write(int fd, const uint8_t *packet, size_t len);
