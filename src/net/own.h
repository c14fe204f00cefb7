/*
 * By what our own doings are told from those of others in the kernel's routing: everything that we put there bears
 * TUNNEL_RTPROT, and what belongs to one tunnel device a number made of its name, the same after each restart.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/hash.h"

#define TUNNEL_RTPROT 74 /* rtm_protocol of routes, FRA_PROTOCOL of rules */

/*
 * The mark of a client's outer packets (SO_MARK), and the number of the table of the tunnel's own routes; with its
 * lowest bit set, of the table of the ways past the tunnel.
 */
static inline uint32_t tunnel_mark(const char *name)
{
	static const struct hash_key none;

	return 0x4a000000u | ((uint32_t)hash_bytes(&none, name, strlen(name)) & 0x00fffffeu);
}

static inline uint32_t tunnel_escape_table(uint32_t mark)
{
	return mark | 1;
}
