/*
 * The tunnel device: one queue (fd) per worker. A virtio-net header stands before each packet (IFF_VNET_HDR), so that
 * the kernel may give and take super-packets (net/offload.h); unless it is to do without.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/offload.h"

struct tun_offload {
	bool header;   /* a virtio-net header stands before each packet: without one, nothing of the following */
	bool checksum; /* packets may come without their checksums */
	bool tso;      /* TCP super-packets come */
	bool uso;      /* UDP super-packets come, and are taken (Linux 6.2) */
};

/*
 * Opens `queues` queues of one device, in order; fds[] gets them, name (IFNAMSIZ bytes) is read as the
 * wanted name and gets the real one. Non-blocking. The device goes away when the last queue is closed; one
 * that exists already is refused (-EBUSY). Needs CAP_NET_ADMIN. 0 or -errno, and then nothing is open.
 * `offload`: ask for all that this kernel can do. *got: what it agreed to.
 */
int tun_open(char *name, int *fds, size_t queues, bool offload, struct tun_offload *got);
/* A packet or super-packet as the device gives it, with its header in front: one piece for one read(2). */
struct tun_packet {
	uint8_t pad[6]; /* `data` is aligned */
	struct vnet_header vnet;
	uint8_t data[OFFLOAD_SUPER_MAX];
};
/* The length of its data, 0 when there is none now, or -errno. `header`: as in what tun_open() got. */
int tun_read(int fd, bool header, struct tun_packet *p);
/* One packet, its header first, as merge_finish() answers it. 0, -EAGAIN when the queue is full, or -errno. */
int tun_write(int fd, bool header, const uint8_t *packet, size_t len);
/* Was it refused perhaps for being a super-packet? One that is down refuses single ones as well. */
bool tun_is_super_error(int error);
