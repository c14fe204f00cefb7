/* From a HELLO that was heard to a session: the server's side. See accept.c. */
#pragma once

#include "session/session.h"

/* A fresh locator for this slot. False: none could be put into the table. */
bool accept_issue(struct session *s, uint8_t slot);
void births_add(struct session *s);
void births_remove(struct session *s);
/* A session in BIRTH, and its WELCOME is on its way; the job lives on. False: no room for one. */
bool accept_birth(struct engine *e, struct job *j, struct jv_time now);
/* A HELLO is refused for want of memory. */
void accept_no_memory(struct engine *e, const struct endpoint *from, struct jv_time now);
void accept_job_done(struct engine *e, struct job *j, struct jv_time now);
void accept_attached(struct session *s, struct path *p, struct jv_time now);
void accept_reset(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now);
