/* From a HELLO that was heard to a session: the server's side. See accept.c. */
#pragma once

#include "session/session.h"

/* A session in BIRTH, and its WELCOME is on its way; the job lives on. False: no room for one. */
bool accept_birth(struct engine *e, struct job *j, struct jv_time now);
void accept_job_done(struct engine *e, struct job *j, struct jv_time now);
void accept_attached(struct session *s, struct path *p, struct jv_time now);
