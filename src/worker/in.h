/*
 * What comes in: datagrams from the sockets, packets from the tunnel queue, and of both what surfaced at another worker and
 * was handed over. On the worker's thread.
 */
#pragma once

#include "worker/worker_state.h"

int in_init(struct worker *w); /* the rings between workers, and the polls; 0 or -errno */
void in_free(struct worker *w);
/* Sockets for an entry of `listen`, in the place of those it had, if any. */
void in_listen(struct worker *w, const struct message_listen *l);
/* What other workers handed over. */
void in_take(struct worker *w, struct jv_time now);
/* HELLOs that have come, a bounded number: after all else that has. */
void in_hellos(struct worker *w, struct jv_time now);
/* Nothing more is read. */
void in_stop(struct worker *w);
/* Polls a socket for datagrams; 0 or -errno. */
int in_socket_start(struct worker *w, struct worker_socket *s);
/* Counts what the kernel dropped since the last time. */
void in_socket_count(struct worker *w, struct worker_socket *s);
