/*
 * The machine's name servers: the tunnel's are put in front of its own and taken back. By resolvconf(8), whichever there is; where
 * that fails, as under a sandbox when it was never used before, in /etc/resolv.conf itself. Whoever takes them away meanwhile is
 * noticed, and they are put there again. On the worker's thread.
 */
#pragma once

#include <uv.h>

#include "worker/nameservers.h"

struct resolv;

/*
 * `device` is the name that resolvconf knows our name servers by. Beside the file `beside`, the control socket, a note is kept of what
 * there was. NULL without memory.
 */
struct resolv *resolv_new(const char *device, const char *beside, uv_loop_t *loop);
/* Takes back what a predecessor that was killed has left. False: it has left nothing. */
bool resolv_start(struct resolv *r);
/* These are wanted from now on; none: what the machine had. Calls that change nothing cost nothing. */
void resolv_apply(struct resolv *r, const struct ip *dns, size_t n);
/* A link or address came or went, and with it perhaps what we have told. */
void resolv_network_changed(struct resolv *r);
/* The tunnel's are in force, or about to be. */
bool resolv_in_force(const struct resolv *r);
/* Those of the machine, as of now or as they were when they were last known. False: there are none. */
bool resolv_machine(struct resolv *r, struct nameservers *out);
/* The same as it was last asked for, without looking; none of NULL. */
const struct nameservers *resolv_known(const struct resolv *r);
/* Takes them back; what is left to do is done as the loop turns. */
void resolv_free(struct resolv *r);
/*
 * After resolv_free(): turns the loop until nothing is left to do on it. A resolvconf that has not ended within 10 s is ended with
 * all that it has started, and /etc/resolv.conf is put back all the same.
 */
void resolv_finish(uv_loop_t *loop);
