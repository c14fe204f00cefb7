/* Client: other endpoints are called beside a session that is silent. See failover.c. */
#pragma once

#include "session/client_state.h"

/* How often at least the client of a session that rests asks whether the gateway is there; milliseconds. */
uint32_t failover_idle_ms(const struct session *s);
void failover_init(struct client *c);
/* The server has attached the next session: whatever is heard of this one, it is over. */
void failover_decided(struct client *c);
/* The session's state has changed: is it to be watched? */
void failover_watch(struct session *s, struct jv_time now);
/* Something authentic came. */
void failover_heard(struct session *s, struct jv_time now);
/* A WELCOME came, after a round trip of `rtt_us`: when may it be taken? */
struct jv_time failover_release(struct client *c, int64_t rtt_us, struct jv_time now);
/* Its time has come. False: the session lives, and the attempt is over. */
bool failover_may_take(struct client *c, struct jv_time now);
/* There is no session any more that would go before the next. */
void failover_ends(struct client *c, struct jv_time now);
