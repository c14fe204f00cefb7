/* Frames of a sealed CONTROL packet, handed to whom they concern. */
#pragma once

#include "session/session.h"

/* The frames of one packet: all of them are looked at before any is acted on. `newest`: none that was sealed later
 * has come on this path; `wire_len`: of the datagram. */
void control_received(struct path *p, const struct route *from, const uint8_t *frames, size_t len,
		      size_t wire_len, bool newest, struct jv_time now);
