/* From HELLO to session, the client's side. See connect.c. */
#pragma once

#include "session/session.h"

/* When the server does not answer for long. */
void connect_complain(struct timer *t, struct jv_time now);
void connect_start(struct engine *e, struct jv_time now);
void connect_stop(struct engine *e);
void connect_retry(struct timer *t, struct jv_time now);
/* A candidate is there that was not; `quiet`: one that does not come and go all the time. */
void connect_candidate(struct engine *e, bool quiet, struct jv_time now);
/* A socket told of an error. */
void connect_error(struct engine *e, uint32_t socket, int error);
void connect_welcome(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		     struct jv_time now);
void connect_cookie(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		    struct jv_time now);
void connect_waited(struct timer *t, struct jv_time now);
/* The WELCOME that waits is taken now; or nothing comes of it. */
void connect_take(struct engine *e, struct jv_time now);
void connect_job_done(struct engine *e, struct job *j, struct jv_time now);
void client_ended(struct session *s, struct jv_time now);
