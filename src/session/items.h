/* Server: what lies in the tunnel, and what of it a peer is given. */
#pragma once

#include "session/session.h"

/* Do outer packets to this address go into the tunnel? Then nobody calls from there, and nothing is sent to it: what a
 * session carries would travel in a session. */
bool items_lead_to(const struct engine *e, const struct ip *remote);
/* Of the peer's addresses only the hosts are for its device: networks lie behind it. The server's own
 * addresses are always among the routes: errors come from there, and a client takes nothing from where it sends nothing. */
size_t items_of(const struct engine *e, const struct session *s, struct net_item *out, size_t max);
