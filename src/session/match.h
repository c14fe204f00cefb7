/* Which session an operator means. The one place that says so: for sessions, and for the records of their lives. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "jumpvpn/proto.h"

#define MATCH_NAME_MAX 64 /* of a peer's name and of what is asked for, with the NUL */

/*
 * Is this session meant by `wanted`, which is the beginning of its ID in hexadecimal digits, of either case, or the whole
 * name of its peer? `peer` ends with a NUL, or is MATCH_NAME_MAX bytes long. An empty `wanted` means none.
 */
bool match_session(const char *wanted, const uint8_t id[PROTO_SESSION_ID_LEN], const char *peer);
