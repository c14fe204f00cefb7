/* The one clock of the daemon: CLOCK_BOOTTIME, which goes on while the machine sleeps. Any thread. */
#pragma once

#include "base/time.h"

struct jv_time clock_now(void);
