/*
 * One candidate path of a client: a transport, and the addresses of the server that are to be reached by it, each with the way
 * there. What the engine is told of it. On the worker's thread.
 */
#pragma once

#include "session/engine.h"
#include "worker/way.h"

struct remote {
	struct endpoint at;
	struct way way;
	uint64_t doubt_ms; /* since when the kernel has said something else; 0: it has not */
};

struct path_candidate {
	bool exists, up;
	bool second;                       /* to the server's other address family */
	struct candidate c;                /* as the engine knows it: with the remotes that can be used */
	struct config_transport transport; /* a copy: configurations come and go */
	struct remote remote[CANDIDATE_REMOTES_MAX];
	size_t remotes;
	struct endpoint opened; /* where its newest socket leads */
	struct way opened_by;   /* the way it was opened for */
	bool moved;             /* that socket should not be used any more */
	bool told;              /* the log has been told that there is no such interface */
};

/* The one with this address, or NULL. */
struct remote *candidate_remote(struct path_candidate *p, const struct endpoint *at);
/* Another list of addresses: what is known of those that stay, stays. */
void candidate_remotes(struct path_candidate *p, const struct endpoint *list, size_t n);
/* Is this its transport? */
bool candidate_is_of(const struct path_candidate *p, const struct config_transport *t);
/* Told by these, in this order, of what has changed: it is gone, it is there or leads elsewhere, why it is not there. */
void candidate_tell_down(struct path_candidate *p, struct engine *e, struct jv_time now);
void candidate_tell_up(struct path_candidate *p, struct engine *e, struct jv_time now);
void candidate_tell_fault(struct path_candidate *p, struct engine *e, struct jv_time now);
