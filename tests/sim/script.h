/* A world from a seed: policy, topology, traffic, and five minutes of trouble with a calm end. */
#pragma once

#include "sim/sim.h"

#define SCRIPT_SECONDS 300

struct script_result {
	struct sim_violation violation;
	uint64_t digest;
	double seconds; /* simulated, the calm end included */
	double calm;    /* how long the calm end took */
	uint32_t troubles, attacks, switches, sessions, denials, got;
};

/* Has the seed an actor on its paths? */
enum script_actor {
	SCRIPT_ACTOR_NONE,
	SCRIPT_ACTOR_SOME, /* each eighth seed has one */
	SCRIPT_ACTOR_ALL
};

struct script_options {
	unsigned int seconds; /* of trouble */
	enum script_actor actor;
	FILE *trace; /* what the seed expands to, and everything that happens; NULL: none */
	bool datagrams;
};

/* False: a rule is broken. */
bool script_run(const struct script_options *o, uint64_t seed, struct script_result *out);
