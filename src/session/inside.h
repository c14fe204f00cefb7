/* What a client lets its server have inside of the tunnel. */
#pragma once

#include "session/client_state.h"

void inside_set_up(struct client *c);
void inside_free(struct client *c);
bool inside_takes(const struct client *c, const struct ip *src, const struct ip *dst);
