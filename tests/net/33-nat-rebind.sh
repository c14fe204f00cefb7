#!/bin/bash
# The router of the active path forgets its mapping under load: the session stays, on the same path, with a new
# address.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup_nat
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
tcp_start up cli send
tcp_start down cli recv

remote_is_not() { local r; r=$(peer_field alice active.remote) && [ "$r" != "$1" ]; }

for n in 1 2; do
	say "  rebinding $n"
	before=$(peer_field alice active.remote)
	probe_start probe cli
	nat_rebind a
	expect 5000 "the server sends to the new address" remote_is_not "$before"
	probe_stop probe
	expect_gap_below probe 2000
	expect 3000 "the session carries on" client_is alice state ATTACHED
done
tcp_stop up
tcp_stop down
[ "$(peer_field alice id)" = "$id" ] || fail "another session"
audit_expect server event_type=TransportRebound session_id="$id"
audit_forbid server event_type=SessionTerminated session_id="$id"
say "ok"
