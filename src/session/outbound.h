/* Inner packets from the tunnel device. In a batch, what they have in common is looked up once. */
#pragma once

#include "session/session.h"

/* Longest packet for the session that this one goes to. */
size_t outbound_fits(const struct engine *e, const uint8_t *packet, size_t len);
/* One inner packet; may be changed. */
void outbound_packet(struct engine *e, uint8_t *packet, size_t len, struct jv_time now);
/* Many of one source, destination and class. */
void outbound_run(struct engine *e, struct inner_run *r, struct jv_time now);
