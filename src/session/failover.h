/* Client: other endpoints are called beside a session that is silent. See failover.c. */
#pragma once

#include "session/client_state.h"

/* The timer by which others are called beside a silent session. */
void failover_init(struct client *c);
/* Nobody is called beside the session any more. */
void failover_stop(struct client *c);
/* A WELCOME came, after a round trip of `rtt_us`: when may it be taken? */
struct jv_time failover_release(struct client *c, int64_t rtt_us, struct jv_time now);
