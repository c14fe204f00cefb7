/*
 * When a state must have ended, and when the active path is looked at next: the earliest of the jump that is to be repeated, the PING that is out, the DATA that
 * should have been answered, and the heartbeat. What is done then is decided in health.c.
 *
 * On the thread of the engine.
 */
#include "session/due.h"

#include "session/path.h"
#include "session/proof.h"
#include "session/silence.h"
#include "session/spread.h"
#include "session/stall.h"
#include "session/wheel.h"

/* When the present state must have ended: by its own bound, and by the time without a transport. */
struct jv_time due_deadline(const struct session *s)
{
	const struct jv_time ttl = time_is_never(s->left_attached)
					   ? TIME_NEVER
					   : time_add_ms(s->left_attached, s->policy->transport_lost_ttl_ms);

	switch (s->state) {
	case STATE_BIRTH:
		return time_add_ms(s->born, s->policy->handshake_timeout_ms);
	case STATE_VOLATILE:
		return time_min(ttl, time_add_ms(s->since, s->policy->volatile_to_degraded_ms));
	case STATE_RECOVERING:
		return time_min(ttl, time_add_ms(s->since, s->policy->recovery_window_ms));
	case STATE_DEGRADED:
		return ttl;
	case STATE_TERMINATED:
		return s->superseded_until;
	default:
		return TIME_NEVER;
	}
}

int64_t due_slow_us(const struct session *s)
{
	return (int64_t)s->policy->heartbeat_volatile_ms * 1000;
}

struct jv_time due_ping(const struct session *s, const struct path *p)
{
	const int64_t most_us = s->state == STATE_ATTACHED
					? (int64_t)s->policy->heartbeat_interval_ms * 1000 / 4
					: due_slow_us(s);
	const struct health *h = path_health(p);
	const struct jv_time at = time_add_us(h->ping_sent, path_wait_us(p, most_us));

	if (h->unanswered < path_drops(p, s->policy))
		return at;
	return time_max(
		at, time_add_us(h->silent_since, path_patience_us(p) + h->srtt_us / 2 + 4 * h->rttvar_us));
}

struct jv_time due_heartbeat(const struct session *s, const struct path *p, struct jv_time now)
{
	const struct policy *pol = s->policy;
	const struct jv_time sent = path_health(p)->ping_sent;

	if (path_health(p)->ping_id == 0)
		return now;
	if (!s->engine->client)
		return time_add_ms(s->last_rx, 2ull * pol->heartbeat_idle_ms);
	if (time_since_ms(now, s->last_data) < pol->heartbeat_interval_ms)
		return time_add_ms(sent, pol->heartbeat_interval_ms);
	/* Data may begin to flow at any moment: then the silence rule takes over. */
	return spread_next(s->id, (int64_t)silence_idle_ms(s) * 1000, sent);
}

static struct jv_time next_jump(const struct session *s)
{
	if (s->engine->client)
		return s->jump->again;
	return s->order ? s->order->again : TIME_NEVER;
}

static struct jv_time next_look(struct session *s, struct jv_time now)
{
	struct path *p = s->active;
	struct jv_time at = next_jump(s);

	if (!p)
		return at;
	if (!s->engine->client && s->state == STATE_ATTACHED)
		at = time_min(at, proof_due(p));
	if (path_health(p)->ping_out)
		return time_min(at, due_ping(s, p));
	at = time_min(at, stall_due(p));
	if (s->state != STATE_ATTACHED)
		return time_min(at, time_add_us(path_health(p)->ping_sent, due_slow_us(s)));
	at = time_min(at, due_heartbeat(s, p, now));
	if (!time_is_never(s->unanswered_since))
		at = time_min(at, time_add_us(s->unanswered_since, path_patience_us(p)));
	return at;
}

void due_arm(struct session *s, struct jv_time now)
{
	if (s->state == STATE_TERMINATED)
		return;
	session_due(s, DUE_HEALTH, next_look(s, now));
}

void due_data_sent(struct session *s, struct jv_time now)
{
	s->unanswered_since = now;
	if (s->active && s->state == STATE_ATTACHED)
		session_due_earlier(s, DUE_HEALTH, time_add_us(now, path_patience_us(s->active)));
}

void due_restart(struct session *s, struct jv_time now)
{
	if (s->state == STATE_TERMINATED || s->state == STATE_BIRTH)
		return;
	session_due_earlier(s, DUE_HEALTH, next_look(s, now));
}
