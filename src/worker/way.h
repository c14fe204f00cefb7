/*
 * The way from this machine to one endpoint of the server, as the kernel has it now: rules, tables, marks, gateways and
 * source addresses decide as they do for any packet. Asked anew with each change; nothing is kept here.
 */
#pragma once

#include "config/config.h"
#include "net/netlink.h"
#include "session/info.h"
#include "worker/links.h"

struct way {
	enum path_fault fault; /* why there is none; FAULT_NONE: there is, and then */
	int ifindex;           /* where packets leave */
	char interface[16];    /* its name */
	struct ip gateway;     /* of either family; zero: none */
	struct ip source;      /* of packets */
	bool local;            /* it is this machine itself */
	bool borrowed;         /* `source` is another interface's: answers may come in there */
	bool fixed; /* the socket is to be bound to `source`: by others the kernel takes another way, or none */
};

struct way_wish {
	const struct config_transport *transport; /* by interface, by address, by both, by neither */
	const struct endpoint *to;
	uint32_t mark; /* of the sockets; 0: none */
	int tunnel;    /* the index of our own device, which cannot travel inside of itself */
};

void way_find(struct netlink *nl, const struct links *l, const struct way_wish *w, struct way *out);
/* Still good, though the kernel would choose another now? */
bool way_still_leads(struct netlink *nl, const struct links *l, const struct way_wish *w,
			const struct way *way);
/* Has what a socket was opened for come to another interface or source, or lost the one it sent from? */
bool way_has_moved(const struct links *l, const struct way *before, const struct way *now);
