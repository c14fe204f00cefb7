/*
 * For how long did what the session sent not pass? Told to the trail alone.
 *
 * On the thread of the engine.
 */
#include "session/passage.h"

#include "session/session.h"

#define STALL_PACKETS 20 /* fewer that nobody reports are no proof */

void passage_begins(struct session *s)
{
	struct passage *p = session_rare(s)->passage;

	if (!p && s->tx_packets > 0 && !session_is_idle(s))
		p = session_need_passage(s);
	if (!p)
		s->tx_rested = (uint32_t)s->tx_packets;
	if (p) {
		p->since = TIME_NEVER;
		p->mark = p->seen = (uint32_t)s->tx_packets;
		p->stalled_ms = 0;
	}
	if (s->active && s->state == STATE_ATTACHED)
		s->paths_used |= (uint8_t)(1u << s->active->number);
}

static void measure(struct passage *p, struct jv_time now)
{
	const uint64_t ms = time_is_never(p->since) ? 0 : time_since_ms(now, p->since);

	if (p->seen - p->mark >= STALL_PACKETS && ms > p->stalled_ms)
		p->stalled_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* Some of it has arrived. A report that was overtaken tells nothing new. */
static bool has_passed(const struct passage *p, const struct path_report *r)
{
	return r->epoch != p->epoch || r->highest > p->highest;
}

void passage_reported(struct session *s, const struct path_report *report, struct jv_time now)
{
	const bool first = !session_rare(s)->passage;
	const uint32_t sent = (uint32_t)s->tx_packets;
	struct passage *p;

	if (s->state != STATE_ATTACHED || (first && sent == s->tx_rested))
		return;
	p = session_need_passage(s);
	if (!p)
		return;
	if (first) {
		p->epoch = report->epoch;
		p->mark = p->seen = s->tx_rested;
	}
	if (has_passed(p, report)) {
		p->epoch = report->epoch;
		p->highest = report->highest;
		p->since = TIME_NEVER;
		p->mark = p->seen = sent;
		return;
	}
	if (sent != p->seen)
		p->offered = now;
	p->seen = sent;
	if (time_is_never(p->since)) {
		p->since = sent != p->mark ? now : TIME_NEVER;
	} else if (time_since_ms(now, p->offered) > s->policy->heartbeat_idle_ms) {
		p->since = TIME_NEVER; /* a pause says nothing */
		p->mark = sent;
	} else {
		measure(p, now);
	}
}

void passage_rests(struct session *s)
{
	const struct passage *p = session_rare(s)->passage;

	if (!p || !time_is_never(p->since) || p->mark != (uint32_t)s->tx_packets || p->stalled_ms > 0)
		return;
	s->tx_rested = p->mark;
	session_drop_passage(s);
}

void passage_ends(struct session *s, struct jv_time now)
{
	struct passage *p = session_rare(s)->passage;

	if (!p)
		return;
	p->seen = (uint32_t)s->tx_packets;
	measure(p, now);
}
