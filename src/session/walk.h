/*
 * A place in the list of an engine's sessions that stays good while sessions come and go: whoever wants to look at all of
 * them does so in steps, with packets in between. A new session stands at the end of the list. So one that lives as long as
 * the walk lasts is met exactly once, and the others at most once.
 *
 * The walk is its owner's memory. The thread of the engine alone touches it from the first step to the last.
 */
#pragma once

#include <stdbool.h>

#include "base/list.h"

struct engine;
struct session;

struct walk {              /* all zero: before the first step */
	struct list node;  /* of engine->walks, while it is under way */
	struct list *next; /* the session that is met next, or the list's own head */
	bool begun, done;
};

/* The session that is met next, or NULL: there is none any more, and the walk is over. */
struct session *walk_next(struct engine *e, struct walk *w);
/* It goes no further. */
void walk_stop(struct walk *w);
/* This session is about to leave the list. */
void walk_leave(const struct session *s);
