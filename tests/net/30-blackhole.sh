#!/bin/bash
# The active path dies without a word: both ways, only out, only in. The session moves and TCP goes on.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
tcp_start up cli send
tcp_start down cli recv
for way in both out in; do
	say "  path a dead: $way"
	probe_start probe cli
	path_blackhole a "$way"
	expect 5000 "the session is on path b" carries_on alice b
	probe_stop probe
	expect_gap_below probe 3000
	[ "$(field alice id)" = "$id" ] || fail "another session"
	path_heal a
	expect 10000 "path a is warm again" path_is_warm alice a
	jump alice a
done
tcp_stop up
tcp_stop down
[ "$(peer_field alice id)" = "$id" ] || fail "the server has another session"
audit_expect alice event_type=SessionStateChange session_id="$id" from=ATTACHED to=VOLATILE
audit_expect alice event_type=SessionStateChange session_id="$id" to=RECOVERING reason_code=dead_transport_recovery
audit_expect server event_type=TransportSwitch session_id="$id"
audit_forbid server event_type=SessionTerminated session_id="$id"
say "ok"
