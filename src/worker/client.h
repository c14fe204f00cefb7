/*
 * What a client's worker has beside the engine: a socket for each path, the candidate paths as links,
 * addresses and name servers have them now, and the tunnel device's set-up. On the worker's thread.
 */
#pragma once

#include "session/engine.h"

struct worker;
struct client_shell;

/* Functions that take a shell do nothing on a server, where it is NULL. */
int client_shell_new(struct client_shell **out, struct worker *w); /* 0 or -errno */
void client_shell_free(struct client_shell *c);
/* On the thread, before the loop runs: looks at the links, resolves names, opens the first candidates. */
void client_shell_start(struct client_shell *c);
/* Before the loop closes its handles, on the main thread: sockets, name servers, look-ups. */
void client_shell_stop(struct client_shell *c);
void client_shell_configure(struct client_shell *c, const struct config *config);
/* path_open, path_close and net_setup. */
void client_shell_io(struct engine_io *io);
/* Names that could not be looked up, and why, malloc'ed; NULL: there are none. */
char *client_shell_names(const struct client_shell *c);
void client_shell_count(struct client_shell *c);                    /* worker_socket_count() of each socket */
/* Its socket could not send: errno. */
void client_shell_error(struct client_shell *c, int fd, int error);
/* Why the tunnel device is not as it should be, or "". */
const char *client_shell_trouble(const struct client_shell *c);
int client_shell_fd(const struct client_shell *c, uint32_t socket); /* -1: no such socket */
