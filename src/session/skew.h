/* How old is what the peer says, by his age of the session? */
#pragma once

#include "session/session.h"

/*
 * Our age less the peer's. A round trip tells it exactly (give or take the RTT); a packet that only came can
 * be late, so it may lower the estimate at once but raise it no faster than clocks drift.
 */
void skew_sample(struct session *s, uint64_t peer_age_us, int64_t rtt_us, struct jv_time now);
/* How old a request of this peer age is. */
int64_t skew_request_age_us(const struct session *s, uint64_t peer_age_us, struct jv_time now);
/* Is a request of this peer age older than proof_max_age_ms? */
bool skew_is_stale(const struct session *s, uint64_t peer_age_us, struct jv_time now);
