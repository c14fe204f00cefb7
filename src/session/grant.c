/*
 * Which candidates have the paths that the server grants, when it grants fewer than there are candidates.
 *
 * The first of them in the order of the configuration, of those that are up. A path that has died makes room for a
 * candidate that waits, and its own then rests for a while before it claims a place again: each time for longer,
 * until it answers or its link comes up anew. A dead active path holds no place: another is to be found.
 *
 * On the thread of the engine.
 */
#include "session/grant.h"

#include "session/client_state.h"
#include "session/evidence.h"
#include "session/session.h"

#define REST_MS 30000
#define RESTS_MAX 6 /* 32 minutes */

static bool is_gone(const struct path *p)
{
	const struct health *h = path_health(p);

	return h->ping_out && h->unanswered >= p->session->policy->max_consecutive_drops;
}

/* Has this candidate a path that counts? */
static bool holds_place(struct session *s, uint8_t number)
{
	if (!session_path_numbered(s, number) || !session_has_candidate(s, number))
		return false;
	return number != s->active->number || s->state == STATE_ATTACHED ||
	       !evidence_is_dead(s->instability) || !is_gone(s->active);
}

/* The server grants one path for each locator that is not a spare. */
bool grant_is_free(struct session *s, uint8_t number)
{
	unsigned int others = 0;

	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		others += n != number && holds_place(s, n);
	return others + PROTO_SPARE_LOCATORS < s->slots;
}

struct path *grant_victim(struct session *s, uint8_t number, bool ordered, struct jv_time now)
{
	const struct known_candidate *k = &s->engine->client->candidate[number];
	const bool rests = k->rested > 0 && time_before(now, k->rests);

	for (uint8_t n = PROTO_PATHS_MAX; n-- > 0;) {
		struct path *p = n == number ? NULL : session_path_numbered(s, n);

		if (!p || n == s->active->number || p == s->draining ||
		    (s->jump->pending && s->jump->number == n))
			continue;
		if (ordered || is_gone(p) || (n > number && !rests))
			return p;
	}
	return NULL;
}

void grant_reset(struct known_candidate *k)
{
	k->rested = 0;
}

void grant_give_up(struct path *p, struct jv_time now)
{
	struct known_candidate *k = &p->session->engine->client->candidate[p->number];

	if (is_gone(p)) {
		k->rests = time_add_ms(now, (uint64_t)REST_MS << k->rested);
		k->rested = k->rested < RESTS_MAX ? k->rested + 1 : RESTS_MAX;
	}
	session_close_path(p);
}

bool grant_is_waited_for(struct session *s)
{
	for (uint8_t n = 0; n < PROTO_PATHS_MAX; n++)
		if (session_has_candidate(s, n) && !session_path_numbered(s, n) && !grant_is_free(s, n))
			return true;
	return false;
}

bool grant_has_room(struct session *s, uint8_t number, struct jv_time now)
{
	return grant_is_free(s, number) || (session_fresh_slot(s) && grant_victim(s, number, true, now));
}

enum path_fault grant_fault(struct session *s, uint8_t number)
{
	const struct known_candidate *k = &s->engine->client->candidate[number];

	if (!k->up)
		return k->waits ? FAULT_UNSETTLED : k->fault;
	if (!grant_is_free(s, number))
		return FAULT_NOT_GRANTED;
	return session_fresh_slot(s) ? FAULT_NO_SOCKET : FAULT_NO_LOCATOR;
}
