/*
 * Server: the sessions of one peer that are in BIRTH, two at most, the older one first.
 *
 * On the thread of the engine.
 */
#include "session/births.h"

void births_add(struct session *s)
{
	struct births *b = &s->engine->callers[s->peer]->has;

	b->s[b->s[0] ? 1 : 0] = s;
}

void births_remove(struct session *s)
{
	struct births *b = &s->engine->callers[s->peer]->has;

	if (b->s[0] == s) {
		b->s[0] = b->s[1];
		b->s[1] = NULL;
	} else if (b->s[1] == s) {
		b->s[1] = NULL;
	}
}
