/* RESETs, at the client. */
#pragma once

#include "session/session.h"

/* A RESET from the network: if it is our server's, the session has ended there. */
void reset_received(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		   struct jv_time now);
/* A datagram came for a locator that nobody knows: RESET, within bounds, if it was one of ours. */
void reset_send(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now);
