/*
 * The machine's name servers, as resolvconf(8) has them: the tunnel's are put in front of its own and taken back. On the
 * worker's thread.
 */
#pragma once

#include <uv.h>

#include "base/addr.h"

struct resolv;

/* `device` is the name that resolvconf knows our name servers by. NULL without memory. */
struct resolv *resolv_new(const char *device, uv_loop_t *loop);
/* These are wanted from now on; none: what the machine had. Calls that change nothing cost nothing. */
void resolv_apply(struct resolv *r, const struct ip *dns, size_t n);
/* Takes them back. */
void resolv_free(struct resolv *r);
