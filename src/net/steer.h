/*
 * Which worker a packet surfaces at.
 *
 * Outside: a classic BPF program on a SO_REUSEPORT group of twice as many sockets as workers: the first half takes DATA
 * and CONTROL, by the worker of the locator (jumpvpn/locator.h); the other half HELLOs and rubbish, so that a flood of
 * them fills no buffer that DATA is in.
 *
 * Inside: an eBPF program on the tunnel device looks the destination up in a map from addresses and networks
 * to workers, the longest prefix first, so that both directions of a session meet on one core. A destination
 * that is not in the map goes where its last byte says: somewhere, and always there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Attaches to the group that `fd` belongs to (one member is enough); `key` is that of locator_worker(). 0 or
 * -errno. */
int steer_reuseport(int fd, unsigned int workers, uint32_t key);

struct steer; /* of one tunnel device; belongs to one thread */

struct steer_entry {
	struct prefix to;
	uint32_t worker; /* number of the queue, in the order tun_open() opened them */
};

/*
 * Attaches to the device of this queue, with an empty map; for as long as the device lives. Needs CAP_BPF. NULL:
 * *error is a negative errno, and the kernel goes on to choose queues by flow.
 */
struct steer *steer_tunnel(int tun_fd, int *error);
/*
 * What holds from now on; needs no privilege on Linux 6.0 and later. Each prefix stands once in `entries`, which
 * may come in any order and are copied. Entries that stay are not touched. 0 or -errno; then some of the changes
 * have been made and others not, until a call succeeds.
 */
int steer_set(struct steer *s, const struct steer_entry *entries, size_t n);
void steer_free(struct steer *s); /* NULL is fine */
