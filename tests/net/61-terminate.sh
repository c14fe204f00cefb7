#!/bin/bash
# An operator ends a session: it is over on both ends, and the client comes back with a new SessionID.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
"$JUMPVPND" terminate -s "$TMP/server.sock" "$id" >/dev/null || fail "the order was refused"
audit_expect server event_type=SessionTerminated session_id="$id" reason_code=operator_terminated
expect 10000 "the client has a new session" has_another_id alice "$id"
expect 10000 "the new session carries" client_is alice state ATTACHED
on cli "$TOOLS/prober" ping 10.8.0.1 >/dev/null || fail "nothing comes through the new session"
audit_expect alice event_type=SessionTerminated session_id="$id"
! "$JUMPVPND" terminate -s "$TMP/server.sock" "$id" >/dev/null 2>&1 || fail "a dead session was ended again"
say "ok"
