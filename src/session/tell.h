/* Server: what a client is told when it does not know it. */
#pragma once

#include "session/session.h"

void tell_locators(struct path *p, struct jv_time now);
void tell_policy(struct session *s, struct jv_time now);
