/*
 * A server's listening sockets, one for each worker and entry of `listen`: opened before the privileges are dropped, and
 * those that cannot be opened yet once their interface or family is there. Main thread.
 *
 * An address may come later than the daemon (DHCP, VRRP, another VPN's): its sockets are there before it (IP_FREEBIND). A
 * link-local one belongs to an interface, and is opened anew when that comes back with another number.
 */
#pragma once

#include <stddef.h>

struct daemon;

/*
 * The first `n` of the configuration's `listen`, into the workers, whose threads do not run yet. 0, or -errno where one is
 * somebody else's, or none can be opened on this system.
 */
int listen_open(struct daemon *d, size_t n);
/* Waits for what is missing, and says when it has come. */
void listen_watch(struct daemon *d);
void listen_announce(const struct daemon *d);
void listen_free(struct daemon *d);
