#!/bin/bash
# The server is killed and started again: the client learns it by RESET, has a new session within 2 s, and TCP
# goes on.

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
probe_start probe cli
stop server KILL 2>/dev/null || :
start_server
expect 2000 "the client has a new session" has_another_id alice "$id"
expect 2000 "the new session carries" client_is alice state ATTACHED
rm -f "$TMP/again.ready"
spawn again cli "$TOOLS/prober" client --to 10.8.0.1:7 --ready-file "$TMP/again.ready"
expect 3000 "packets come through" test -e "$TMP/again.ready"
stop again
probe_stop probe
probe_summary probe
[ "$(result probe alive_at_end)" = true ] || fail "the probes do not come back"
tcp_stop up
tcp_stop down
audit_expect alice event_type=SessionTerminated session_id="$id" reason_code=peer_closed
say "ok"
