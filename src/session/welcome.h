/* From WELCOME to session, the client's side. See welcome.c. */
#pragma once

#include "session/client_state.h"
#include "session/session.h"

/* Something authentic came. */
void welcome_old_heard(struct session *s, struct jv_time now);
/* There is no session any more that would go before the next. */
void welcome_old_gone(struct client *c, struct jv_time now);
/* A WELCOME from the network: opened off the loop, if it answers a HELLO of ours. */
void welcome_received(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		     struct jv_time now);
/* The timer of a WELCOME that waits. */
void welcome_waited(struct timer *t, struct jv_time now);
/* A key agreement of a HELLO or a WELCOME has come back; the job is freed here. */
void welcome_job_done(struct engine *e, struct job *j, struct jv_time now);
/* A session has ended: the next one is begun, unless there is another. */
void welcome_ended(struct session *s, struct jv_time now);
