#include "worker/candidate.h"

#include <string.h>

#include "base/log.h"

struct remote *candidate_remote(struct path_candidate *p, const struct endpoint *at)
{
	for (size_t i = 0; i < p->remotes; i++)
		if (endpoint_equal(&p->remote[i].at, at))
			return &p->remote[i];
	return NULL;
}

void candidate_remotes(struct path_candidate *p, const struct endpoint *list, size_t n)
{
	struct path_candidate before = *p;

	for (size_t i = 0; i < n; i++) {
		const struct remote *known = candidate_remote(&before, &list[i]);

		p->remote[i] =
			known ? *known : (struct remote){ .at = list[i], .way = { .fault = FAULT_NO_ROUTE } };
	}
	p->remotes = n;
}

bool candidate_is_of(const struct path_candidate *p, const struct config_transport *b)
{
	const struct config_transport *a = &p->transport;

	return strcmp(a->name, b->name) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       ip_equal(&a->address, &b->address) && a->fwmark == b->fwmark;
}

static bool same_remotes(const struct candidate *a, const struct candidate *b)
{
	if (a->remotes != b->remotes)
		return false;
	for (size_t i = 0; i < a->remotes; i++)
		if (!endpoint_equal(&a->remote[i], &b->remote[i]))
			return false;
	return true;
}

void candidate_tell_down(struct path_candidate *p, struct engine *e, struct jv_time now)
{
	const struct remote *r = candidate_remote(p, &p->opened);
	bool any = false;

	for (size_t i = 0; i < p->remotes; i++)
		any |= p->remote[i].way.fault == FAULT_NONE;
	if (any || !p->up)
		return;
	p->up = p->moved = false;
	engine_candidate_down(e, p->c.number,
			      (r ? r->way.fault : p->remote[0].way.fault) == FAULT_NO_ADDRESS
				      ? REASON_ADDRESS_CHANGED
				      : REASON_TRANSPORT_DEAD,
			      now);
}

/* Of what is wrong with its remotes the least: with one address family an interface may well have no address. */
static enum path_fault least_fault(const struct path_candidate *p)
{
	enum path_fault fault = p->remotes > 0 ? p->remote[0].way.fault
				: p->second    ? FAULT_NO_FAMILY
					       : FAULT_NO_NAME;

	for (size_t i = 1; i < p->remotes; i++)
		if (p->remote[i].way.fault > fault)
			fault = p->remote[i].way.fault;
	return fault;
}

/* A candidate that cannot be used: the engine knows of it all the same, and who reads the log knows of a name that may be
 * a mistake. */
void candidate_tell_fault(struct path_candidate *p, struct engine *e, struct jv_time now)
{
	struct candidate known = p->c;
	const enum path_fault fault = least_fault(p);

	if (p->up)
		return;
	known.remotes = (uint8_t)p->remotes;
	for (size_t i = 0; i < p->remotes; i++)
		known.remote[i] = p->remote[i].at;
	engine_candidate_known(e, &known, fault, now);
	if (fault == FAULT_NO_INTERFACE && !p->told && !p->second) {
		log_warn("transport %s: there is no interface %s; waiting for it", p->c.name,
			 p->transport.interface);
		p->told = true;
	}
}

void candidate_tell_up(struct path_candidate *p, struct engine *e, struct jv_time now)
{
	struct candidate next = p->c;
	const bool was_up = p->up;

	next.remotes = 0;
	for (size_t i = 0; i < p->remotes; i++)
		if (p->remote[i].way.fault == FAULT_NONE)
			next.remote[next.remotes++] = p->remote[i].at;
	if (next.remotes == 0)
		return;
	p->up = true;
	if (!was_up || !same_remotes(&next, &p->c)) {
		p->c = next;
		engine_candidate_up(e, &p->c, now);
	}
	if (was_up && p->moved) {
		p->opened = (struct endpoint){ .port = 0 }; /* told once of each socket */
		engine_candidate_moved(e, p->c.number, now);
	}
	p->moved = false;
}
