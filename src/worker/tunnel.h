/*
 * The tunnel device as the system sees it: addresses, routes, rules, MTU.
 *
 * What is wanted is compared with what the kernel has, and the difference is mended: with each tunnel_apply(), and, once
 * tunnel_start() was called, whenever somebody else has changed it. What stays wanted is never taken away in between.
 * worker/wanted.h has what stands where; here it is put there.
 */
#pragma once

#include <uv.h>

#include "base/addr.h"
#include "worker/wanted.h"

struct tunnel;

struct tunnel_wish {
	const struct prefix *addresses;
	size_t naddresses;
	const struct prefix *routes;
	size_t nroutes;
	uint32_t table; /* TUNNEL_TABLE_*, or a number */
	uint32_t marks[PROTO_PATHS_MAX]; /* that outer packets bear beside the tunnel's own; 0: none */
	bool server;
	uint16_t mtu;
};

/*
 * `name` is a device that exists. What a predecessor of this name has left in the kernel (killed, it could not clean up)
 * goes. NULL and errno.
 */
struct tunnel *tunnel_new(const char *name);
int tunnel_index(const struct tunnel *t);
/* From now on it is looked after, on this loop. */
void tunnel_start(struct tunnel *t, uv_loop_t *loop);
/*
 * 0, or the first -errno; what could be done was done. That IPv6 is switched off on this machine is no failure; whatever
 * cannot be set is logged, told by tunnel_trouble(), and tried again.
 */
int tunnel_apply(struct tunnel *t, const struct tunnel_wish *w);
/*
 * Where outer packets go now: all addresses of the server, those that nothing leads to as well (ifindex 0). Cheap when
 * nothing has changed.
 */
void tunnel_escape(struct tunnel *t, const struct tunnel_way *list, size_t n);
/* Why it is not as it should be, or "". */
const char *tunnel_trouble(const struct tunnel *t);
/* Takes rules and routes back; it is not looked after any more. Addresses, and routes over it, go with the device. */
void tunnel_undo(struct tunnel *t);
/* The same, where it was not done; after its loop has closed all handles. */
void tunnel_free(struct tunnel *t);
