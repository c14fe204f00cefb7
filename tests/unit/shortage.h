/*
 * Memory that runs out: shortage.c stands before the allocator of the whole program, its libraries too, and lets one
 * allocation fail. A sanitizer stands there itself: then nothing fails, and shortage_works() says so.
 *
 *	shortage_begin(&held);
 *	while (shortage_next()) {    // the first allocation fails, then the second, ... until none has
 *		set up; shortage_arm(); what is tested; shortage_disarm(); assert and take down;
 *	}
 */
#pragma once

#include <stdbool.h>

struct shortage {
	bool armed;
	unsigned int *held;  /* not zero: the test itself allocates */
	unsigned long count; /* allocations while it was armed */
	unsigned long fails; /* which one of them does; 0: none */
	bool failed;
	long live; /* allocated and not freed */
};

extern struct shortage shortage;

bool shortage_works(void);
void shortage_begin(unsigned int *held);
/* The round before has had its failure, or there was none: then it is the next allocation's turn. */
bool shortage_next(void);
void shortage_arm(void);
void shortage_disarm(void);
