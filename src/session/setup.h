/* What an engine is made of. See setup.c. */
#pragma once

#include "session/engine_state.h"

/* e->client, with its timers. False without memory: setup_client_free() frees what there is. */
bool setup_client(struct engine *e, struct jv_time now);
void setup_client_free(struct engine *e); /* of a server, nothing */
/* For so many sessions at most: one more than there may be, since one that is forgotten for the next is still there when
 * that is born. False without memory. */
bool setup_slabs(struct engine *e, size_t sessions);
void setup_slabs_free(struct engine *e);
/* What they hold, in use or kept for the next. */
size_t setup_slabs_bytes(const struct engine *e);
