/*
 * How the daemon shows itself in JSON. Times are milliseconds ago, or from now; null means never, unbounded
 * or not measured. New references, NULL without memory.
 */
#pragma once

#include <jansson.h>

#include "ctl/status.h"
#include "session/counter.h"
#include "session/info.h"

json_t *json_error(const char *text, enum reason reason, uint32_t retry_after_ms);
json_t *json_session_row(const struct session_info *s);   /* a line of `sessions` */
json_t *json_session_whole(const struct session_info *s); /* all of `show` */
json_t *json_status(const struct ctl_status *status, const struct counters *sum,
		    const uint64_t by_state[STATE_COUNT], const struct session_info *own);
