/*
 * Client: the paths that do not carry data. They are asked at a slow pace, or at once when the active one is in doubt;
 * those that do not answer are opened anew, and those that have no use are closed.
 *
 * On the thread of the engine.
 */
#include "session/standby.h"

#include "session/client_state.h"
#include "session/comfort.h"
#include "session/grant.h"
#include "session/jump.h"
#include "session/ladder.h"
#include "session/open.h"
#include "session/order.h"
#include "session/path.h"
#include "session/send.h"
#include "session/session.h"
#include "session/silence.h"
#include "session/wheel.h"

void standby_left(struct path *p)
{
	const struct session *s = p->session;

	if (!session_has_candidate(s, p->number) || (s->active && s->active->number == p->number))
		session_close_path(p);
}

/* Another port of the active path, which is well: kept, it would pass for a path of its own. */
static bool is_twin(const struct session *s, const struct path *p)
{
	return s->state == STATE_ATTACHED && p->number == s->active->number;
}

static void ping(struct session *s, struct path *p, struct jv_time now)
{
	const struct health *h = path_health(p);
	const bool gone = h->ping_out && h->unanswered >= s->policy->max_consecutive_drops;
	const bool target = s->jump->pending && s->jump->slot == p->slot;

	/* A newer instance of the same candidate has taken its place, or it was to take that of the active path, which
	 * lives. */
	if (!session_has_candidate(s, p->number) || session_path_numbered(s, p->number) != p ||
	    is_twin(s, p) || (!target && !grant_is_free(s, p->number)))
		session_close_path(p);
	else if (!gone || target || grant_is_waited_for(s))
		send_ping(p, 0, now); /* the last locators are for a candidate that has had none */
	else
		open_again(s, p->number, now);
}

static bool is_standby(const struct session *s, const struct path *p)
{
	return path_is_known(p) && p->number != PATH_NONE && p != s->active && p != s->draining;
}

/* While nothing carries, a path that never answered makes room for the candidate's next remote at once, for one
 * round. */
static bool has_haste(const struct session *s, const struct path *p)
{
	const struct known_candidate *k = &s->engine->client->candidate[p->number];

	return s->state != STATE_ATTACHED && path_health(p)->srtt_us == 0 && k->c.remotes > 1 &&
	       ladder_has_more(k);
}

/* A path that has not answered yet is asked again soon; one that has, or never does, at the usual pace. */
static struct jv_time standby_due(const struct session *s, const struct path *p, struct jv_time now)
{
	const struct health *h = path_health(p);
	const uint32_t pace =
		s->state == STATE_ATTACHED ? s->policy->standby_probe_ms : s->policy->heartbeat_volatile_ms;

	if (h->ping_out && (h->unanswered < s->policy->max_consecutive_drops || has_haste(s, p)))
		return time_add_us(h->ping_sent,
				   silence_pace_us(s, jump_patience_us(s, p), h->ping_id, now));
	return time_add_ms(h->ping_sent, pace);
}

/* When something is to be done for want of a locator. */
static struct jv_time wanting_due(struct session *s)
{
	const struct client *c = s->engine->client;

	return time_min(open_lacks_locators(s) ? c->locators_ask : TIME_NEVER,
			c->order.session == s ? c->order.until : TIME_NEVER);
}

/* The active path is in doubt: how are the others? */
void standby_ask(struct session *s, struct jv_time now)
{
	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *p = s->slot[i].path;

		if (is_standby(s, p) && time_diff_us(now, path_health(p)->ping_sent) >= path_patience_us(p))
			ping(s, p, now);
	}
	standby_run(s, now);
}

void standby_move(struct session *s, uint8_t n, struct jv_time now)
{
	struct known_candidate *k = &s->engine->client->candidate[n];
	const struct path *old = session_path_numbered(s, n);

	if (!ladder_settled(s->engine->client, k, now))
		return;
	k->moves = false;
	open_path(s, n, now);
	k->moves = old && session_path_numbered(s, n) == old;
}

bool standby_may_move(struct session *s, uint8_t n)
{
	const struct client *c = s->engine->client;

	return s == c->session && c->candidate[n].moves && session_fresh_slot(s) &&
	       (!s->draining || s->draining->number != n);
}

void standby_move_waiting(struct session *s, struct jv_time now)
{
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		if (standby_may_move(s, n) && s->active->number != n)
			standby_move(s, n, now);
}

void standby_run(struct session *s, struct jv_time now)
{
	struct jv_time next = time_add_ms(now, s->policy->standby_probe_ms);

	if (s->state == STATE_TERMINATED || s->state == STATE_BIRTH)
		return;
	comfort_fail_back(s, now); /* before the PINGs: they are not answered at once */
	for (uint8_t i = 0; i < s->slots; i++)
		if (is_standby(s, s->slot[i].path) &&
		    (is_twin(s, s->slot[i].path) || !time_before(now, standby_due(s, s->slot[i].path, now))))
			ping(s, s->slot[i].path, now);
	standby_move_waiting(s, now);
	open_missing(s, now);
	order_again(s, now);
	open_ask_locators(s, now);
	for (uint8_t i = 0; i < s->slots; i++)
		if (is_standby(s, s->slot[i].path))
			next = time_min(next, standby_due(s, s->slot[i].path, now));
	if (s == s->engine->client->session)
		next = time_min(next, wanting_due(s));
	if (s->draining)
		next = time_min(next, s->drain_until);
	session_due(s, DUE_STANDBY, next);
}
