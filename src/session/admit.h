/* Which HELLOs a server hears, and what it answers to the others. See admit.c. */
#pragma once

#include "session/job.h"
#include "session/session.h"

/*
 * Of a worker's sessions: when there are `max` of them, a peer that has none gets none; one that has gets the next, which takes
 * the place of the one it has, as long as there are not so many in all.
 */
#define ADMIT_MOST(max) ((max) + (max) / 8 + 1)

/* May there be one more session, for this peer? */
bool admit_has_room(const struct engine *e, uint32_t peer);

/* These answer true where the job lives on. */

/* What a server needs to judge HELLOs. False without memory: admit_free() frees what there is. */
bool admit_new(struct engine *e, const uint8_t cookie_seed[32]);
/* No more key agreements are begun. */
void admit_stop(struct engine *e);
void admit_free(struct engine *e);
/*
 * From now on what was recorded before is old, of a peer that has not called yet: the daemon began, or the peer may be new. Its
 * clock says so, if the peers' say about the same.
 */
void admit_configured(struct engine *e);
/* This HELLO becomes a session: its like is a copy from now on. */
void admit_welcomed(struct engine *e, const struct job *j, struct jv_time now);
/* What became of a HELLO, to the worker that took it: it remembers that, and sends the COOKIE if one is due. True:
 * the job lives on. */
bool admit_answer(struct engine *e, struct job *j, enum hello_end end, struct jv_time now);
/* Key agreements under way or waiting for their turn. */
size_t admit_jobs(const struct engine *e);
/* To the threads for key agreements. */
void admit_hand_out(struct engine *e, struct job *j);
/* Those whose turn it is, and who have not waited for too long. */
void admit_serve(struct engine *e, struct jv_time now);
/* A HELLO from the network. It has its answer, gets none, or waits for its turn. */
void admit_hello(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now);
/* A session is about to attach. False: too many of its peer's have, of late. */
bool admit_attached(struct session *s, struct jv_time now);
/* *admitted is set where the HELLO shall become a session: the rest is accept.c's. */
bool admit_job_done(struct engine *e, struct job *j, bool *admitted, struct jv_time now);
/* A HELLO is refused, for there are as many sessions as there may be. */
void admit_no_room(struct engine *e, const struct endpoint *from, struct jv_time now);
/* A HELLO is refused for want of memory. */
void admit_no_memory(struct engine *e, const struct endpoint *from, struct jv_time now);
