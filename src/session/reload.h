/* Server: all sessions under a new configuration. */
#pragma once

#include "session/session.h"

/* takes `next` */
void reload_server(struct engine *e, const struct config *old, const struct config *config,
		   struct engine_peers *next, struct jv_time now);
