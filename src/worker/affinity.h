/*
 * Where workers run: on CPUs that the process may run on, for a container or taskset(1) may leave it a part of them.
 * And how readily: ahead of programs that nobody waits for in milliseconds, as the kernel's own forwarding is.
 */
#pragma once

#include <stdint.h>

#define AFFINITY_ANY (-1)

uint32_t affinity_count(void); /* at least 1 */
/* The first `n` of them; AFFINITY_ANY where there are fewer. */
void affinity_list(int *cpus, uint32_t n);
/* The calling thread stays there from now on, and so do the threads it makes. 0 or -errno. */
int affinity_stay(int cpu);

#define AFFINITY_NICE (-10)
/*
 * The calling thread runs at AFFINITY_NICE from now on, and so do the threads it makes, until it runs as others do
 * again. With the policy SCHED_BATCH: first when a CPU is free, and a packet does not interrupt whoever is about to
 * send the next, so that some gather. Needs CAP_SYS_NICE or RLIMIT_NICE. Nothing happens to one with a nice value
 * already: somebody has chosen. 0 or -errno.
 */
int affinity_ahead(void);
void affinity_as_others(void);
