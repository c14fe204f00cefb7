/* One look at a tunnel device: what the kernel has is made what is wanted. */
#pragma once

#include "worker/wanted.h"

struct mend {
	unsigned int link, addresses, routes, rules; /* changes that were made */
	int error;         /* the first that could not be: -errno; 0: none, or IPv6 is off */
	bool v6_off;       /* for it IPv6 would have to be switched on */
	bool no_sources;   /* this kernel knows no routes by source */
	unsigned int more; /* further ones that could not be */
	char trouble[200]; /* what and why; "": nothing */
};

/*
 * `mtu` 0: nothing is wanted of the link yet. `former`: addresses that were wanted before, and may go; those of others stay.
 * New routes come before new rules, new rules before old ones go, old routes last: nothing leaves in the clear meanwhile.
 */
void mend_device(struct netlink *nl, const struct wanted_for *w, uint16_t mtu, const struct prefix *former, size_t nformer,
		 struct mend *m);
/* "2 routes, 1 address" */
const char *mend_text(const struct mend *m, char buf[80]);
