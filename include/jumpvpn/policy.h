/*
 * The policy: every bound a session lives under (DESIGN section 7).
 *
 * One list makes the struct, the configuration schema, the defaults, the order on the wire (WELCOME
 * and POLICY) and the table in jumpvpnd.yaml(5). All values are unsigned 32-bit: milliseconds,
 * packets, bytes or counts as the key says; fractions are kept in parts per million.
 */
#pragma once

#include <stdint.h>

#define POLICY_PPM 1000000u

/* X(section, key, KIND, default, least, most); KIND: MS, COUNT, BYTES, PPM, POW2 */
#define POLICY_LIST(X)                                                                             \
	X(session, max_lifetime_ms, MS, 86400000, 60000, 604800000)                                \
	X(session, transport_lost_ttl_ms, MS, 120000, 1000, 3600000)                               \
	X(session, handshake_timeout_ms, MS, 5000, 500, 60000)                                     \
	X(session, rekey_after_ms, MS, 120000, 10000, 3600000)                                     \
	X(volatility, heartbeat_interval_ms, MS, 500, 50, 10000)                                   \
	X(volatility, heartbeat_idle_ms, MS, 15000, 1000, 60000)                                   \
	X(volatility, heartbeat_volatile_ms, MS, 2000, 100, 60000)                                 \
	X(volatility, loss_window_ms, MS, 2000, 500, 30000)                                        \
	X(volatility, loss_volatile_threshold, PPM, 200000, 10000, 1000000)                        \
	X(volatility, max_consecutive_drops, COUNT, 3, 1, 20)                                      \
	X(volatility, latency_volatile_threshold_ms, MS, 0, 0, 10000)                              \
	X(volatility, volatile_to_degraded_ms, MS, 4000, 100, 60000)                               \
	X(switching, max_switches_per_min, COUNT, 8, 1, 60)                                        \
	X(switching, switch_cooldown_ms, MS, 1500, 0, 60000)                                       \
	X(switching, recovery_window_ms, MS, 8000, 500, 60000)                                     \
	X(switching, improvement_factor, PPM, 1100000, 1000000, 10000000)                          \
	X(switching, failback_after_ms, MS, 30000, 0, 3600000)                                     \
	X(switching, drain_ms, MS, 1000, 0, 10000)                                                 \
	X(switching, rescue_bytes, BYTES, 1048576, 0, 16777216)                                    \
	X(transport, max_candidates, COUNT, 3, 1, 8)                                               \
	X(transport, standby_probe_ms, MS, 5000, 250, 60000)                                       \
	X(security, replay_window, POW2, 2048, 64, 65536)                                          \
	X(security, proof_max_age_ms, MS, 5000, 500, 60000)

struct policy {
#define X(section, key, KIND, def, least, most) uint32_t key;
	POLICY_LIST(X)
#undef X
};

#define X(section, key, KIND, def, least, most) +1
enum { POLICY_KEYS = 0 POLICY_LIST(X) };
#undef X

/* The defaults of the list above. */
extern const struct policy policy_defaults;
