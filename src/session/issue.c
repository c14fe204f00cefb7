/*
 * Server: locators, one for each slot of a session, and fresh ones for those that the client has used up.
 *
 * On the thread of the engine.
 */
#include "session/issue.h"

#include "jumpvpn/locator.h"
#include "proto/cookie.h"
#include "session/path.h"
#include "session/session.h"

bool issue_locator(struct session *s, uint8_t slot)
{
	struct engine *e = s->engine;
	uint8_t locator[8];

	locator[LOCATOR_NODE] = e->config->node_id;
	for (int tries = 0; tries < 4; tries++) {
		e->io.random(e->ctx, locator + LOCATOR_RANDOM, sizeof(locator) - LOCATOR_RANDOM);
		locator_of_worker(locator, e->steer_key, e->worker, e->workers);
		locator_mark(locator, &e->locator_key);
		if (session_issue(s, slot, locator, NULL))
			return true;
	}
	return false;
}

void issue_replace(struct path *p, uint16_t spent)
{
	struct session *s = p->session;
	bool changed = false;

	for (uint8_t i = 0; i < s->slots; i++) {
		struct path *old = s->slot[i].path;

		if (!(spent & 1u << i) || (old && (old == p || old == s->active || old == s->draining)) ||
		    !issue_locator(s, i))
			continue;
		session_drop_path(s, i);
		changed = true;
	}
	if (changed)
		s->locators_seq++;
}
