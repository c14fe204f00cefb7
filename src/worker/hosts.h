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

struct hosts;

struct hosts_io {
	void (*changed)(void *ctx); /* after each look-up that has ended */
	/* The index of the interface by which an address is reached without the tunnel; 0 or less: whatever the kernel takes. */
	int (*device)(void *ctx, const struct ip *to);
	struct resolv *resolv;
	void *ctx;
	uint32_t mark; /* SO_MARK of what goes past the tunnel, or 0 */
};

/* NULL without memory. */
struct hosts *hosts_new(uv_loop_t *loop, const struct hosts_io *io);
/* After the loop has run out: look-ups write to it. */
void hosts_free(struct hosts *n);
/* Takes in what the configuration names, forgets the rest. */
void hosts_configure(struct hosts *n, const struct config *config);
/* Looks all of them up again, or with `unknown` those that mean nothing yet, and those that were looked up long ago. */
void hosts_resolve(struct hosts *n, bool unknown);
/* Looks all of them up again, soon and once for all changes until then. */
void hosts_network_changed(struct hosts *n);
/* Those whose last look-up failed: whom was asked, why, and when they are looked up again. malloc'ed; NULL: there are none. */
char *hosts_failed(const struct hosts *n);
/* Nothing is told any more. */
void hosts_stop(struct hosts *n);
/* May the server have addresses of both families for this transport? A name may, whatever it meant last. */
bool hosts_both_families(struct hosts *n, const struct config_transport *t);
/*
 * Where this transport may reach the server: both families in turn, as RFC 8305 has it, so that one that is dead
 * costs one try and not all of its addresses. With `second`, those of the other family alone. Answers how many.
 */
size_t hosts_remotes(struct hosts *n, const struct config_transport *t, bool second,
		     struct endpoint out[CANDIDATE_REMOTES_MAX]);
