/* Names, texts and defaults: they stand on the wire and in audit records, so they are pinned here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jumpvpn/policy.h"
#include "jumpvpn/reason.h"
#include "jumpvpn/state.h"
#include "session/counter.h"

/* Written out once more: a number or name that moved would break every log and peer in the field. */
static const char *const reasons[] = {
	[0] = "none",
	[1] = "attached_to_transport",
	[2] = "handshake_timeout",
	[3] = "heartbeat_timeout",
	[4] = "loss_threshold_exceeded",
	[5] = "consecutive_drop_exceeded",
	[6] = "latency_threshold_exceeded",
	[7] = "transport_dead",
	[8] = "address_changed",
	[9] = "peer_reported",
	[10] = "policy_forced",
	[11] = "health_recovered",
	[12] = "volatile_persisted",
	[13] = "switch_rate_limited",
	[14] = "no_candidate_transports",
	[15] = "loss_recovery",
	[16] = "dead_transport_recovery",
	[17] = "policy_forced_recovery",
	[18] = "reattach_success",
	[19] = "reattach_validation_failed",
	[20] = "policy_denied",
	[21] = "recovery_window_expired",
	[22] = "session_lifetime_exceeded",
	[23] = "transport_ttl_exceeded",
	[24] = "security_failure",
	[25] = "operator_terminated",
	[26] = "peer_closed",
	[27] = "peer_removed",
	[28] = "superseded",
	[29] = "ownership_lost",
	[30] = "data_stalled",
	[31] = "machine_cloned",
	[40] = "unknown_session",
	[41] = "invalid_state_for_reattach",
	[42] = "session_expired",
	[43] = "bad_proof",
	[44] = "replay_detected",
	[45] = "stale_request",
	[46] = "stale_binding_version",
	[47] = "cooldown_active",
	[48] = "invalid_transport_candidate",
	[49] = "ownership_conflict",
	[50] = "ownership_store_unavailable",
	[51] = "illegal_transition",
	[52] = "unknown_peer",
	[53] = "ecn_mismarked",
	[54] = "rekey_overdue",
	[55] = "foreign_reset",
	[56] = "reset_again",
	[57] = "out_of_memory",
	[58] = "session_limit_reached",
};

static void test_reasons(void **state)
{
	(void)state;
	assert_int_equal(sizeof(reasons) / sizeof(reasons[0]), REASON_MAX + 1);
	for (unsigned int i = 0; i <= REASON_MAX; i++) {
		const char *text = reason_text(i);

		if (!reasons[i]) {
			assert_null(reason_name(i));
			assert_null(text);
			continue;
		}
		assert_string_equal(reason_name(i), reasons[i]);
		assert_non_null(text);
		assert_true(text[strlen(text) - 1] != '.');
	}
	for (unsigned int i = REASON_MAX + 1; i < 1000; i++) {
		assert_null(reason_name(i));
		assert_null(reason_text(i));
	}
	assert_null(reason_name(UINT32_MAX));
	assert_null(reason_text(UINT32_MAX));
}

static void test_states(void **state)
{
	static const char *const states[] = {
		"BIRTH", "ATTACHED", "VOLATILE", "DEGRADED", "RECOVERING", "TERMINATED",
	};

	(void)state;
	assert_int_equal(STATE_COUNT, sizeof(states) / sizeof(states[0]));
	for (unsigned int i = 0; i < STATE_COUNT; i++)
		assert_string_equal(state_name(i), states[i]);
	assert_string_equal(state_name(STATE_TERMINATED), "TERMINATED");
	assert_null(state_name(STATE_COUNT));
	assert_null(state_name(UINT32_MAX));
}

/* The table of DESIGN section 7, in its order, which is that of the wire too. */
static void test_policy_defaults(void **state)
{
	static const struct {
		const char *key;
		uint32_t def, least, most;
	} want[] = {
		{ "session.max_lifetime_ms", 86400000, 60000, 604800000 },
		{ "session.transport_lost_ttl_ms", 120000, 1000, 3600000 },
		{ "session.handshake_timeout_ms", 5000, 500, 60000 },
		{ "session.rekey_after_ms", 120000, 10000, 3600000 },
		{ "volatility.heartbeat_interval_ms", 500, 50, 10000 },
		{ "volatility.heartbeat_idle_ms", 15000, 1000, 60000 },
		{ "volatility.heartbeat_volatile_ms", 2000, 100, 60000 },
		{ "volatility.loss_window_ms", 2000, 500, 30000 },
		{ "volatility.loss_volatile_threshold", 200000, 10000, 1000000 },
		{ "volatility.max_consecutive_drops", 3, 1, 20 },
		{ "volatility.latency_volatile_threshold_ms", 0, 0, 10000 },
		{ "volatility.volatile_to_degraded_ms", 4000, 100, 60000 },
		{ "switching.max_switches_per_min", 8, 1, 60 },
		{ "switching.switch_cooldown_ms", 1500, 0, 60000 },
		{ "switching.recovery_window_ms", 8000, 500, 60000 },
		{ "switching.improvement_factor", 1100000, 1000000, 10000000 },
		{ "switching.failback_after_ms", 30000, 0, 3600000 },
		{ "switching.drain_ms", 1000, 0, 10000 },
		{ "switching.rescue_bytes", 1048576, 0, 16777216 },
		{ "transport.max_candidates", 3, 1, 8 },
		{ "transport.standby_probe_ms", 5000, 250, 60000 },
		{ "security.replay_window", 2048, 64, 65536 },
		{ "security.proof_max_age_ms", 5000, 500, 60000 },
	};
	static const struct {
		const char *key;
		uint32_t def, least, most;
	} list[] = {
#define X(section, key, KIND, def, least, most) { #section "." #key, def, least, most },
		POLICY_LIST(X)
#undef X
	};
	const uint32_t *value = (const uint32_t *)(const void *)&policy_defaults;

	(void)state;
	assert_int_equal(POLICY_KEYS, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		assert_string_equal(list[i].key, want[i].key);
		assert_int_equal(value[i], want[i].def);
		assert_int_equal(list[i].least, want[i].least);
		assert_int_equal(list[i].most, want[i].most);
	}
}

static void test_counters(void **state)
{
	(void)state;
	assert_string_equal(counter_name(COUNT_RX_PACKETS), "rx_packets");
	assert_string_equal(counter_name(COUNT_AUDIT_LOST), "audit_lost");
	for (unsigned int i = 0; i < COUNTER_COUNT; i++) {
		assert_non_null(counter_text(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(counter_name(i), counter_name(j));
	}
	assert_null(counter_name(COUNTER_COUNT));
	assert_null(counter_text(COUNTER_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_policy_defaults),
		cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
