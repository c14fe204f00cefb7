#!/bin/bash
# Two gateways with one key. The first is killed under load without a word: the second takes over after failover_after_ms of
# silence, by a new session. A hole of the same length changes no session.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_server
ns_add cli
ns_add gw2
path_add a 1 cli
ip link add g0 netns srv type veth peer name g1 netns gw2
ip -n srv addr add 10.1.7.1/24 dev g0
ip -n srv link set g0 up
ip -n gw2 addr add 10.1.7.2/24 dev g1
ip -n gw2 link set g1 up
ip -n gw2 route add default via 10.1.7.1
on srv sysctl -qw net.ipv4.ip_forward=1
ip -n cli route add 10.1.7.0/24 via 10.1.1.1
start_services
peer alice 2
ENDPOINT[alice]='udp://192.0.2.1:4433", "udp://10.1.7.2:4433'
start_server
sed "s/id: 1, name: gw-1/id: 2, name: gw-2/; s/server\.sock/second.sock/; s/server\.audit/second.audit/" \
	"$TMP/server.yaml" >"$TMP/second.yaml"
spawn second gw2 "$JUMPVPND" run -c "$TMP/second.yaml"
expect 10000 "the second gateway answers" answers second
start_client alice cli a0
id=$(field alice id)
remote_is() { client_is alice state ATTACHED && [ "$(field alice "paths[use=active].remote")" = "$1" ]; }
is_degraded() { [ "$(field alice state)" != ATTACHED ]; }
expect 3000 "the session begins at the first" remote_is 192.0.2.1:4433

say "  a hole"
tcp_start up cli send
path_blackhole a both
expect 20000 "the session has noticed" is_degraded
sleep 4 # the hole is longer than failover_after_ms: nobody answers, so nothing takes over
path_heal a
expect 15000 "the session is back" remote_is 192.0.2.1:4433
[ "$(field alice id)" = "$id" ] || fail "another session after a hole"

say "  the first gateway dies"
stop server KILL || :
expect 30000 "the second gateway has the session" remote_is 10.1.7.2:4433
[ "$(field alice id)" != "$id" ] || fail "the same session at another gateway"
audit_expect alice event_type=SessionTerminated session_id="$id" reason_code=superseded
stop up KILL || :
stop alice || fail "the client ended with an error"
say "ok"
