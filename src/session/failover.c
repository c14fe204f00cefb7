/*
 * Client: a session is silent on every path; its gateway may be dead, and another endpoint of the server alive.
 *
 * The session goes on, and climbs its ladder. Beside it the client calls the server's endpoints, all of them: the same
 * gateway may have been started anew, and what it would say about the old session may not reach us. A WELCOME proves
 * that somebody is there, not that the session is lost, so the session is asked once more by the way that the WELCOME
 * came, and has time to answer. The next session is confirmed when the silence has lasted for server.failover_after_ms,
 * and takes over when it is attached. Whatever authentic is heard of the old one before that confirmation ends the attempt.
 *
 * On the thread of the engine.
 */
#include "session/failover.h"

#include "session/client_state.h"
#include "session/connect.h"
#include "session/ladder.h"
#include "session/open.h"
#include "session/session.h"
#include "session/silence.h"
#include "session/standby.h"
#include "session/wheel.h"

#define GRACE_MIN_MS 250 /* for the session to answer, once somebody does */
#define GRACE_MAX_MS 2000

static void call(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, failover.due);
	struct session *s = c->session;
	struct jv_time at;

	if (!silence_is_watched(s) || c->failover.on)
		return;
	at = silence_call_at(s);
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

void failover_stop(struct client *c)
{
	c->failover.on = c->failover.began = false;
	timer_stop(&c->engine->wheel, &c->failover.due);
}

/* The session is asked by the way that somebody answered on, and where it was when it fell silent. */
static void ask_there(struct session *s, uint8_t number, const struct endpoint *remote, struct jv_time now)
{
	if (number != s->active->number || !endpoint_equal(remote, &s->jump->left_at)) {
		ladder_welcomed(s->engine->client, number, remote);
		open_path(s, number, now);
	}
	open_ping_at(s, &s->jump->left_at, now);
	standby_ask(s, now);
}

struct jv_time failover_release(struct client *c, int64_t rtt_us, struct jv_time now)
{
	int64_t grace_us = 2 * rtt_us;

	if (grace_us < GRACE_MIN_MS * 1000)
		grace_us = GRACE_MIN_MS * 1000;
	if (grace_us > GRACE_MAX_MS * 1000)
		grace_us = GRACE_MAX_MS * 1000;
	ask_there(c->session, c->waiting.number, &c->waiting.route.remote, now);
	return time_max(time_add_us(now, grace_us), silence_over_at(c->session));
}
