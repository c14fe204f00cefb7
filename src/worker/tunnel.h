/*
 * The tunnel device as the system sees it: addresses, routes, MTU, name servers.
 *
 * tunnel_apply() makes the device what is wanted and changes nothing else, so that it can be called again
 * with every change; what stays wanted is never taken away in between.
 */
#pragma once

#include <uv.h>

#include "base/addr.h"

struct tunnel;

struct tunnel_wish {
	const struct prefix *addresses;
	size_t naddresses;
	const struct prefix *routes; /* a default route becomes its two halves, which win over any default */
	size_t nroutes;
	const struct ip *dns; /* handed to resolvconf(8), where there is one */
	size_t ndns;
	uint16_t mtu;
};

/*
 * `name` is a device that exists. `loop` may be NULL where no name servers are ever wished for. NULL and
 * errno.
 */
struct tunnel *tunnel_new(const char *name, uv_loop_t *loop);
int tunnel_index(const struct tunnel *t);
/* 0, or the first -errno; what could be done was done, and every failure is logged. */
int tunnel_apply(struct tunnel *t, const struct tunnel_wish *w);
/* Takes the name servers back; addresses and routes go with the device. */
void tunnel_free(struct tunnel *t);
