/*
 * Client: how long a session has been silent on every path, and when that is long enough for another endpoint of the server to
 * be called (failover.c).
 *
 * On the thread of the engine.
 */
#include "session/silence.h"

#include "session/client_state.h"
#include "session/spread.h"
#include "session/wheel.h"

#define CALL_AHEAD_MS 1000 /* so that a WELCOME is there when the time has come */
#define IDLE_MAX_MS 10000  /* between heartbeats, where there is another endpoint to go to */

#define HASTE_MS 3000 /* most holes end by then */

#define ASKED_MS 1000 /* for so long at least the session asks in vain */

static uint32_t silence_limit_ms(const struct client *c)
{
	return c->engine->config->failover_after_ms;
}

/* Another gateway may be alive while this one is dead: a session that rests must not learn of it too late. */
uint32_t silence_idle_ms(const struct session *s)
{
	const struct client *c = s->engine->client;
	const uint32_t idle = s->policy->heartbeat_idle_ms;

	if (silence_limit_ms(c) == 0 || !s->active || c->candidate[s->active->number].c.remotes < 2)
		return idle;
	return idle < IDLE_MAX_MS ? idle : IDLE_MAX_MS;
}

int64_t silence_pace_us(const struct session *s, int64_t us, uint32_t nth, struct jv_time now)
{
	const int64_t most = (int64_t)s->policy->heartbeat_volatile_ms * 1000;
	int64_t silent, least;

	if (time_is_never(s->left_attached))
		return us;
	silent = time_diff_us(now, time_max(s->left_attached, s->last_rx));
	least = silent / 4 < most ? silent / 4 : most;
	return silent < HASTE_MS * 1000 || least <= us ? us : spread_us(s->id, nth, least);
}

struct jv_time silence_over_at(const struct session *s)
{
	const uint32_t after = silence_limit_ms(s->engine->client);
	const uint32_t asked = after < ASKED_MS ? after : ASKED_MS;
	const struct jv_time doubt = time_max(s->left_attached, s->engine->woke);
	const struct jv_time heard = time_max(s->last_rx, s->engine->woke);

	if (time_since_ms(doubt, heard) < ASKED_MS)
		return time_add_ms(time_max(doubt, heard), after);
	return time_max(time_add_ms(heard, after), time_add_ms(doubt, asked));
}

struct jv_time silence_call_at(const struct session *s)
{
	uint32_t ahead = s->policy->handshake_timeout_ms / 2;

	ahead = ahead < CALL_AHEAD_MS ? ahead : CALL_AHEAD_MS;
	return time_max(s->left_attached, time_add_us(silence_over_at(s), -(int64_t)ahead * 1000));
}

bool silence_is_watched(const struct session *s)
{
	return s && s->engine->client->session == s && silence_limit_ms(s->engine->client) > 0 &&
	       !time_is_never(s->left_attached) && s->state != STATE_TERMINATED;
}

void silence_watch(struct session *s, struct jv_time now)
{
	struct client *c = s->engine->client;

	if (silence_is_watched(s) && !c->failover.on)
		timer_start(&c->engine->wheel, &c->failover.due, time_max(now, silence_call_at(s)));
}
