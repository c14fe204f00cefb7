/*
 * What the daemon keeps once everything is open: its user, CAP_NET_ADMIN (routes follow peers and paths),
 * nothing else.
 */
#pragma once

/* Makes `path` that user's, while we may; "" : leaves it. */
void privileges_give(const char *path, const char *user);
/* Before any thread exists, since capabilities belong to threads. `user` "" stays who we are. 0 or -errno. */
int privileges_drop(const char *user);
