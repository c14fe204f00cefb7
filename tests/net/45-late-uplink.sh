#!/bin/bash
# A transport whose interface is made, named or given an address when the session is long there becomes a path of it and takes
# over; until then show says why it is down. With fewer paths granted than transports, they move to those that are up.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_server
ns_add cli
path_add a 1 cli
start_services
peer alice 2
POLICY='switching: { max_switches_per_min: 60, switch_cooldown_ms: 0, failback_after_ms: 0 }
  transport: { standby_probe_ms: 250, max_candidates: 2 }'
start_server
launch_client alice cli a0 b0 c0
expect 10000 "alice has a session" client_is alice state ATTACHED
id=$(field alice id)
same_session() { [ "$(field alice id)" = "$id" ] || fail "another session"; }
why_is() { [ "$(field alice "paths[name=$1].why")" = "$2" ]; }
on_path() { client_is alice state ATTACHED && [ "$(path_use alice "$1")" = active ]; }

expect 1000 "show says that b0 is missing" why_is b "no such interface"
grep -q 'transport b: there is no interface b0' "$TMP/alice.log" || fail "the log does not name b0"
"$JUMPVPND" check "$TMP/alice.yaml" 2>&1 | grep -q 'note: .*c0' || fail "check does not name c0"

# The modem is plugged in, has another name at first, and then no address.
ip link add late netns cli type veth peer name sb netns srv
ip -n srv link set sb up
ip -n cli link set late up
expect 1000 "its name is not b0" why_is b "no such interface"
ip -n cli link set late down
ip -n cli link set late name b0
ip -n cli link set b0 up
expect 3000 "b0 has no address" why_is b "the interface has no address to reach the server from"
PATH_NUMBER[b]=2 CLIENT_NS[b]=cli
path_configure b
expect 5000 "b is a path" path_is_warm alice b
ip -n cli link del a0
expect 5000 "the session is on b" on_path b
expect 3000 "a0 is gone" why_is a "no such interface"
same_session

# A third takes the place that is free, under another name of its own; the first comes back and has its place again.
ip link add other netns cli type veth peer name sc netns srv
ip -n cli link property add dev other altname c0
ip -n cli addr add 10.1.3.2/24 dev other
ip -n cli link set other up
ip -n srv addr add 10.1.3.1/24 dev sc
ip -n srv link set sc up
ip -n cli route add 192.0.2.1/32 via 10.1.3.1 dev other metric 300
expect 5000 "c is a path" path_is_warm alice c
ip link add a0 netns cli type veth peer name sa netns srv
path_configure a
expect 5000 "a is a path again" path_is_warm alice a
expect 1000 "c has made room" why_is c "the server grants no more paths (transport.max_candidates)"
order_jump alice "$id" c
expect 3000 "an order brings the session to c" on_path c
same_session
say "ok"
