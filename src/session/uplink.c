/*
 * Client: what the links of this machine and the server tell about candidate paths, and what the server gives.
 *
 * On the thread of the engine.
 */
#include "session/uplink.h"

#include <string.h>

#include "session/client.h"
#include "session/client_state.h"
#include "session/connect.h"
#include "session/grant.h"
#include "session/inside.h"
#include "session/ladder.h"
#include "session/open.h"
#include "session/order.h"
#include "session/path.h"
#include "session/send.h"
#include "session/session.h"
#include "session/standby.h"

void uplink_locators(struct session *s, const struct frame *f, struct jv_time now)
{
	/* An older list, late or held back, would bring back what has been withdrawn since. */
	if ((int32_t)(get_be32(f->locators->seq) - s->locators_seq) <= 0)
		return;
	for (uint8_t i = 0; i < f->locators->count; i++) {
		const struct wire_locator *l = &frame_locators(f)[i];
		struct path *p = l->slot < s->slots ? s->slot[l->slot].path : NULL;

		if (!p || p->number != PATH_NONE ||
		    (session_issued(s, l->slot) && memcmp(s->slot[l->slot].locator, l->locator, sizeof(l->locator)) == 0))
			continue;
		session_issue(s, l->slot, l->locator, l->token);
	}
	s->locators_seq = get_be32(f->locators->seq);
	standby_move_waiting(s, now);
	uplink_move_waiting(s, now);
	open_missing(s, now);
	order_again(s, now);
}

void uplink_policy(struct session *s, const struct frame *f, struct jv_time now)
{
	struct client *c = s->engine->client;
	const uint32_t generation = get_be32(f->policy->generation);
	struct policy policy;

	if (generation == s->policy_generation || s != c->session)
		return;
	if (c->coming_generation != generation || c->coming_parts != f->policy->parts) {
		c->coming_generation = generation;
		c->coming_parts = f->policy->parts;
		c->coming_have = 0;
	}
	frame_get_items(c->coming + (size_t)f->policy->part * POLICY_ITEMS_MAX, frame_items(f),
			f->policy->items);
	c->coming_count[f->policy->part] = f->policy->items;
	c->coming_have |= (uint16_t)(1u << f->policy->part);
	if (c->coming_have != (uint16_t)((1u << c->coming_parts) - 1))
		return;

	c->nitems = 0;
	for (uint8_t i = 0; i < c->coming_parts; i++) {
		memcpy(c->items + c->nitems, c->coming + (size_t)i * POLICY_ITEMS_MAX,
		       c->coming_count[i] * sizeof(c->items[0]));
		c->nitems += c->coming_count[i];
	}
	s->mtu = c->mtu = get_be16(f->policy->mtu);
	if (frame_policy(&policy, &f->policy->policy)) /* as it was when the packet was judged */
		session_policy(s, &policy, generation);
	c->coming_have = 0;
	inside_set_up(c);
	send_ping(s->active, 0, now); /* tells the server that it is here */
}

static void candidate_lost(struct session *s, uint8_t number, enum reason why, struct jv_time now)
{
	struct path *p = session_path_numbered(s, number);

	if (!p || !s->active)
		return;
	if (p == s->active || s->active->number == number)
		client_path_dead(s, why, now);
	if (s->jump->pending && s->jump->number == number)
		client_target_lost(s, number, now);
	else if (p != s->active && s->active->number != number)
		session_close_path(p);
}

static void take_up(struct engine *e, uint8_t n, struct jv_time now)
{
	struct client *c = e->client;
	struct known_candidate *k = &c->candidate[n];
	struct session *s = c->session;
	const bool quiet = !time_before(now, k->settled);

	if (!ladder_settled(c, k, now))
		return;
	k->waits = k->opened = false;
	k->up = true;
	k->fault = FAULT_NONE;
	grant_reset(k);
	if (s && s->active && session_path_numbered(s, n))
		open_path(s, n, now); /* the old socket may be bound to an interface that is gone */
	if (s)
		open_missing(s, now);
	connect_candidate(e, quiet, now);
}

