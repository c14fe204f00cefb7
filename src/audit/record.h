/*
 * One audit record as plain data, as it travels from a worker's ring to the sinks. What a field means and
 * which event carries which: DESIGN section 9 and jumpvpnd(8).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "jumpvpn/reason.h"
#include "jumpvpn/state.h"

/* X(NAME, name) */
#define AUDIT_LIST(X)                                                                              \
	X(SESSION_CREATED, SessionCreated)                                                         \
	X(SESSION_STATE_CHANGE, SessionStateChange)                                                \
	X(TRANSPORT_ATTACHED, TransportAttached)                                                   \
	X(TRANSPORT_SWITCH, TransportSwitch)                                                       \
	X(TRANSPORT_SWITCH_DENIED, TransportSwitchDenied)                                          \
	X(TRANSPORT_REBOUND, TransportRebound)                                                     \
	X(REATTACH_ATTEMPT, ReattachAttempt)                                                       \
	X(REATTACH_RESULT, ReattachResult)                                                         \
	X(SESSION_REKEYED, SessionRekeyed)                                                         \
	X(SESSION_TERMINATED, SessionTerminated)                                                   \
	X(HANDSHAKES_UNFINISHED, HandshakesUnfinished)                                             \
	X(POLICY_RELOADED, PolicyReloaded)                                                         \
	X(SECURITY_REPLAY_DETECTED, SecurityReplayDetected)                                        \
	X(SECURITY_VALIDATION_FAILED, SecurityValidationFailed)                                    \
	X(AUDIT_GAP, AuditGap)

enum audit_event {
#define X(NAME, name) AUDIT_##NAME,
	AUDIT_LIST(X)
#undef X
	AUDIT_EVENT_COUNT
};

const char *audit_event_name(unsigned int event); /* NULL out of range */

#define AUDIT_NO_PATH 0xff
#define AUDIT_PEER_MAX 64
#define AUDIT_KEY_MAX 44
#define AUDIT_PATH_NAME_MAX 32

/* What a session lives under, as far as its records can be held to it. All zero: unknown. */
#define AUDIT_BOUNDS_LIST(X)                                                                       \
	X(max_lifetime_ms)                                                                         \
	X(transport_lost_ttl_ms)                                                                   \
	X(handshake_timeout_ms)                                                                    \
	X(volatile_to_degraded_ms)                                                                 \
	X(recovery_window_ms)                                                                      \
	X(switch_cooldown_ms)                                                                      \
	X(max_switches_per_min)                                                                    \
	X(heartbeat_interval_ms)                                                                   \
	X(heartbeat_idle_ms)                                                                       \
	X(max_consecutive_drops)

struct audit_bounds {
#define X(key) uint32_t key;
	AUDIT_BOUNDS_LIST(X)
#undef X
};

/* What went through a session since it was created, and, of one that leaves ATTACHED, for how long at most data was sent
 * there and the peer told of none (I12). */
#define AUDIT_TRAFFIC_LIST(X)                                                                      \
	X(rx_packets)                                                                              \
	X(rx_bytes)                                                                                \
	X(tx_packets)                                                                              \
	X(tx_bytes)                                                                                \
	X(paths_used)                                                                              \
	X(stalled_ms)

struct audit_traffic {
#define X(key) uint64_t key;
	AUDIT_TRAFFIC_LIST(X)
#undef X
};

/*
 * Of a SessionStateChange that stands for several (`count`): it leads from the state before the first of them to the state
 * behind the last, which is when it is `at`. The time in each state since the change that was told before, and of the two
 * that are bounded the longest stay; how long before `at` the session has left ATTACHED (0: it is there); from the first of
 * them to the last; the ReattachAttempts meanwhile.
 */
#define AUDIT_FLAPS_LIST(X)                                                                        \
	X(attached_ms)                                                                             \
	X(volatile_ms)                                                                             \
	X(degraded_ms)                                                                             \
	X(recovering_ms)                                                                           \
	X(volatile_most_ms)                                                                        \
	X(recovering_most_ms)                                                                      \
	X(away_ms)                                                                                 \
	X(span_ms)                                                                                 \
	X(attempts)

struct audit_flaps {
#define X(key) uint32_t key;
	AUDIT_FLAPS_LIST(X)
#undef X
};

/* State changes of a session that are told one by one in a minute, which begins with the first; more are summed up. */
#define AUDIT_CHANGES_PER_MIN 30

struct audit_record {
	struct jv_time at;         /* boot clock, by the engine */
	uint64_t ts_ms;            /* wall clock, ms since 1970; stamped by the worker, for people only */
	uint64_t seq;              /* of all records of one run of the daemon, from 1; stamped by audit_drain() */
	enum audit_event event;
	bool client;               /* written by the client's end */
	bool has_session;          /* else session_id and versions are absent */
	uint8_t session_id[16];
	uint8_t node_id;
	uint8_t worker;
	uint32_t policy_version;   /* generation of the configuration */
	uint32_t state_version;
	uint32_t binding_version;
	enum reason reason;
	enum state from, to;       /* of SessionStateChange; elsewhere both the current state */
	uint8_t path_from, path_to; /* path numbers, or AUDIT_NO_PATH */
	char path_name[AUDIT_PATH_NAME_MAX]; /* of path_to, where a name is known (client) */
	char peer[AUDIT_PEER_MAX]; /* its name in the configuration, or "" */
	char public_key[AUDIT_KEY_MAX]; /* of who is no peer, base64 without a NUL, or "" */
	struct endpoint remote;    /* the peer's address on path_to; port 0: absent */
	uint32_t budget_left;      /* switches left in this minute */
	uint32_t retry_after_ms;   /* of denials */
	uint64_t elapsed_ms;       /* in the state just left; of ReattachResult: since the attempt */
	uint64_t count;            /* how many events this record stands for: 1, or more in a summary or gap */
	uint32_t sources;          /* of a summary: from how many addresses, at least; 0: one, which is `remote`, or none */
	uint32_t epoch;            /* of SessionRekeyed */
	uint32_t late_ms;          /* by how much the worker woke too late for its timers: it slept, or was stopped */
	uint32_t srtt_us;          /* of path_to; 0: not measured */
	uint32_t loss_ppm;         /* of path_to, over its last whole window */
	struct audit_traffic traffic; /* of SessionStateChange and SessionTerminated */
	struct audit_flaps flaps;  /* of SessionStateChange with a count above 1 */
	struct audit_bounds bounds; /* of SessionCreated, and of PolicyReloaded with a session */
};

/* Something an operator should look at: a refusal, a forgery, a gap. */
bool record_is_warning(const struct audit_record *r);
