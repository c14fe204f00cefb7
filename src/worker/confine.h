/*
 * A seccomp filter of system calls that the daemon never makes once it has started: less for an attacker who has taken the
 * process over. The unit's SystemCallFilter= is stricter; this one is there where the daemon runs without the unit, too.
 */
#pragma once

#include <stdbool.h>

/*
 * For all threads that are made from now on; after PR_SET_NO_NEW_PRIVS. `spawns`: it runs resolvconf, so execve(2) and what that
 * program does stay allowed. 0 or -errno, which has been logged; a kernel without seccomp is no error.
 */
int confine(bool spawns);
