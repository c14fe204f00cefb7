#include "worker/gather.h"

#include <stdlib.h>

#include "worker/worker.h"

#define ROWS 64 /* of a page of sessions */
#define FEW 2   /* are found where one is looked for: then it is not one */

static uint32_t walks(const struct daemon *d)
{
	const struct list *pos;
	uint32_t n = 0;

	list_for_each(pos, &d->gathers)
		n += container_of(pos, struct gather, node)->rows != NULL;
	return n;
}

bool gather_may(const struct daemon *d)
{
	for (uint32_t i = 0; i < d->nworkers; i++)
		if (d->workers[i].asked >= WORKER_ASKED)
			return false;
	return !d->quitting && walks(d) < WORKER_WALKS;
}

const char *gather_may_not(const struct daemon *d)
{
	return d->quitting ? "the daemon is ending" : "the workers are busy; try again";
}

/* What its answers go to. */
static bool make_room(const struct daemon *d, struct gather *g)
{
	switch (g->kind) {
	case GATHER_STATUS:
	case GATHER_METRICS:
		g->reports = calloc(d->nworkers, sizeof(*g->reports));
		return g->reports;
	case GATHER_LIST:
	case GATHER_FIND:
		g->walk.max = g->kind == GATHER_LIST ? ROWS : FEW;
		g->walk.rows = g->rows = calloc(g->walk.max, sizeof(*g->rows));
		return g->rows;
	default:
		return true;
	}
}

struct gather *gather_new(struct daemon *d, enum gather_kind kind)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->kind = kind;
	g->token = ++d->last_gather;
	if (!make_room(d, g)) {
		free(g);
		return NULL;
	}
	list_append(&d->gathers, &g->node);
	return g;
}

void gather_free(struct daemon *d, struct gather *g)
{
	list_remove(&g->node);
	for (uint32_t i = 0; g->reports && i < d->nworkers; i++)
		free(g->reports[i].names);
	free(g->reports);
	for (uint32_t i = 0; g->peers && i < d->nworkers; i++)
		engine_peers_free(g->peers[i]);
	free(g->peers);
	free(g->rows);
	free(g);
}

struct gather *gather_of(struct daemon *d, uint64_t token)
{
	struct list *pos;

	list_for_each(pos, &d->gathers) {
		struct gather *g = container_of(pos, struct gather, node);

		if (g->token == token)
			return g;
	}
	return NULL;
}

struct gather *gather_for(struct daemon *d, const struct ctl_request *req)
{
	struct list *pos;

	list_for_each(pos, &d->gathers) {
		struct gather *g = container_of(pos, struct gather, node);

		if (g->req == req)
			return g;
	}
	return NULL;
}

void gather_ask_one(struct daemon *d, struct gather *g, struct message *m, uint32_t worker)
{
	m->token = g->token;
	m->worker = worker;
	m->report = g->reports ? &g->reports[worker] : NULL;
	m->walk = &g->walk;
	m->peers = NULL;
	if (g->peers) {
		m->peers = g->peers[worker];
		g->peers[worker] = NULL;
	}
	g->waiting += worker_post(&d->workers[worker], m);
}

void gather_ask_all(struct daemon *d, struct gather *g, struct message *m)
{
	for (uint32_t i = 0; i < d->nworkers; i++)
		gather_ask_one(d, g, m, i);
}
