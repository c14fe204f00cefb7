/*
 * A question to the workers, or an order to one, until the last has answered. Main thread.
 *
 * A worker answers on its own time: whoever asked may be gone by then, or the daemon be ending.
 */
#pragma once

#include "session/match.h"
#include "worker/daemon_state.h"

struct ctl_request;
struct metrics_request;

enum gather_kind { GATHER_STATUS, GATHER_METRICS, GATHER_LIST, GATHER_FIND, GATHER_ORDER, GATHER_RELOAD };

struct gather {
	struct list node;
	uint64_t token; /* never used twice, so a late answer meets nobody else's question */
	enum gather_kind kind;
	struct ctl_request *req; /* NULL: none, or answered */
	struct metrics_request *scrape;
	uint32_t waiting;              /* workers that have not answered */
	struct worker_report *reports; /* STATUS, METRICS: one for each worker */
	struct engine_peers **peers;   /* RELOAD at a server: the same, until the worker has taken it */
	/* LIST, FIND: one worker after the other */
	uint32_t at;
	struct worker_walk walk;
	char wanted[MATCH_NAME_MAX];
	struct session_info *rows;
	size_t found; /* FIND: rows so far */
};

/* May a question be asked now? All workers or none: a configuration that one of them missed could never be freed. */
bool gather_may(const struct daemon *d);
const char *gather_may_not(const struct daemon *d); /* why */
/* NULL without memory. */
struct gather *gather_new(struct daemon *d, enum gather_kind kind);
void gather_free(struct daemon *d, struct gather *g);
struct gather *gather_of(struct daemon *d, uint64_t token);
/* By the request that waits for it. */
struct gather *gather_for(struct daemon *d, const struct ctl_request *req);
void gather_ask_all(struct daemon *d, struct gather *g, struct message *m);
void gather_ask_one(struct daemon *d, struct gather *g, struct message *m, uint32_t worker);
