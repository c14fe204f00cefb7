/* RESETs, at the client. */
#pragma once

#include "session/session.h"

void connect_reset(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		   struct jv_time now);
