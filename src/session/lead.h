/* Where a path leads is changed here: to an address it is told, or to the one on trial. */
#pragma once

#include "session/session.h"

bool lead_goes_to(const struct path *p, const struct endpoint *remote);
/* It leads there now. False: no memory, counted; it leads where it did. */
bool lead_set(struct path *p, const struct route *to);
/* Another address under the same locator. False: no memory, counted; the path has none on trial. */
bool lead_try(struct path *p, const struct route *from);
/* It leads to the address on trial, which is none any more. */
void lead_take_tried(struct path *p);
