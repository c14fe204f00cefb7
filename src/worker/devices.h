/*
 * What the daemon opens for its workers before it drops its privileges: the tunnel device with a queue for each, the
 * listening sockets, and the programs that steer packets among them. Main thread; what fails has been logged.
 */
#pragma once

#include <stddef.h>

struct config;
struct daemon;

/* The device and its set-up as the configuration has it. 0 or -errno. */
int devices_tunnel(struct daemon *d);
/* Inner packets surface at the worker of their session, if the kernel can. */
void devices_steer(struct daemon *d);
/* The server's device: addresses, and routes to what lies behind peers. */
int devices_networks(struct daemon *d, const struct config *c);
/* Tells the kernel whose addresses belong to which worker, where it asks. */
void devices_homes(struct daemon *d, const struct config *c);
