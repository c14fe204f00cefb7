/*
 * The one writer of a session's state and of its binding. A change is stamped, counted and told here, and the timers that
 * depend on it are started anew; what is to be done about it is decided by who calls.
 *
 * On the thread of the engine.
 */
#include "session/state.h"

#include "session/age.h"
#include "session/due.h"
#include "session/evidence.h"
#include "session/fsm.h"
#include "session/limit.h"
#include "session/passage.h"
#include "session/path.h"
#include "session/session.h"
#include "session/silence.h"
#include "session/size.h"
#include "session/stall.h"
#include "session/trail.h"
#include "session/wheel.h"

bool state_event(struct session *s, enum event event, enum reason why, struct jv_time now)
{
	const enum state from = s->state;
	const uint64_t elapsed = time_since_ms(now, s->since);
	int64_t away_us = -1;
	enum state to;
	bool reloaded;

	if (!fsm_next(from, event, why, &to)) {
		s->engine->counters.n[COUNT_ILLEGAL_TRANSITION]++;
		trail_refused(s->engine, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ILLEGAL_TRANSITION, NULL,
			      now);
		return false;
	}
	if (to == STATE_TERMINATED)
		trail_flaps(s, now);
	reloaded = session_take_policy(s);
	if (from == STATE_ATTACHED) {
		s->left_attached = now;
		s->instability = why;
		passage_ends(s, now);
		if (s->active && s->engine->client)
			s->jump->left_at = session_remote(s->active);
		if (s->active && evidence_is_dead(why))
			s->active->health->window_open =
				false; /* what is lost from now on is lost to a hole */
	}
	if (to == STATE_ATTACHED && !time_is_never(s->left_attached)) {
		away_us = time_diff_us(now, s->left_attached);
		s->left_attached = TIME_NEVER;
	}
	s->engine->by_state[from]--;
	s->engine->by_state[to]++;
	s->state = to;
	s->reason = why;
	s->since = now;
	s->state_version++;
	trail_state(s, from, to, why, elapsed, now);
	if (to == STATE_ATTACHED)
		passage_begins(s);
	if (away_us >= 0)
		age_attached(s, away_us, now);
	if (reloaded && to != STATE_TERMINATED) {
		trail_session(s, AUDIT_POLICY_RELOADED, REASON_NONE, now);
		age_configured(s, now);
	}
	session_due(s, DUE_DEADLINE, due_deadline(s));
	due_restart(s, now);
	if (s->engine->client)
		silence_watch(s, now);
	return true;
}

void state_bind(struct session *s, struct path *to, bool is_switch, struct jv_time now)
{
	struct path *from = s->active;
	const uint8_t from_number = from ? from->number : PATH_NONE;

	trail_flaps(s, now); /* of the binding that was */
	if (from && from != to) {
		s->draining = from;
		s->drain_until = time_add_ms(now, s->policy->drain_ms);
		session_due_earlier(s, DUE_STANDBY, s->drain_until);
	}
	if (s->draining == to)
		s->draining = NULL;
	if (from != to)
		size_moved(to);
	s->active = to;
	s->unanswered_since = TIME_NEVER;
	to->health->unanswered = 0;
	to->health->ping_out = false;
	path_taken(to);
	stall_bound(to);
	if (!is_switch)
		return;
	s->binding_version++;
	s->switches++;
	s->bytes_at_switch = s->rx_bytes + s->tx_bytes;
	switch_limit_take(&s->limit, now);
	trail_path(s, AUDIT_TRANSPORT_SWITCH, s->instability, from_number, to, now);
}
