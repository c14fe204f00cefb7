/*
 * Does DATA pass where CONTROL does? Whoever sits on a path may drop or delay the one and let the other through: then
 * PINGs are answered, and the path is dead all the same.
 *
 * Each direction of the active path is judged by itself, by either end. One packet of DATA at a time is followed: the
 * newest that was sent when some CONTROL was. On a path that treats both alike it arrives first; here it is late when
 * CONTROL sent stall_late_us() after it has arrived without it.
 *
 *     there:  DATA, DATA, PING(at)     ....  PING(asked)  --->
 *                                            PONG         <---  the highest DATA it reports is older: a strike
 *     back:   DATA, DATA, CONTROL(at)  ....  CONTROL      --->  it told the newest DATA sent before it; what has
 *                                                               come at `asked` is older: a strike
 *
 * A strike counts once for what was sent since the last one, so an idle session has none, and DATA that comes in time
 * ends the row. max_consecutive_drops strikes in a row, or more where packets are known to be lost, over at least as
 * many heartbeat intervals: the path has stalled, and is left like one that is silent (data_stalled).
 *
 * A path that has stalled answers PINGs all the same. So it is taken again only after a hold that doubles; and the
 * one that is still the active path, because there is no better one, goes on being sent DATA, and is not well before
 * that arrives in time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct path;
struct path_report;
struct policy;
struct session;

/* A PING goes out on the active path now. */
void stall_pinged(struct path *p, struct jv_time now);
/* CONTROL with a report came on the active path; `asked`: when the PING that it answers was sent, or TIME_NEVER. */
unsigned int stall_reported(struct path *p, const struct path_report *report, struct jv_time asked,
		    struct jv_time now);
/* When the next PING would tell of DATA that is late; TIME_NEVER. */
struct jv_time stall_due(const struct path *p);
/* The ways in which DATA is late at this moment: what is lost is DATA alone. */
unsigned int stall_likely(const struct path *p);
/* DATA does not pass, in these `ways` of enum stalled: the path is not taken again for a while. */
void stall_mark(struct path *p, unsigned int ways, struct jv_time now);
/* The active path answers: is it well again, as far as DATA is concerned? */
bool stall_is_over(const struct path *p, struct jv_time now);
/* May the session be moved to it, or is it too soon? */
bool stall_may_take(const struct path *p, struct jv_time now);
/* There was no DATA for a whole interval of its keys: what is known of its lateness is given back, if all of it has arrived. */
void stall_rests(struct session *s);
/* The machine slept: what was late then tells nothing. */
void stall_void(struct session *s);
/* The session is bound to it: what follows is judged anew. */
void stall_bound(struct path *p);
