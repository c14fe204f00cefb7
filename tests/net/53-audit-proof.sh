#!/bin/bash
# What both ends write about a silent death proves itself; what is done to it afterwards is found; and it can be seen.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# found RULE LOG...: verify finds this and nothing else, and says so by its exit code.
found()
{
	local rule=$1 code=0

	shift
	"$JUMPVPND" verify "$@" >"$TMP/found" || code=$?
	[ "$code" -eq 1 ] || fail "$rule: exit code $code"
	grep -q ": $rule: " "$TMP/found" || fail "$rule is not found: $(cat "$TMP/found")"
	grep -q '^1 violations$' "$TMP/found" || fail "$rule is not all that is found: $(cat "$TMP/found")"
}

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
tcp_start up cli send
path_blackhole a both
expect 5000 "the session is on path b" carries_on alice b
tcp_stop up
# Rotated in the middle, by rename and reload, and then a jump back.
mv "$TMP/server.audit" "$TMP/server.audit.1"
"$JUMPVPND" reload -s "$TMP/server.sock" >/dev/null
path_heal a
expect 10000 "path a is warm again" path_is_warm alice a
jump alice a
audit_expect server event_type=TransportSwitch
stop alice
audit_expect server event_type=SessionTerminated
stop server

cd "$TMP"
"$JUMPVPND" verify alice.audit server.audit server.audit.1 >proof || fail "$(cat proof)"
grep -q '^server.audit.1, then server.audit: the server of node 1,' proof || fail "rotated files: $(cat proof)"
grep -q '^0 violations$' proof || fail "$(cat proof)"
grep -q ' 2 sessions, 4 switches,' proof || fail "both ends: $(cat proof)"
"$JUMPVPND" verify --json alice.audit >proof.json
[ "$("$TOOLS/jget" proof.json ok)" = true ] || fail "--json: $(cat proof.json)"

sed '3s/"worker":0/"worker":1/' alice.audit >edited && found chain edited
sed 4d alice.audit >dropped && found gap dropped
sed 4p alice.audit >doubled && found duplicate doubled
awk 'NR == 4 { held = $0; next } { print } NR == 5 { print held }' alice.audit >moved && found order moved
sed '5s/.*/{"seq":5}/' alice.audit >broken && found malformed broken
"$JUMPVPND" verify server.audit >/dev/null || fail "a log that begins in the middle is not wrong"

"$JUMPVPND" timeline --session "${id:0:8}" alice.audit server.audit.1 server.audit >text
grep -q 'client .*TransportSwitch a -> b' text || fail "no jump in the timeline: $(cat text)"
"$JUMPVPND" timeline -o picture.svg alice.audit server.audit.1 server.audit
grep -q '</svg>' picture.svg || fail "no picture"
