/* From a HELLO that was heard to a session: the server's side. See accept.c. */
#pragma once

#include "session/session.h"

/* A session in BIRTH, and its WELCOME is on its way; the job lives on. False: no room for one. */
bool accept_birth(struct engine *e, struct job *j, struct jv_time now);
/* A key agreement for a HELLO has come back; the job is freed here, unless it lives on. */
void accept_job_done(struct engine *e, struct job *j, struct jv_time now);
/* The first sealed packet of a session in BIRTH came on `p`: it attaches, and replaces the session that its peer
 * had. */
void accept_attached(struct session *s, struct path *p, struct jv_time now);
