/* The machine was cloned while this ran: another process, elsewhere, has the same keys and counters. */
#include "session/clone.h"

#include "session/connect.h"
#include "session/engine.h"
#include "session/session.h"

void engine_cloned(struct engine *e, struct jv_time now)
{
	struct list *pos, *tmp;

	engine_input(e, now);
	if (e->client)
		connect_stop(e); /* both would have the keys that a WELCOME to a HELLO of before brings */
	list_for_each_safe(pos, tmp, &e->sessions) {
		struct session *s = container_of(pos, struct session, node);

		s->closing = true; /* a CLOSE would be sealed like something else, elsewhere */
		session_end(s, s->state == STATE_BIRTH ? REASON_HANDSHAKE_TIMEOUT : REASON_MACHINE_CLONED,
			    now);
	}
	while (!list_is_empty(&e->late))
		session_forget(container_of(e->late.next, struct session, node));
	if (e->client)
		connect_start(e, now);
}
