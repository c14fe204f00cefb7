#!/bin/bash
# The link under the active path goes: its carrier first, then the interface itself.

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
for break in carrier_down link_down; do
	say "  $break"
	probe_start probe cli
	$break a
	expect 5000 "the session is on path b" carries_on alice b
	probe_stop probe
	expect_gap_below probe 2000
	path_heal a
	expect 10000 "path a is warm again" path_is_warm alice a
	jump alice a
done
tcp_stop up
[ "$(peer_field alice id)" = "$id" ] || fail "another session"
audit_expect alice event_type=SessionStateChange session_id="$id" from=ATTACHED reason_code=transport_dead
say "ok"
