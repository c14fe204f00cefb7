/* The server's side of a jump: it judges, and tells the client what it needs to know. */
#pragma once

#include "session/session.h"

/* the path carries nothing */
bool evidence_is_dead(enum reason evidence);
/* Switches a minute for this evidence; `loss_ppm`: of the path to be left. */
uint32_t switch_budget(const struct policy *pol, enum reason evidence, uint32_t loss_ppm);
enum reason switch_reason(enum reason evidence);
void server_jump(struct path *p, const struct route *from, const struct frame *f, struct jv_time now);
void server_path_dead(struct session *s, enum reason why, struct jv_time now);
/* The client's PING tells what it knows; what it lacks is sent again until it says that it has it. */
void server_pinged(struct path *p, const struct frame *f, struct jv_time now);
/* Do outer packets to this address go into the tunnel? Then nobody calls from there, and nothing is sent to it: what a
 * session carries would travel in a session. */
bool server_is_inside(const struct engine *e, const struct ip *remote);
/* Of the peer's addresses only the hosts are for its device: networks lie behind it. The server's own
 * addresses are always among the routes: errors come from there, and a client takes nothing from where it sends nothing. */
size_t server_items(const struct engine *e, const struct session *s, struct net_item *out, size_t max);
void server_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now);
/* The client decides: it is asked until it has jumped, and its own rules may forbid it. */
void server_order_repeat(struct session *s, struct jv_time now);
void server_configure(struct engine *e, const struct config *old, const struct config *config,
		      struct engine_peers *next, struct jv_time now); /* takes `next` */
