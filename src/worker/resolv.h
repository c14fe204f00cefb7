/*
 * The machine's name servers, as resolvconf(8) has them: the tunnel's are put in front of its own and taken back. On the
 * worker's thread.
 */
#pragma once

#include <uv.h>

#include "worker/nameservers.h"

struct resolv;

/* `device` is the name that resolvconf knows our name servers by. NULL without memory. */
struct resolv *resolv_new(const char *device, uv_loop_t *loop);
/* These are wanted from now on; none: what the machine had. Calls that change nothing cost nothing. */
void resolv_apply(struct resolv *r, const struct ip *dns, size_t n);
/* The tunnel's are in force, or about to be. */
bool resolv_in_force(const struct resolv *r);
/* Those of the machine, as of now or as they were when they were last known. False: there are none. */
bool resolv_machine(struct resolv *r, struct nameservers *out);
/* Takes them back. */
void resolv_free(struct resolv *r);
