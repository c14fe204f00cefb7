#include "worker/clock.h"

#include <time.h>

struct jv_time clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct jv_time){ (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 };
}
