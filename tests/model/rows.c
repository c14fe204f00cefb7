/*
 * Prints the session's state machine for the model: numbers of states, events and reasons, and FSM_NEXT(), which
 * is what fsm_next() answers, put down for every state, event and reason. So the model cannot have other rows
 * than the daemon.
 */
#include <stdio.h>

#include "session/fsm.h"

static void names(void)
{
#define X(NAME, name) printf("#define %s %d\n", #NAME, (int)STATE_##NAME);
	STATE_LIST(X)
#undef X
	printf("#define NO_STATE %d\n", (int)STATE_COUNT);
#define X(NAME, name) printf("#define EV_%s %d\n", #NAME, (int)EVENT_##NAME);
	EVENT_LIST(X)
#undef X
#define X(num, NAME, name, text) printf("#define WHY_%s %d\n", #NAME, (int)(num));
	REASON_LIST(X)
#undef X
}

/* The reasons that lead from here to `to` with this event, as an expression; false when there is none. */
static bool reasons(enum state from, enum event event, enum state to)
{
	bool any = false;

	for (unsigned int why = 0; why <= REASON_MAX; why++) {
		enum state next;

		if (!fsm_next(from, event, (enum reason)why, &next) || next != to)
			continue;
		printf("%s(why)==%u", any ? "||" : "(", why);
		any = true;
	}
	if (any)
		printf(")");
	return any;
}

int main(void)
{
	unsigned int open = 0;

	names();
	printf("#define FSM_NEXT(from, event, why) ");
	for (unsigned int from = 0; from < STATE_COUNT; from++)
		for (unsigned int event = 0; event < EVENT_COUNT; event++)
			for (unsigned int to = 0; to < STATE_COUNT; to++) {
				enum state next;
				bool listed = false;

				for (unsigned int why = 0; why <= REASON_MAX && !listed; why++)
					listed = fsm_next((enum state)from, (enum event)event,
							  (enum reason)why, &next) &&
						 next == (enum state)to;
				if (!listed)
					continue;
				printf("\\\n\t(((from)==%u && (event)==%u && ", from, event);
				reasons((enum state)from, (enum event)event, (enum state)to);
				printf(") -> %u : ", to);
				open++;
			}
	printf("NO_STATE");
	while (open--)
		printf(")");
	printf("\n");
	return 0;
}
