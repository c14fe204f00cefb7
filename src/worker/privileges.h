/*
 * What the daemon keeps once everything is open: its user, CAP_NET_ADMIN (routes follow peers and paths),
 * nothing else. And what it keeps from others: its memory, which holds keys.
 */
#pragma once

/* Makes the directory `path` that user's, while we may; "" : leaves it. */
void privileges_give(const char *path, const char *user);
/*
 * Keys end neither in a core file nor, where RLIMIT_MEMLOCK can be lifted, in the swap; no process of the same user may
 * look into this one. Says what could not be had.
 */
void privileges_hide(void);
/* The calling thread keeps no capability. */
void privileges_none(void);
/* Before any thread exists, since capabilities belong to threads. `user` "" stays who we are. 0 or -errno. */
int privileges_drop(const char *user);
