/*
 * Reason codes: why a session changed its state, why a request was denied, why a session ended.
 *
 * One list makes the number, the name and the text. The numbers stand on the wire (JUMP,
 * JUMP_REJECT, CLOSE) and the names in every audit record: neither is ever reused.
 */
#pragma once

#include <stdint.h>

/* X(number, NAME, name, text) */
#define REASON_LIST(X)                                                                             \
	X(0, NONE, none, "no reason")                                                              \
	/* transitions */                                                                          \
	X(1, ATTACHED_TO_TRANSPORT, attached_to_transport, "the session attached to its first path") \
	X(2, HANDSHAKE_TIMEOUT, handshake_timeout, "the handshake was not completed in time")      \
	X(3, HEARTBEAT_TIMEOUT, heartbeat_timeout, "no authenticated packet within the heartbeat") \
	X(4, LOSS_THRESHOLD_EXCEEDED, loss_threshold_exceeded, "packet loss above the threshold")  \
	X(5, CONSECUTIVE_DROP_EXCEEDED, consecutive_drop_exceeded, "too many probes in a row unanswered") \
	X(6, LATENCY_THRESHOLD_EXCEEDED, latency_threshold_exceeded, "latency above the threshold") \
	X(7, TRANSPORT_DEAD, transport_dead, "the link under the active path is gone")             \
	X(8, ADDRESS_CHANGED, address_changed, "the local address of the active path changed")     \
	X(9, PEER_REPORTED, peer_reported, "the peer reports that the active path is dead")        \
	X(10, POLICY_FORCED, policy_forced, "an operator ordered a jump")                          \
	X(11, HEALTH_RECOVERED, health_recovered, "the active path answers again")                 \
	X(12, VOLATILE_PERSISTED, volatile_persisted, "the path stayed bad for too long")          \
	X(13, SWITCH_RATE_LIMITED, switch_rate_limited, "no switch is left in this minute")        \
	X(14, NO_CANDIDATE_TRANSPORTS, no_candidate_transports, "there is no other path to try")   \
	X(15, LOSS_RECOVERY, loss_recovery, "moving away from a lossy or slow path")               \
	X(16, DEAD_TRANSPORT_RECOVERY, dead_transport_recovery, "moving away from a dead path")    \
	X(17, POLICY_FORCED_RECOVERY, policy_forced_recovery, "moving by an operator's order")     \
	X(18, REATTACH_SUCCESS, reattach_success, "the session attached to the chosen path")       \
	X(19, REATTACH_VALIDATION_FAILED, reattach_validation_failed, "the peer refused the jump") \
	X(20, POLICY_DENIED, policy_denied, "the policy forbids it")                               \
	X(21, RECOVERY_WINDOW_EXPIRED, recovery_window_expired, "recovery did not succeed in its window") \
	X(22, SESSION_LIFETIME_EXCEEDED, session_lifetime_exceeded, "the session reached its lifetime") \
	X(23, TRANSPORT_TTL_EXCEEDED, transport_ttl_exceeded, "the session had no transport for too long") \
	X(24, SECURITY_FAILURE, security_failure, "a security check failed for good")              \
	X(25, OPERATOR_TERMINATED, operator_terminated, "an operator ended the session")           \
	X(26, PEER_CLOSED, peer_closed, "the peer ended the session, or no longer knows it")       \
	X(27, PEER_REMOVED, peer_removed, "the peer was removed from the configuration")           \
	X(28, SUPERSEDED, superseded, "a newer session of the same peer took over")                \
	X(29, OWNERSHIP_LOST, ownership_lost, "another node owns the session")                     \
	X(30, DATA_STALLED, data_stalled, "probes are answered on the active path, but data does not pass") \
	X(31, MACHINE_CLONED, machine_cloned, "the machine was cloned or restored from a snapshot") \
	/* denials that are not transitions */                                                     \
	X(40, UNKNOWN_SESSION, unknown_session, "no session has this locator")                     \
	X(41, INVALID_STATE_FOR_REATTACH, invalid_state_for_reattach, "the session is not in a state that can jump") \
	X(42, SESSION_EXPIRED, session_expired, "the session is past its lifetime or transport TTL") \
	X(43, BAD_PROOF, bad_proof, "the packet is not authentic")                                 \
	X(44, REPLAY_DETECTED, replay_detected, "the packet was seen before")                      \
	X(45, STALE_REQUEST, stale_request, "the request is too old")                              \
	X(46, STALE_BINDING_VERSION, stale_binding_version, "the request names another binding than the current one") \
	X(47, COOLDOWN_ACTIVE, cooldown_active, "the last switch is too recent")                   \
	X(48, INVALID_TRANSPORT_CANDIDATE, invalid_transport_candidate, "the path is not one of the session's candidates") \
	X(49, OWNERSHIP_CONFLICT, ownership_conflict, "another node claims the session")           \
	X(50, OWNERSHIP_STORE_UNAVAILABLE, ownership_store_unavailable, "the ownership store does not answer") \
	X(51, ILLEGAL_TRANSITION, illegal_transition, "the state machine has no such transition")  \
	X(52, UNKNOWN_PEER, unknown_peer, "no peer has this key")                                 \
	X(53, ECN_MISMARKED, ecn_mismarked, "congestion was marked on packets that cannot answer to it") \
	X(54, REKEY_OVERDUE, rekey_overdue, "the keys are much older than they may be") \
	X(55, FOREIGN_RESET, foreign_reset, "a RESET that the session's server did not make") \
	X(56, RESET_AGAIN, reset_again, "RESETs of the server end one session after the other") \
	X(57, OUT_OF_MEMORY, out_of_memory, "there is no memory for it") \
	X(58, SESSION_LIMIT_REACHED, session_limit_reached, "there are as many sessions as max_sessions allows")

enum reason {
#define X(num, NAME, name, text) REASON_##NAME = (num),
	REASON_LIST(X)
#undef X
};

#define REASON_MAX 58 /* highest number above */

/* The lower-case name, or NULL for a number that is not a reason. */
const char *reason_name(unsigned int reason);
/* One sentence without a full stop, or NULL. */
const char *reason_text(unsigned int reason);
