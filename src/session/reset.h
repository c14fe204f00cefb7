/* RESETs, at the client. */
#pragma once

#include "session/session.h"

void reset_received(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		   struct jv_time now);
void reset_send(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now);
