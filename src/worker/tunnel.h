/*
 * The tunnel device as the system sees it: addresses, routes, MTU.
 *
 * tunnel_apply() makes the device what is wanted and changes nothing else, so that it can be called again
 * with every change; what stays wanted is never taken away in between.
 */
#pragma once

#include "base/addr.h"

struct tunnel;

struct tunnel_wish {
	const struct prefix *addresses;
	size_t naddresses;
	const struct prefix *routes; /* a default route becomes its two halves, which win over any default */
	size_t nroutes;
	uint16_t mtu;
};

/* `name` is a device that exists. NULL and errno. */
struct tunnel *tunnel_new(const char *name);
int tunnel_index(const struct tunnel *t);
/* 0, or the first -errno; what could be done was done, and every failure is logged. */
int tunnel_apply(struct tunnel *t, const struct tunnel_wish *w);
/* Addresses and routes go with the device. */
void tunnel_free(struct tunnel *t);
