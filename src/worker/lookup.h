/*
 * One name, looked up with name servers that are given: not with those of /etc/resolv.conf, which may be the tunnel's, and not
 * through the tunnel. /etc/hosts and the order in /etc/nsswitch.conf count, as far as they speak of files and DNS. On the
 * worker's thread; nothing waits. The only door to c-ares.
 */
#pragma once

#include <uv.h>

#include "worker/nameservers.h"

#define LOOKUP_MS 10000        /* of all tries together */
#define LOOKUP_ADDRESSES_MAX 8 /* of one family */

struct lookup_answer {
	struct endpoint address
		[2 *
		 LOOKUP_ADDRESSES_MAX]; /* RFC 6724's order, port 0; as many of each family as there may be */
	size_t n;
	uint32_t ttl_s;    /* of the address that ends first; 0 from files */
	const char *error; /* NULL: there are addresses */
	bool silent;       /* nobody has answered, neither yes nor no */
};

struct lookup_how {
	/* The index of the interface by which `to` is reached without the tunnel; 0 or less: whatever the kernel takes. */
	int (*device)(void *ctx, const struct ip *to);
	/* Once, and never before lookup_start() has returned. The look-up is gone then. */
	void (*done)(void *ctx, void *asker, const struct lookup_answer *a);
	void *ctx;
	uint32_t mark; /* SO_MARK, or 0 */
};

struct lookup;

/* `how` must outlive it. NULL without memory. */
struct lookup *lookup_start(uv_loop_t *loop, const char *host, const struct nameservers *servers,
			    const struct lookup_how *how, void *asker);
/* done() is not called any more. */
void lookup_cancel(struct lookup *l);
