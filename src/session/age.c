/*
 * How old the keys of a session are, and when they are to be replaced. While nothing carries they do not age: no OFFER could
 * be answered then.
 *
 * On the thread of the engine.
 */
#include "session/age.h"

#include "session/client_state.h"
#include "session/keys.h"
#include "session/wheel.h"

/* The server offers only when the client is that much overdue. */
#define SERVER_PATIENCE(ms) ((ms) + (ms) / 4)

struct jv_time age_renewal_due(const struct session *s)
{
	const uint64_t life = s->policy->max_lifetime_ms;
	const uint64_t margin = life / 10 < 60000 ? life / 10 : 60000;

	return time_add_ms(s->born, life - margin);
}

/* When the keys will be older by one more interval that is told, or that ends something. */
static struct jv_time overdue_due(const struct session *s)
{
	const uint64_t age = s->rekey.overdue < OVERDUE_TOLD ? OVERDUE_TOLD : s->rekey.overdue + 1u;

	return time_add_ms(s->rekey.since, age * s->policy->rekey_after_ms);
}

struct jv_time age_work_due(const struct session *s, struct jv_time now)
{
	const struct client *c = s->engine->client;
	struct jv_time at = time_add_ms(s->born, s->policy->max_lifetime_ms);

	if (s->state == STATE_ATTACHED)
		at = time_min(at, time_min(s->rekey.due, overdue_due(s)));
	if (c && !c->connecting && time_before(now, age_renewal_due(s)))
		at = time_min(at, age_renewal_due(s));
	return at;
}

static struct jv_time next_due(const struct session *s, struct jv_time now)
{
	return time_min(age_work_due(s, now), keys_old_ends(&s->keys));
}

void age_arm(struct session *s, struct jv_time now)
{
	if (s->state != STATE_TERMINATED)
		session_due(s, DUE_LIFE, next_due(s, now));
}

void age_attached(struct session *s, int64_t away_us, struct jv_time now)
{
	s->rekey.since = time_add_us(s->rekey.since, away_us);
	session_due_earlier(s, DUE_LIFE, next_due(s, now));
}

void age_begins(struct session *s, struct jv_time now)
{
	const uint32_t ms = s->policy->rekey_after_ms;

	s->rekey.due = time_add_ms(now, s->engine->client ? ms : SERVER_PATIENCE(ms));
	s->rekey.began = s->rekey.since = now;
	s->rekey.overdue = 0;
	s->rekey.ordered = false;
	age_arm(s, now);
}

bool age_is_idle(const struct session *s)
{
	const struct epoch *ep = keys_tx(&s->keys);

	return !s->rekey.ordered && session_is_idle(s) &&
	       ep->tx_counter < PROTO_IDLE_PACKETS && ep->replay.highest < PROTO_IDLE_PACKETS;
}

void age_slept(struct session *s, struct jv_time now)
{
	s->rekey.since =
		time_max(s->rekey.since, time_add_us(now, -1000 * (int64_t)s->policy->rekey_after_ms));
}

void age_configured(struct session *s, struct jv_time now)
{
	const uint32_t ms = s->policy->rekey_after_ms;
	const struct jv_time due = time_add_ms(now, s->engine->client ? ms : SERVER_PATIENCE(ms));

	age_slept(s, now);
	s->rekey.overdue = 0;
	if (!s->rekey.offered)
		s->rekey.due = time_min(s->rekey.due, due);
	session_due_earlier(s, DUE_LIFE, next_due(s, now));
}

uint64_t age_intervals(const struct session *s, struct jv_time now)
{
	return s->state == STATE_ATTACHED ? time_since_ms(now, s->rekey.since) / s->policy->rekey_after_ms
					  : 0;
}
