/* CPUs for workers: those the process may run on, for a container or taskset(1) may leave it a part of them. */
#pragma once

#include <stdint.h>

#define AFFINITY_ANY (-1)

uint32_t affinity_count(void); /* at least 1 */
/* The first `n` of them; AFFINITY_ANY where there are fewer. */
void affinity_list(int *cpus, uint32_t n);
/* The calling thread stays there from now on, and so do the threads it makes. 0 or -errno. */
int affinity_stay(int cpu);
