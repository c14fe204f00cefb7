/* Server: a new configuration, by what it changes. */
#pragma once

#include "session/session.h"

/* See engine_peers_new(). */
struct engine_peers;
struct engine_peers *reload_prepare(const struct config *running, const struct config *next, uint32_t worker,
				    uint32_t workers);
void reload_drop(struct engine_peers *p);

/* Places for the peers that there are. False without memory: reload_free() frees what there is. */
bool reload_begin(struct engine *e);
void reload_free(struct engine *e);
/* takes `next` */
void reload_server(struct engine *e, const struct config *config, struct engine_peers *next, struct jv_time now);
