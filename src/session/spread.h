/*
 * Times that differ from session to session, so that what happened to all of them at once does not bring all of them back at
 * once. The session's id, which is random, draws the lot: the same session waits for the same time whenever it is asked.
 */
#pragma once

#include <stdint.h>

#include "base/time.h"

/* Between three quarters of `us` and all of it; each `nth` time anew. */
int64_t spread_us(const uint8_t id[16], uint32_t nth, int64_t us);
/*
 * When what is done every `period_us` is done next: between half of that and all of it behind `after`, and from then on at the
 * same place in each period, which is another one for each session, however many of them began at once.
 */
struct jv_time spread_next(const uint8_t id[16], int64_t period_us, struct jv_time after);
