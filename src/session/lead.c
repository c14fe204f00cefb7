/*
 * On the thread of the engine.
 */
#include "session/lead.h"

bool lead_goes_to(const struct path *p, const struct endpoint *remote)
{
	const struct endpoint there = session_remote(p);

	return endpoint_equal(&there, remote);
}

/* 0: no memory, counted. */
static uint16_t take_near(struct engine *e, const struct route *r)
{
	const uint16_t near = nears_take(&e->nears, r);

	e->counters.n[COUNT_NO_MEMORY] += near == 0;
	return near;
}

static void move(struct path *p, const struct route *to, uint16_t near)
{
	nears_drop(&p->session->engine->nears, p->lead.near);
	p->lead = (struct lead){ .remote = to->remote.ip, .port = to->remote.port, .near = near };
}

bool lead_set(struct path *p, const struct route *to)
{
	const uint16_t near = take_near(p->session->engine, to);

	if (near)
		move(p, to, near);
	return near;
}

bool lead_try(struct path *p, const struct route *from)
{
	struct engine *e = p->session->engine;
	struct upkeep *u = session_need_upkeep(p);
	uint16_t near;

	session_end_trial(p); /* a nonce is for one address alone */
	near = u ? take_near(e, from) : 0;
	if (!near)
		return false;
	u->trial = slab_get(&e->trials);
	if (!u->trial) {
		e->counters.n[COUNT_NO_MEMORY]++;
		nears_drop(&e->nears, near);
		return false;
	}
	u->trial->route = *from;
	u->trial->near = near;
	return true;
}

void lead_take_tried(struct path *p)
{
	struct trial *trial = path_trial(p);

	move(p, &trial->route, trial->near);
	trial->near = 0;
	session_end_trial(p);
}
