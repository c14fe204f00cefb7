#include "session/walk.h"

#include "session/engine_state.h"
#include "session/session.h"

struct session *walk_next(struct engine *e, struct walk *w)
{
	struct session *s;

	if (w->done)
		return NULL;
	if (!w->begun) {
		w->begun = true;
		w->next = e->sessions.next;
		list_append(&e->walks, &w->node);
	}
	if (w->next == &e->sessions) {
		walk_stop(w);
		return NULL;
	}
	s = container_of(w->next, struct session, node);
	w->next = w->next->next;
	return s;
}

void walk_stop(struct walk *w)
{
	if (w->begun && !w->done)
		list_remove(&w->node);
	w->begun = w->done = true;
}

void walk_leave(const struct session *s)
{
	struct list *pos;

	list_for_each(pos, &s->engine->walks) {
		struct walk *w = container_of(pos, struct walk, node);

		if (w->next == &s->node)
			w->next = s->node.next;
	}
}
