/* What the daemon keeps once everything is open: its user, CAP_NET_ADMIN (routes follow peers and paths), nothing else. */
#pragma once

/* Before any thread exists, since capabilities belong to threads. `user` "" stays who we are. 0 or -errno. */
int privileges_drop(const char *user);
