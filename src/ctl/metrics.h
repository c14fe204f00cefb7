/*
 * Metrics for Prometheus: GET /metrics over plain HTTP on the control loop. What is served says nothing of
 * peers and their addresses; still, listen where only the collector gets in.
 *
 *     jumpvpn_build_info{version,role,node,crypto}  gauge    always 1
 *     jumpvpn_uptime_seconds                        gauge
 *     jumpvpn_workers                               gauge
 *     jumpvpn_config_generation                     gauge    1, then one more with each reload
 *     jumpvpn_config_last_reload_ok                 gauge    0: the last reload was refused
 *     jumpvpn_sessions{state}                       gauge    one for each state but TERMINATED
 *     jumpvpn_max_sessions                          gauge    sessions that a server may have; not of a client
 *     jumpvpn_session_memory_bytes                  gauge    memory of all sessions
 *     jumpvpn_session_bytes                         gauge    the same of one session, on average
 *     jumpvpn_switches_total                        counter  sessions that moved to another path
 *     jumpvpn_audit_events_total{event}             counter  audit records, by event
 *     jumpvpn_NAME_total                            counter  NAME and meaning: session/counter.h
 */
#pragma once

#include <uv.h>

#include "audit/record.h"
#include "base/addr.h"
#include "ctl/status.h"
#include "jumpvpn/state.h"
#include "session/counter.h"

struct metrics;
struct metrics_request; /* a GET that waits for its answer */

struct metrics_data {
	const struct ctl_status *status;
	const struct counters *sum;
	uint64_t sessions[STATE_COUNT];
	const uint64_t *events; /* by enum audit_event */
};

/* Answers the request exactly once, now or later, on the loop, with metrics_answer(). */
typedef void (*metrics_collect)(void *ctx, struct metrics_request *req);

/* 0 or -errno. */
int metrics_start(struct metrics **out, uv_loop_t *loop, const struct endpoint *listen,
		  metrics_collect collect, void *ctx);
uint16_t metrics_port(const struct metrics *m);
/* Closes everything; done when the loop has run its close callbacks. NULL is fine. */
void metrics_stop(struct metrics *m);
/* `data` NULL: 503, not now. */
void metrics_answer(struct metrics_request *req, const struct metrics_data *data);