/* The path that the active one's trouble, or its own, should have renewed leads to a remote that is no more. */
static void remote_gone(struct session *s, uint8_t n, struct jv_time now)
{
	const struct path *p = session_path_numbered(s, n);

	struct endpoint remote;

	if (!p)
		return;
	remote = session_remote(p);
	if (ladder_has(&s->engine->client->candidate[n], &remote))
		return;
	if (p == s->active ? s->state != STATE_ATTACHED : !path_is_warm(p, s->policy))
		open_again(s, n, now);
}

void uplink_up(struct engine *e, const struct candidate *cand, struct jv_time now)
{
	struct client *c = e->client;
	struct known_candidate *k = &c->candidate[cand->number];

	ladder_list(k, cand);
	k->exists = true;
	if (!k->up) {
		k->waits = true;
		take_up(e, cand->number, now);
	} else if (c->session && c->session->active) {
		remote_gone(c->session, cand->number, now);
	}
}

void uplink_known(struct engine *e, const struct candidate *cand, enum path_fault fault)
{
	struct known_candidate *k = &e->client->candidate[cand->number];

	if (k->exists && (k->up || k->waits))
		return;
	ladder_list(k, cand);
	k->exists = true;
	k->fault = fault;
}

void uplink_forgotten(struct engine *e, uint8_t number)
{
	if (!e->client->candidate[number].up)
		e->client->candidate[number] = (struct known_candidate){ .exists = false };
}

void uplink_down(struct engine *e, uint8_t number, enum reason why, struct jv_time now)
{
	struct client *c = e->client;
	struct known_candidate *k = &c->candidate[number];

	k->waits = k->moves = false;
	if (!k->exists || !k->up)
		return;
	k->up = false;
	k->fault = why == REASON_ADDRESS_CHANGED ? FAULT_NO_ADDRESS : FAULT_NO_CARRIER;
	if (!c->session || !c->session->active)
		return;
	candidate_lost(c->session, number, why, now);
	if (c->session)
		open_missing(c->session, now); /* its place is free */
}

/* The active path's candidate: it is left by a jump, be it to a new port of its own. */
static void move_active(struct session *s, struct jv_time now)
{
	struct engine *e = s->engine;
	const uint8_t n = s->active->number;
	struct known_candidate *k = &e->client->candidate[n];
	const struct path *old = session_path_numbered(s, n);

	if (!ladder_settled(e->client, k, now))
		return;
	k->moves = false;
	client_path_dead(s, REASON_ADDRESS_CHANGED, now);
	k->moves = old && s == e->client->session && session_path_numbered(s, n) == old;
}

static void take_move(struct engine *e, uint8_t n, struct jv_time now)
{
	struct session *s = e->client->session;

	if (!s || !s->active)
		e->client->candidate[n].moves = false;
	else if (s->active->number == n)
		move_active(s, now);
	else
		standby_move(s, n, now);
}

void uplink_move_waiting(struct session *s, struct jv_time now)
{
	if (s->active && (s->state == STATE_ATTACHED || s->state == STATE_VOLATILE) &&
	    standby_may_move(s, s->active->number))
		move_active(s, now);
}

void uplink_moved(struct engine *e, uint8_t number, struct jv_time now)
{
	struct client *c = e->client;

	c->candidate[number].moves = c->candidate[number].up;
	if (c->candidate[number].moves)
		take_move(e, number, now);
}

void uplink_settle(struct timer *t, struct jv_time now)
{
	struct client *c = container_of(t, struct client, settle);

	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++) {
		if (c->candidate[n].waits)
			take_up(c->engine, n, now);
		else if (c->candidate[n].moves)
			take_move(c->engine, n, now);
	}
}
