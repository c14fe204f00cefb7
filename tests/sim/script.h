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

/* Everything that happens for this seed goes to `trace` (or NULL). False: a rule is broken. */
bool script_run(uint64_t seed, unsigned int seconds, FILE *trace, bool datagrams, struct script_result *out);
