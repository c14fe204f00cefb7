/*
 * An actor on some or all paths of a client, without keys, as a seed has it: it drops, delays, doubles and marks what it
 * picks by length and direction, or by kind when it guesses well, gives the client other addresses at will, and changes
 * its mind.
 */
#pragma once

#include "sim/sim.h"

struct programme {
	struct sim *sim;
	struct prng rng;
	struct jv_time end;
	unsigned int client, paths;
	uint32_t on;       /* bits of the paths it sits on */
	bool guesses;      /* it knows what is in a packet */
	uint64_t pace_ms;  /* between two minds; 0: it has one */
	uint64_t remap_ms; /* between two remappings; 0: none */
};

/* What the seed has it do, before the world is made; `everywhere`: it may sit on all paths. */
void programme_new(struct programme *p, uint64_t seed, unsigned int paths, struct jv_time end);
bool programme_is_everywhere(const struct programme *p);
void programme_tell(const struct programme *p, FILE *f);
/* It acts from now on until `end`; `p` stays where it is so long. */
void programme_begins(struct programme *p, struct sim *sim);
