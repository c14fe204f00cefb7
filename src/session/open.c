/*
 * Client: paths are opened, and the active one is moved to another port or remote. Each path uses up a locator; where there
 * is none, the server is asked for fresh ones.
 *
 * On the thread of the engine.
 */
#include "session/open.h"

#include "session/client_state.h"
#include "session/evidence.h"
#include "session/grant.h"
#include "session/jump.h"
#include "session/ladder.h"
#include "session/lead.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/send.h"
#include "session/session.h"
#include "session/trail.h"
#include "session/wheel.h"

/* The server has others at least 50 ms (PROTO_RETRY_MIN_MS) after the last ones. */
#define LOCATORS_ASK_MS 100

bool open_lacks_locators(struct session *s)
{
	bool spent = false;

	for (uint8_t i = 0; i < s->slots; i++)
		spent |= s->slot[i].path->state == PATH_SPENT;
	return spent && !session_fresh_slot(s);
}

void open_ask_locators(struct session *s, struct jv_time now)
{
	struct client *c = s->engine->client;

	if (!open_lacks_locators(s)) {
		c->locators_ask_ms = 0;
		return;
	}
	if (s != c->session || (c->locators_ask_ms > 0 && time_before(now, c->locators_ask)))
		return;
	if (!path_health(s->active)->ping_out) /* which asks for them, too */
		send_ping(s->active, 0, now);
	c->locators_ask_ms = c->locators_ask_ms == 0 ? LOCATORS_ASK_MS : 2 * c->locators_ask_ms;
	if (c->locators_ask_ms > s->policy->standby_probe_ms)
		c->locators_ask_ms = s->policy->standby_probe_ms;
	c->locators_ask = time_add_ms(now, c->locators_ask_ms);
}

bool open_has_locator(struct session *s, struct jv_time now)
{
	if (session_fresh_slot(s))
		return true;
	open_ask_locators(s, now);
	return false;
}

struct path *open_path(struct session *s, uint8_t number, struct jv_time now)
{
	struct engine *e = s->engine;
	struct path *old = session_path_numbered(s, number);
	const struct endpoint *remote;
	struct path *p = session_fresh_slot(s);
	struct stall stall = { .at = TIME_NEVER };
	struct route to = { 0 };
	struct pmtu guess = pmtu_never;
	bool target;

	if (!session_has_candidate(s, number) || !grant_is_free(s, number))
		return NULL;
	if (old) {
		guess = *path_pmtu(old);
		stall = path_health(old)->stall;
	}
	if (old == s->active)
		old = NULL;
	target = old && s->jump->pending && s->jump->slot == old->slot;
	remote = p || old ? ladder_climb(s, number, now) : NULL;
	if (old && (remote || !target))
		session_close_path(old);
	if (!remote)
		return NULL;
	/* With no fresh locator at hand the old one is seen from another port: linked, but alive. */
	p = p ? p : old;
	session_reset_path(p, now);
	pmtu_inherit(p, &guess);
	p->health->stall = stall;
	p->number = number;
	to.socket = ++e->client->next_socket;
	to.remote = *remote;
	if (!lead_set(p, &to) || !e->io.path_open(e->ctx, to.socket, number, remote)) {
		session_reset_path(p, now);
		p->state = p == old ? PATH_SPENT : PATH_UNUSED;
		return NULL;
	}
	p->state = PATH_KNOWN;
	send_ping(p, 0, now);
	if (target)
		jump_retarget(s, p, now);
	session_due_earlier(s, DUE_STANDBY, time_add_us(now, jump_patience_us(s, p)));
	return p;
}

/* Nothing answers, there is no locator for a path more, and the word of new ones cannot come. */
static bool is_cornered(struct session *s)
{
	const struct path *p = s->active;

	return evidence_is_dead(s->instability) &&
	       path_health(p)->unanswered >= s->policy->max_consecutive_drops &&
	       session_has_candidate(s, p->number) && session_path_numbered(s, p->number) == p &&
	       !session_fresh_slot(s);
}

/* The active locator from another port: to the server, a NAT rebinding. */
static void move_active(struct session *s, const struct endpoint *remote, struct jv_time now)
{
	struct engine *e = s->engine;
	struct path *p = s->active;
	const struct route to = { .socket = e->client->next_socket + 1, .remote = *remote };
	const uint32_t before = session_near(p)->socket;

	if (!e->io.path_open(e->ctx, to.socket, p->number, remote))
		return;
	e->client->next_socket = to.socket;
	if (!lead_set(p, &to)) {
		e->io.path_close(e->ctx, to.socket);
		return;
	}
	e->io.path_close(e->ctx, before);
	p->state = PATH_KNOWN;
	p->health->ping_out = false;
	p->health->unanswered = 0;
	trail_path(s, AUDIT_REATTACH_ATTEMPT, s->instability, p->number, p, now);
}

void open_ping_active(struct session *s, struct jv_time now)
{
	const struct endpoint *remote = is_cornered(s) ? ladder_climb(s, s->active->number, now) : NULL;

	if (remote)
		move_active(s, remote, now);
	send_ping(s->active, 0, now);
}

void open_ping_at(struct session *s, const struct endpoint *remote, struct jv_time now)
{
	if (!lead_goes_to(s->active, remote) && session_has_candidate(s, s->active->number))
		move_active(s, remote, now);
	send_ping(s->active, 0, now);
}

/* Only with a locator to open it under does another path make room for it. */
static struct path *open_in_turn(struct session *s, uint8_t number, bool ordered, struct jv_time now)
{
	struct path *victim = NULL;

	if (!grant_is_free(s, number) && session_fresh_slot(s))
		victim = grant_victim(s, number, ordered, now);
	if (victim)
		grant_give_up(victim, now);
	return open_path(s, number, now);
}

struct path *open_ordered(struct session *s, uint8_t number, struct jv_time now)
{
	return open_in_turn(s, number, true, now);
}

void open_missing(struct session *s, struct jv_time now)
{
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		if (session_has_candidate(s, n) && !session_path_numbered(s, n))
			open_in_turn(s, n, false, now);
}

void open_again(struct session *s, uint8_t number, struct jv_time now)
{
	const struct path *p = open_path(s, number, now);

	if (p && (s->state == STATE_VOLATILE || s->state == STATE_DEGRADED))
		trail_path(s, AUDIT_REATTACH_ATTEMPT, s->instability, s->active->number, p, now);
}
