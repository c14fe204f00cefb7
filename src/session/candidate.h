/* The client's candidate paths: opened, probed, closed. */
#pragma once

#include "session/session.h"

bool candidate_is_up(const struct session *s, uint8_t number);
void client_close_path(struct path *p);
/* its drain is over */
void client_left(struct path *p);
/* Is there a locator for one more path? If not, the server is asked for fresh ones. */
bool candidate_has_locator(struct session *s, struct jv_time now);
/* Could an order open a path of this candidate? */
bool candidate_has_room(struct session *s, uint8_t number, struct jv_time now);
/* Why this candidate, which has no path, has none. */
enum path_fault candidate_fault(struct session *s, uint8_t number);
struct path *client_open(struct session *s, uint8_t number, struct jv_time now);
/* Another PING on the active path that does not answer; from a new port when that is the last rung left. */
void client_probe_active(struct session *s, struct jv_time now);
/* The active path is asked there, wherever it leads by now. */
void client_probe_at(struct session *s, const struct endpoint *remote, struct jv_time now);
/* The same; the least of the standby paths makes room if need be. */
struct path *client_open_ordered(struct session *s, uint8_t number, struct jv_time now);
void client_open_missing(struct session *s, struct jv_time now);
/* The active path is in doubt: how are the others? */
void client_ask_others(struct session *s, struct jv_time now);
void client_standby(struct session *s, struct jv_time now);
void client_locators(struct session *s, const struct frame *f, struct jv_time now);
void client_policy(struct session *s, const struct frame *f, struct jv_time now);
/* What came too fast for its candidate has its turn. */
void candidate_settle(struct timer *t, struct jv_time now);
