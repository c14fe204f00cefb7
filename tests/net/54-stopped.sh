#!/bin/bash
# Either end is stopped for a while, as by a debugger or a machine that sleeps, with TCP under way. What it finds when it
# goes on is no evidence against its paths; the session is the same, and TCP goes on.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
expect 5000 "path b is warm" path_is_warm alice b
id=$(field alice id)
tcp_start up cli send
tcp_start down cli recv
for who in alice server; do
	say "  stopped: $who"
	kill -STOP "${RIG_PID[$who]}"
	sleep 3 # longer than any bound on a path's silence, shorter than any on a session's
	kill -CONT "${RIG_PID[$who]}"
	expect 5000 "the client is attached" client_is alice state ATTACHED
	expect 5000 "and the server" peer_is alice state ATTACHED
	[ "$(field alice id)" = "$id" ] || fail "another session"
	# The client saw nothing of its own sleep; of the server's it must have.
	[ "$who" = server ] || audit_forbid alice event_type=SessionStateChange session_id="$id" from=ATTACHED
done
tcp_stop up
tcp_stop down
audit_expect alice event_type=SessionStateChange session_id="$id" from=ATTACHED to=VOLATILE
audit_forbid server event_type=SessionTerminated session_id="$id"
say "ok"
