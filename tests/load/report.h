/* What a phase came to, in JSON on stdout and as a line for the reader on stderr; and what the server took for it. */
#pragma once

#include "load/client.h"

struct process { /* what a process has had */
	double user_s, system_s;
	uint64_t rss_kib;
};

/* Zeroes for one that is not there. */
struct process process_read(int pid);

struct phase_report {
	const char *name;
	const struct load *load;
	bool timed_out; /* something that was waited for never came */
	struct process server, server_before, self, self_before;
};

void report_print(const struct phase_report *r);
