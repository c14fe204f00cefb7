/* New keys inside the session. See rekey.c. */
#pragma once

#include "session/session.h"

/* New keys are ordered: their time is now, or as soon as the peer answers another OFFER. */
void rekey_order(struct session *s, struct jv_time now);
/* The timer of the session's life: OFFERs, renewal, and the end of keys that were never replaced. */
void rekey_run(struct session *s, struct jv_time now);
/* REKEY_OFFER from the peer. */
void rekey_offered(struct path *p, const struct frame *f, struct jv_time now);
/* REKEY_ACCEPT from the peer. */
void rekey_accepted(struct path *p, const struct frame *f, struct jv_time now);
/* A key agreement of ours has come back; the job stays the caller's. */
void rekey_job_done(struct session *s, struct job *j, struct jv_time now);
/* A packet of this epoch was opened: the peer seals with it. */
void rekey_peer_uses(struct session *s, uint32_t epoch, struct jv_time now);
/* The peer seals with our newest epoch, too. */
void rekey_confirmed(struct session *s, struct jv_time now);
