/* Inner packets from the tunnel device. In a batch, what they have in common is looked up once. */
#pragma once

#include "session/session.h"

size_t outbound_fits(const struct engine *e, const uint8_t *packet, size_t len);
void outbound_packet(struct engine *e, uint8_t *packet, size_t len, struct jv_time now);
void outbound_run(struct engine *e, struct inner_run *r, struct jv_time now);
