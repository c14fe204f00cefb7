/* Client: how long a session has been silent on every path, and how often it is asked meanwhile. */
#pragma once

#include "session/session.h"

/* How often at least the client of a session that rests asks whether the gateway is there; milliseconds. */
uint32_t silence_idle_ms(const struct session *s);
/*
 * When the silence has lasted long enough. It counts from the first doubt on, which comes at once where packets flow. A session
 * that rests learns only with its next heartbeat that nobody is there: its silence counts from what was heard last, and it asks
 * for a while first.
 */
struct jv_time silence_over_at(const struct session *s);
/*
 * How long until something is asked again that was asked in vain: `us`; when nothing at all has been heard for 3 s, no sooner than
 * a quarter of that time, up to heartbeat_volatile_ms. A server that answers late has more to do than it can; asked the
 * more often for that, it would never answer again. `nth`: of the row, so that no two clients ask at the same times.
 */
int64_t silence_pace_us(const struct session *s, int64_t us, uint32_t nth, struct jv_time now);
/* When the others are to be called. */
struct jv_time silence_call_at(const struct session *s);
/* Is this the session that others would be called beside? */
bool silence_is_watched(const struct session *s);
/* The session's state has changed: is it to be watched? */
void silence_watch(struct session *s, struct jv_time now);
