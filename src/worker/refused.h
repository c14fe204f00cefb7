/*
 * Where runs of datagrams were refused of late: what goes there goes one by one, until it is tried again. A receiver
 * whose place is wanted for another is forgotten, and then costs a refused run more.
 */
#pragma once

#include <stdbool.h>

#include "base/addr.h"
#include "base/time.h"

#define REFUSED_MS 300000
#define REFUSED_BUCKETS 64 /* a power of two */

struct refused { /* all zero at first */
	struct {
		int fd;
		struct endpoint to; /* port 0: nobody */
		struct jv_time until;
	} bucket[REFUSED_BUCKETS];
	unsigned int used;
};

/* True the first time of all. */
bool refused_add(struct refused *r, int fd, const struct endpoint *to, struct jv_time now);
bool refused_has(const struct refused *r, int fd, const struct endpoint *to, struct jv_time now);
