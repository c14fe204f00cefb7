/*
 * What whoever takes over this process cannot do: a filter of system calls that no part of the daemon makes once it has
 * started. Not instead of the unit's SystemCallFilter=, which says what may be done, but wherever there is no unit.
 */
#pragma once

#include <stdbool.h>

/*
 * For all threads that are made from now on; after PR_SET_NO_NEW_PRIVS. `spawns`: it runs resolvconf, so execve(2) and what that
 * program does stay allowed. 0 or -errno, which has been logged; a kernel without seccomp is no error.
 */
int confine(bool spawns);
