/* Client: paths are opened, and the active one is moved. */
#pragma once

#include "session/session.h"

/* Each slot that is not in use had its locator used. */
bool open_lacks_locators(struct session *s);
/*
 * Without a fresh locator no path can be opened, also when the next heartbeat is far: a PING tells which ones are spent, at once
 * and then less and less often, until others come.
 */
void open_ask_locators(struct session *s, struct jv_time now);
/* Is there a locator for one more path? If not, the server is asked for fresh ones. */
bool open_has_locator(struct session *s, struct jv_time now);
/* A path of this candidate, from a new port; it takes the place of its old one, unless that is the active one.
 * NULL: it is not up, has no place or no remote, or there is no locator. */
struct path *open_path(struct session *s, uint8_t number, struct jv_time now);
/* Another PING on the active path that does not answer; from a new port when that is the last rung left. */
void open_ping_active(struct session *s, struct jv_time now);
/* The active path is asked there, wherever it leads by now. */
void open_ping_at(struct session *s, const struct endpoint *remote, struct jv_time now);
/* The same; the least of the standby paths makes room if need be. */
struct path *open_ordered(struct session *s, uint8_t number, struct jv_time now);
/* A path for each candidate that is up and has none. */
void open_missing(struct session *s, struct jv_time now);
/* A rung of the ladder: from a new port, or to the next remote. */
void open_again(struct session *s, uint8_t number, struct jv_time now);
