/*
 * What the names of a client's servers mean: literal addresses, and names as they were when they were last looked
 * up. Look-ups run on the thread pool and are never waited for. On the worker's thread.
 */
#pragma once

#include <uv.h>

#include "session/engine.h"

struct names;

/* `changed` is called after each look-up that has ended. NULL without memory. */
struct names *names_new(uv_loop_t *loop, void (*changed)(void *ctx), void *ctx);
/* After the loop has run out: look-ups write to it. */
void names_free(struct names *n);
/* Takes in what the configuration names, forgets the rest. */
void names_configure(struct names *n, const struct config *config);
/* Looks all of them up again, or with `unknown` those that mean nothing yet. */
void names_resolve(struct names *n, bool unknown);
/* Nothing is told any more; look-ups that have not begun are called back. */
void names_stop(struct names *n);
/* May the server have addresses of both families for this transport? A name may, whatever it meant last. */
bool names_both_families(struct names *n, const struct config_transport *t);
/*
 * Where this transport may reach the server: both families in turn, as RFC 8305 has it, so that one that is dead
 * costs one try and not all of its addresses. With `second`, those of the other family alone. Answers how many.
 */
size_t names_remotes(struct names *n, const struct config_transport *t, bool second,
		     struct endpoint out[CANDIDATE_REMOTES_MAX]);
