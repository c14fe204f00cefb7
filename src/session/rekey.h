/* New keys inside the session. See rekey.c. */
#pragma once

#include "session/session.h"

/* its time is now */
void rekey_order(struct session *s, struct jv_time now);
/* its time has come */
void rekey_run(struct session *s, struct jv_time now);
void rekey_offered(struct path *p, const struct frame *f, struct jv_time now);
void rekey_accepted(struct path *p, const struct frame *f, struct jv_time now);
void rekey_job_done(struct session *s, struct job *j, struct jv_time now);
void rekey_peer_uses(struct session *s, uint32_t epoch, struct jv_time now);
/* the peer seals with our newest epoch, too */
void rekey_confirmed(struct session *s, struct jv_time now);
