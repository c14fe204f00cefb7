/*
 * Keys, configurations and inner packets for worlds of engines: the unit tests' and the simulator's. Nothing here
 * can fail but by a mistake of the test's, and then it aborts.
 */
#pragma once

#include "config/config.h"
#include "prng.h"

void make_keys(struct prng *rng, uint8_t private_key[32], uint8_t public_key[32]);
/* Peer `i` of a server: 10.8.0.0 + i + 2, a network behind it, a route, a name server, the default policy. */
void make_peer(struct config_peer *p, unsigned int i, unsigned int workers);
/*
 * A server's configuration, and those of its `clients` (given by pointer: each in a struct of its own). Its inner
 * address is 10.8.0.1. Call make_owners() when the peers are as wanted.
 */
struct config *make_config(struct prng *rng, unsigned int workers, unsigned int clients,
			   struct config *client[]);
/* The index of inner addresses, made anew. */
void make_owners(struct config *c);
/* A deep copy of a server's, generation + 1, still without owners. */
struct config *make_config_next(const struct config *c);
void make_config_free(struct config *c);
/* An IPv4 UDP packet of `len` bytes (28 and more) in `out`; answers `len`. */
size_t make_packet(uint8_t *out, size_t len, const struct ip *src, const struct ip *dst);
