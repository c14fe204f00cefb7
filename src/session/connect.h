/* From HELLO to session, the client's side. See connect.c. */
#pragma once

#include "session/client_state.h"
#include "session/job.h"
#include "session/session.h"

/* When the server does not answer for long. */
void connect_complain(struct timer *t, struct jv_time now);
/* Calls the server, unless it is called already or a next session is there. */
void connect_start(struct engine *e, struct jv_time now);
/* Nothing comes of the WELCOME that waits. */
void connect_leave(struct engine *e);
/* No server is called any more; what was opened for that is closed. */
void connect_stop(struct engine *e);
/* May the preferred one still answer to what it was called with at the beginning? */
bool connect_has_chance(const struct client *c, struct jv_time now);
/* A key agreement for this attempt, among the engine's jobs; NULL without memory. */
struct job *connect_job(struct engine *e, enum job_kind kind, const struct attempt *a, uint32_t serial,
			     struct jv_time now);
/* The timer of the next HELLO. */
void connect_retry(struct timer *t, struct jv_time now);
/* A candidate is there that was not; `quiet`: one that does not come and go all the time. */
void connect_candidate(struct engine *e, bool quiet, struct jv_time now);
/* The HELLO is made: signed, sent and remembered, for the WELCOME to it. */
void connect_hello_send(struct engine *e, struct attempt *a, struct job *j, struct jv_time now);
/* An answer that none of our HELLOs asked for, or that does not open. */
void connect_strange(struct engine *e, uint32_t socket);
/* A socket told of an error. */
void connect_error(struct engine *e, uint32_t socket, int error);
/* The HELLO that a WELCOME or COOKIE with this handshake id answers, or NULL. */
struct greeting *connect_find(struct client *c, const struct route *from, const uint8_t id[8],
				      struct attempt **attempt);
/* The one that a job was about, unless it is forgotten. */
struct greeting *connect_greeting_of(struct attempt *a, const struct job *j);
/* A COOKIE from the network. The HELLO that it answers goes out once more, with it. */
void connect_cookie(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		    struct jv_time now);
