/* Which session and which path an operator means. Never a guess: what could mean two things means none. */
#pragma once

#include "ctl/request.h"

/* Is one found, neither none nor several? Else *why. `wanted` as it was asked for; NULL: the only one there is. */
bool find_is_one(const char *wanted, size_t found, char why[REQUEST_TEXT_MAX]);
/* Number of the path with that name or number, or -1 and *why. */
int find_path(const char *wanted, const struct session_info *s, char why[REQUEST_TEXT_MAX]);
