#include "worker/affinity.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

uint32_t affinity_count(void)
{
	cpu_set_t allowed;

	return sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? (uint32_t)CPU_COUNT(&allowed) : 1;
}

void affinity_list(int *cpus, uint32_t n)
{
	cpu_set_t allowed;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
	for (uint32_t i = 0; i < n; i++) {
		while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed))
			cpu++;
		cpus[i] = cpu < CPU_SETSIZE ? cpu++ : AFFINITY_ANY;
	}
}

int affinity_stay(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
}

static void set_policy(int policy)
{
	const struct sched_param none = { .sched_priority = 0 };

	(void)sched_setscheduler(0, policy, &none); /* between these two nobody needs leave */
}

int affinity_ahead(void)
{
	if (getpriority(PRIO_PROCESS, 0) != 0) /* -1 is a nice value, and there is no other error */
		return 0;
	if (setpriority(PRIO_PROCESS, 0, AFFINITY_NICE) < 0)
		return -errno;
	set_policy(SCHED_BATCH);
	return 0;
}

void affinity_as_others(void)
{
	if (getpriority(PRIO_PROCESS, 0) != AFFINITY_NICE)
		return;
	set_policy(SCHED_OTHER);
	(void)setpriority(PRIO_PROCESS, 0, 0); /* upwards it is never refused */
}
