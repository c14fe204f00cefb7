/*
 * What the names of a client's servers mean: literal addresses, and names as they were when they were last looked
 * up. Look-ups go past the tunnel to the name servers of the machine, and are never waited for. What those do not know is
 * asked of the system (mDNS and the like), as long as that would not ask the tunnel's. On the worker's thread.
 */
#pragma once

#include <uv.h>

#include "session/engine.h"
#include "worker/resolv.h"

/* Scope of a link-local address whose interface is not there. */
#define SCOPE_GONE UINT32_MAX

struct names;

struct names_io {
	void (*changed)(void *ctx); /* after each look-up that has ended */
	/* The index of the interface by which an address is reached without the tunnel; 0 or less: whatever the kernel takes. */
	int (*device)(void *ctx, const struct ip *to);
	struct resolv *resolv;
	void *ctx;
	uint32_t mark; /* SO_MARK of what goes past the tunnel, or 0 */
};

/* NULL without memory. */
struct names *names_new(uv_loop_t *loop, const struct names_io *io);
/* After the loop has run out: look-ups write to it. */
void names_free(struct names *n);
/* Takes in what the configuration names, forgets the rest. */
void names_configure(struct names *n, const struct config *config);
/* Looks all of them up again, or with `unknown` those that mean nothing yet, and those that were looked up long ago. */
void names_resolve(struct names *n, bool unknown);
/* Looks all of them up again, soon and once for all changes until then. */
void names_network_changed(struct names *n);
/* Those whose last look-up failed: whom was asked, why, and when they are looked up again. malloc'ed; NULL: there are none. */
char *names_failed(const struct names *n);
/* Nothing is told any more. */
void names_stop(struct names *n);
/* May the server have addresses of both families for this transport? A name may, whatever it meant last. */
bool names_both_families(struct names *n, const struct config_transport *t);
/*
 * Where this transport may reach the server: both families in turn, as RFC 8305 has it, so that one that is dead
 * costs one try and not all of its addresses. With `second`, those of the other family alone. Answers how many.
 */
size_t names_remotes(struct names *n, const struct config_transport *t, bool second,
		     struct endpoint out[CANDIDATE_REMOTES_MAX]);
