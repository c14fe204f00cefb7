/*
 * What a client's worker has beside the engine: a socket for each path, the candidate paths as links,
 * addresses and name servers have them now, and the tunnel device's set-up. On the worker's thread.
 */
#pragma once

#include "session/engine.h"

struct worker;
struct paths;

/* Functions that take a shell do nothing on a server, where it is NULL. */
int paths_new(struct paths **out, struct worker *w); /* 0 or -errno */
void paths_free(struct paths *c);
/* On the thread, before the loop runs: looks at the links, resolves names, opens the first candidates. */
void paths_start(struct paths *c);
/* Before the loop closes its handles, on the main thread: sockets, name servers, look-ups. */
void paths_stop(struct paths *c);
void paths_configure(struct paths *c, const struct config *config);
/* path_open, path_close and net_setup. */
void paths_io(struct engine_io *io);
/* Names that could not be looked up, and why, malloc'ed; NULL: there are none. */
char *paths_names(const struct paths *c);
void paths_count(struct paths *c);                    /* in_socket_count() of each socket */
/* Why the tunnel device is not as it should be, or "". */
const char *paths_trouble(const struct paths *c);
