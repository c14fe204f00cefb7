/*
 * Client: how a jump is made. A JUMP goes to the path that was chosen, and is repeated until it is answered. When and why to
 * jump is decided in client.c.
 *
 *     path dead -> dead: JUMP at once, DATA goes with it ----.
 *     path bad, or an order -> a path that has answered ------+--> JUMP(id) --> JUMP_ACK: bound to the new path
 *               `- one that has not: its PONG first ----------'      |     `-> JUMP_REJECT: wait, or elsewhere
 *                                                                    `- no answer: again, after 1, 2, 4 patiences
 *
 * On the thread of the engine.
 */
#include "session/jump.h"

#include "session/due.h"
#include "session/evidence.h"
#include "session/limit.h"
#include "session/path.h"
#include "session/rescue.h"
#include "session/send.h"
#include "session/session.h"
#include "session/silence.h"
#include "session/stall.h"
#include "session/state.h"
#include "session/trail.h"

#define JUMP_REPEAT_MAX_MS 500

void jump_ends(struct session *s, enum reason why, uint32_t retry_after_ms)
{
	if (s->jump->ordered)
		s->engine->io.jump_done(s->engine->ctx, s->jump->token, why, retry_after_ms);
	s->jump->pending = s->jump->ordered = false;
	s->jump->again = TIME_NEVER;
}

/* What was sent before arrived, as far as this end can know: the JUMP_ACK will tell for certain. */
static struct jv_time silent_since(const struct path *p, enum reason evidence)
{
	const struct health *h = path_health(p);
	const struct jv_time heard = time_is_never(p->last_rx) ? p->opened : p->last_rx;

	if (evidence == REASON_DATA_STALLED)
		return session_lags(p->session)->there.since;
	return time_add_us(h->unanswered > 0 ? time_min(heard, h->silent_since) : heard,
			   -(2 * h->srtt_us + 4 * h->rttvar_us));
}

/* A new port of the active path is as far away as the old one was. */
int64_t jump_patience_us(const struct session *s, const struct path *p)
{
	const struct path *a = s->active;
	const struct endpoint there = session_remote(p), before = session_remote(a);

	if (path_health(p)->srtt_us == 0 && p->number == a->number &&
	    endpoint_equal(&there, &before))
		return path_patience_us(a);
	return path_patience_us(p);
}

void jump_send(struct session *s, struct jv_time now)
{
	struct path *p = s->slot[s->jump->slot].path;
	const struct frame_jump f = {
		.id = put_be32(s->jump->id),
		.path = p->number,
		.reason = (uint8_t)s->jump->evidence,
		.binding_version = put_be32(s->jump->binding),
		.age_us = put_be64(session_age_us(s, now)),
		.epoch = (uint8_t)s->rx_epoch,
		.highest = put_be48(s->rx_highest),
	};
	int64_t wait = jump_patience_us(s, p) << (s->jump->tries < 8 ? s->jump->tries : 8);

	send_frame(p, &(struct frame){ FRAME_JUMP, { &f } }, now);
	s->jump->tries++;
	if (wait < PROTO_RETRY_MIN_MS * 1000)
		wait = PROTO_RETRY_MIN_MS * 1000;
	if (wait > JUMP_REPEAT_MAX_MS * 1000)
		wait = JUMP_REPEAT_MAX_MS * 1000;
	s->jump->again = time_add_us(now, silence_pace_us(s, wait, s->jump->tries, now));
	due_restart(s, now);
	if (s->jump->dead && s->jump->tries == 1)
		rescue_at_once(s, silent_since(s->active, s->jump->evidence), now);
	else
		rescue_run(s, now);
}

void jump_to(struct session *s, struct path *p, struct jv_time now)
{
	s->jump->pending = true;
	s->jump->id = ++s->next_jump_id;
	s->jump->slot = p->slot;
	s->jump->number = p->number;
	s->jump->tries = 0;
	s->jump->denied = REASON_NONE;
	s->jump->tried |= (uint16_t)(1u << p->slot);
	trail_path(s, AUDIT_REATTACH_ATTEMPT, s->jump->evidence, s->active->number, p, now);
	if (s->jump->dead || path_is_proven(p)) {
		jump_send(s, now);
		return;
	}
	/* There is time: a path that has answered has challenged us too, and the 3x rule will not bind it. */
	s->jump->again = time_add_us(now, path_patience_us(p));
	due_restart(s, now);
}

void jump_retarget(struct session *s, struct path *p, struct jv_time now)
{
	if (s->state == STATE_RECOVERING)
		jump_to(s, p, now);
}

void jump_recover(struct session *s, struct path *p, enum reason evidence, enum reason why, bool dead,
		  struct jv_time now)
{
	if (!state_event(s, EVENT_SWITCH_START, why, now))
		return;
	s->jump->evidence = evidence;
	s->jump->dead = dead;
	s->jump->tried = 0;
	s->jump->first = now;
	s->jump->binding = s->binding_version;
	s->stall_tries += p != s->active && path_health(p)->stall.on != 0 && s->stall_tries < UINT8_MAX;
	jump_to(s, p, now);
}

struct path *jump_choose(struct session *s, uint16_t tried, struct jv_time now)
{
	struct path *best = NULL;

	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = s->slot[i].path;

		if (!path_is_known(p) || p->number == PATH_NONE || tried & 1u << i ||
		    !session_has_candidate(s, p->number) || !stall_may_take(p, now) ||
		    (p == s->draining && p->number == s->active->number))
			continue;
		if (p == s->active &&
		    (p->health->unanswered > 0 || p->health->ping_id == 0 || !stall_is_over(p, now)))
			continue;
		if (!best || path_is_better(p, best, s->policy))
			best = p;
	}
	return best;
}

bool jump_improves(const struct session *s, const struct path *p)
{
	const struct path *a = s->active;
	const uint64_t factor = s->policy->improvement_factor;

	if (p == a || !path_is_warm(p, s->policy))
		return false;
	if (path_health(a)->loss_bad)
		return path_loss_ppm(p) * factor / POLICY_PPM < path_health(a)->loss_ppm;
	return (uint64_t)path_health(p)->srtt_us * factor / POLICY_PPM < (uint64_t)path_health(a)->srtt_us;
}

uint32_t jump_forbidden_ms(struct session *s, enum reason evidence, enum reason *why, struct jv_time now)
{
	const uint32_t budget = evidence_budget(s->policy, evidence, path_health(s->active)->loss_ppm);
	uint32_t ms = session_limit_ms(s, &s->limit, budget, now);

	*why = REASON_SWITCH_RATE_LIMITED;
	if (ms == 0) {
		*why = REASON_COOLDOWN_ACTIVE;
		ms = switch_limit_cooldown_ms(&s->limit, s->policy->switch_cooldown_ms, now);
	}
	return ms;
}
