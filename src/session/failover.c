/*
 * A session that is silent on every path: its gateway may be dead, and another endpoint of the server alive.
 *
 * The session goes on, and climbs its ladder. Beside it the client calls the server's endpoints, all of them: the same
 * gateway may have been started anew, and what it would say about the old session may not reach us. A WELCOME proves
 * that somebody is there, not that the session is lost, so the session is asked once more by the way that the WELCOME
 * came, and has time to answer. The next session is confirmed when the silence has lasted for server.failover_after_ms,
 * and takes over when it is attached. Whatever authentic is heard of the old one before that confirmation ends the attempt.
 */
#include "session/failover.h"

#include "session/candidate.h"
#include "session/client_state.h"
#include "session/connect.h"
#include "session/ladder.h"
#include "session/wheel.h"

#define CALL_AHEAD_MS 1000 /* so that a WELCOME is there when the time has come */
#define IDLE_MAX_MS 10000  /* between heartbeats, where there is another endpoint to go to */
#define ASKED_MS 1000      /* for so long at least the session asks in vain */
#define GRACE_MIN_MS 250   /* for the session to answer, once somebody does */
#define GRACE_MAX_MS 2000

static uint32_t after_ms(const struct client *c)
{
	return c->engine->config->failover_after_ms;
}

/* Another gateway may be alive while this one is dead: a session that rests must not learn of it too late. */
uint32_t failover_idle_ms(const struct session *s)
{
	const struct client *c = s->engine->client;
	const uint32_t idle = s->policy.heartbeat_idle_ms;

	if (after_ms(c) == 0 || !s->active || c->candidate[s->active->number].c.remotes < 2)
		return idle;
	return idle < IDLE_MAX_MS ? idle : IDLE_MAX_MS;
}

/*
 * When the silence has lasted long enough. It counts from the first doubt on, which comes at once where packets flow. A session
 * that rests learns only with its next heartbeat that nobody is there: its silence counts from what was heard last, and it asks
 * for a while first.
 */
static struct jv_time over_at(const struct session *s)
{
	const uint32_t after = after_ms(s->engine->client);
	const uint32_t asked = after < ASKED_MS ? after : ASKED_MS;
	const struct jv_time doubt = time_max(s->left_attached, s->engine->woke);
	const struct jv_time heard = time_max(s->last_rx, s->engine->woke);

	if (time_since_ms(doubt, heard) < ASKED_MS)
		return time_add_ms(time_max(doubt, heard), after);
	return time_max(time_add_ms(heard, after), time_add_ms(doubt, asked));
}

static struct jv_time call_at(const struct session *s)
{
	uint32_t ahead = s->policy.handshake_timeout_ms / 2;

	ahead = ahead < CALL_AHEAD_MS ? ahead : CALL_AHEAD_MS;
	return time_max(s->left_attached, time_add_us(over_at(s), -(int64_t)ahead * 1000));
}

static bool is_watched(const struct session *s)
{
	return s && s->engine->client->session == s && after_ms(s->engine->client) > 0 &&
	       !time_is_never(s->left_attached) && s->state != STATE_TERMINATED;
}

static void call(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, failover.due);
	struct session *s = c->session;
	struct jv_time at;

	if (!is_watched(s) || c->failover.on)
		return;
	at = call_at(s);
	if (time_before(now, at)) {
		timer_start(&c->engine->wheel, t, at);
		return;
	}
	c->failover.on = true;
	c->failover.began = !c->connecting && !c->next;
	connect_start(c->engine, now);
}

void failover_init(struct client *c)
{
	timer_init(&c->failover.due, call);
}

static void stop(struct client *c)
{
	c->failover.on = c->failover.began = false;
	timer_stop(&c->engine->wheel, &c->failover.due);
}

void failover_decided(struct client *c)
{
	stop(c);
}

void failover_watch(struct session *s, struct jv_time now)
{
	struct client *c = s->engine->client;

	if (is_watched(s) && !c->failover.on)
		timer_start(&c->engine->wheel, &c->failover.due, time_max(now, call_at(s)));
}

void failover_heard(struct session *s, struct jv_time now)
{
	struct client *c = s->engine->client;
	const bool began = c->failover.began;

	/* Once the next session has been confirmed it is too late: its server has perhaps attached it, and if it is the same server,
	 * has ended this one for it. What is heard of this one was on its way before that. */
	if (!c->failover.on || s != c->session || c->next)
		return;
	stop(c);
	if (began) { /* a renewal goes on */
		connect_stop(c->engine);
	} else if (c->waiting.on) {
		connect_take(c->engine, now);
	}
	failover_watch(s, now);
}

/* The session is asked by the way that somebody answered on, and where it was when it fell silent. */
static void ask_there(struct session *s, uint8_t number, const struct endpoint *remote, struct jv_time now)
{
	if (number != s->active->number || !endpoint_equal(remote, &s->left_at)) {
		ladder_welcomed(s->engine->client, number, remote);
		client_open(s, number, now);
	}
	client_probe_at(s, &s->left_at, now);
	client_ask_others(s, now);
}

struct jv_time failover_release(struct client *c, int64_t rtt_us, struct jv_time now)
{
	int64_t grace_us = 2 * rtt_us;

	if (grace_us < GRACE_MIN_MS * 1000)
		grace_us = GRACE_MIN_MS * 1000;
	if (grace_us > GRACE_MAX_MS * 1000)
		grace_us = GRACE_MAX_MS * 1000;
	ask_there(c->session, c->waiting.number, &c->waiting.route.remote, now);
	return time_max(time_add_us(now, grace_us), over_at(c->session));
}

bool failover_may_take(struct client *c, struct jv_time now)
{
	if (!c->failover.on || !time_before(now, over_at(c->session)))
		return true;
	failover_heard(c->session, now); /* DATA alone, perhaps */
	return c->waiting.on;
}

void failover_ends(struct client *c, struct jv_time now)
{
	const bool was_on = c->failover.on;

	stop(c);
	if (was_on && c->waiting.on)
		connect_take(c->engine, now);
}
