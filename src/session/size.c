/*
 * What fits a path at present, by what pmtu.c has found there, and when that is to be asked for again.
 *
 * On the thread of the engine.
 */
#include "session/size.h"

#include "session/session.h"
#include "session/wheel.h"

uint16_t size_largest(const struct path *p)
{
	return (uint16_t)(p->session->mtu + PROTO_OVERHEAD);
}

uint16_t size_datagram(const struct path *p)
{
	const uint16_t most = size_largest(p);
	const uint16_t size = path_pmtu(p)->size;

	return size && size < most ? size : most;
}

uint16_t size_inner(const struct path *p)
{
	return (uint16_t)(size_datagram(p) - PROTO_OVERHEAD);
}

size_t size_fits(struct session *s)
{
	const struct path *p = session_data_path(s);

	return p ? size_inner(p) : s->mtu;
}

uint32_t size_wait_ms(const struct pmtu *m)
{
	return m->state == PMTU_ERROR ? PMTU_AGAIN_MS : PMTU_CONFIRM_MS;
}

void size_arm(struct session *s, struct jv_time at)
{
	session_due_earlier(s, DUE_PMTU, at);
}

void size_large(struct session *s, struct jv_time now)
{
	struct path *p = session_data_path(s);

	s->large = true;
	if (!p)
		return;
	size_arm(s, time_is_never(path_pmtu(p)->confirmed)
			    ? now
			    : time_add_ms(path_pmtu(p)->confirmed, size_wait_ms(path_pmtu(p))));
}

void size_moved(struct path *p)
{
	if (p->upkeep && p->upkeep->pmtu)
		p->upkeep->pmtu->confirmed = TIME_NEVER;
	p->session->large = false; /* the next one asks at once */
}
