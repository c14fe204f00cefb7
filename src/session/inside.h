/* What a client lets its server have inside of the tunnel. */
#pragma once

#include "session/client_state.h"

/* The server has said something, or our own configuration has changed: the device is set up, and who may send is
 * looked up in new tables. */
void inside_set_up(struct client *c);
void inside_free(struct client *c);
/* May an inner packet come from `src` and go to `dst`? */
bool inside_takes(const struct client *c, const struct ip *src, const struct ip *dst);
