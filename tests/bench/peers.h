/* What the benchmarks of engines have in common: a server's configuration of many peers, each with one address. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"

static inline void must(bool done, const char *what)
{
	if (!done)
		bug("benchmark: %s", what);
}

static inline struct ip address_of(uint32_t i)
{
	const uint8_t v4[4] = { 10, (uint8_t)(64 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i };

	return ip_from_v4(v4);
}

static inline void make_peers(struct config *c, size_t n, uint16_t mtu)
{
	c->role = ROLE_SERVER;
	c->node_id = 1;
	c->tunnel.mtu = mtu;
	c->npeers = n;
	c->max_sessions = (uint32_t)n;
	c->peers = calloc(n, sizeof(*c->peers));
	c->owners = lpm_new(n);
	must(c->peers && c->owners, "memory");
	for (size_t i = 0; i < n; i++) {
		struct config_peer *p = &c->peers[i];

		p->addresses = calloc(1, sizeof(*p->addresses));
		must(p->addresses, "memory");
		p->naddresses = 1;
		p->addresses[0] = (struct prefix){ address_of((uint32_t)i), 128 };
		memcpy(p->public_key, &(uint32_t){ (uint32_t)i }, sizeof(uint32_t));
		p->policy = policy_defaults;
		must(lpm_add(c->owners, p->addresses, (uint32_t)i, NULL) == 0, "owner");
	}
}

/* In place of the configuration room's: the keys are numbers. Who includes this is the program's only file that does. */
ptrdiff_t config_find_peer(const struct config *c, const uint8_t public_key[32])
{
	uint32_t i;

	memcpy(&i, public_key, sizeof(i));
	return i < c->npeers ? (ptrdiff_t)i : -1;
}
