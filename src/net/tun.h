/*
 * The tunnel device: one queue (fd) per worker. A virtio-net header stands before each packet (IFF_VNET_HDR), so that
 * the kernel may give and take super-packets (net/offload.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/offload.h"

struct tun_offload {
	bool checksum; /* packets may come without their checksums */
	bool tso;      /* TCP super-packets come */
	bool uso;      /* UDP super-packets come, and are taken (Linux 6.2) */
};

/*
 * Opens `queues` queues of one device, in order; fds[] gets them, name (IFNAMSIZ bytes) is read as the
 * wanted name and gets the real one. Non-blocking. The device goes away when the last queue is closed; one
 * that exists already is refused (-EBUSY). Needs CAP_NET_ADMIN. 0 or -errno, and then nothing is open.
 * *got: what the kernel agreed to.
 */
int tun_open(char *name, int *fds, size_t queues, struct tun_offload *got);
/* A packet or super-packet as the device gives it, with its header in front: one piece for one read(2). */
struct tun_packet {
	uint8_t pad[6]; /* `data` is aligned */
	struct vnet_header vnet;
	uint8_t data[OFFLOAD_SUPER_MAX];
};
/* The length of its data, 0 when there is none now, or -errno. */
int tun_read(int fd, struct tun_packet *p);
/* One packet, its header first, as merge_finish() answers it. 0, -EAGAIN when the queue is full, or -errno. */
int tun_write(int fd, const uint8_t *packet, size_t len);
