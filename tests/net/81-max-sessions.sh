#!/bin/bash
# The server may have one session, and two clients call: the second is refused, which the log, status and audit file tell, and
# gets in once a reload makes room. A reload that takes the room away again ends nobody.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
start_services
peer alice 2
peer bob 3
allow() # SESSIONS
{
	server_config
	say "max_sessions: $1" >>"$TMP/server.yaml"
}
allow 1
"$JUMPVPND" check "$TMP/server.yaml" 2>&1 | grep -q 'max_sessions: 1: not all of the 2 peers' || fail "check does not notice"
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server
start_client alice cli a0
id=$(field alice id)
launch_client bob cli2 c0
expect 10000 "bob is refused" counter_above server hello_session_limit 2
audit_expect server event_type=SecurityValidationFailed reason_code=session_limit_reached
"$JUMPVPND" status -s "$TMP/server.sock" | grep -q 'max_sessions is 1: peers that have none are refused' ||
	fail "status does not say so"
[ "$(grep -c 'as its part of max_sessions (1) allows' "$TMP/server.log")" -eq 1 ] || fail "the log does not say so once"
client_is alice id "$id" || fail "alice has lost her session"
allow 2
ask server reload >/dev/null || fail "no reload"
expect 20000 "bob has a session" client_is bob state ATTACHED
allow 1
ask server reload >/dev/null || fail "no second reload"
on cli "$TOOLS/prober" ping 10.8.0.1 >/dev/null || fail "alice does not reach the server"
on cli2 "$TOOLS/prober" ping 10.8.0.1 >/dev/null || fail "bob does not reach the server"
client_is alice id "$id" || fail "the reload has ended alice's session"
[ "$(told server sessions.max)" -eq 1 ] || fail "status does not have the limit"
[ "$(told server sessions.total)" -eq 2 ] || fail "not both have a session"
say "ok"
