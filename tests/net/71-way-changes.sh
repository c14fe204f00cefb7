#!/bin/bash
# The way to the server changes under a session that goes by the kernel's choice: by a route, by a rule, by an address that
# is taken away and set again. What is back at once was never gone.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
client_config alice
sed -i '/^transports:/d' "$TMP/alice.yaml"
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"

from_is() { [[ $(peer_field alice active.remote) == "$1":* ]] && client_is alice state ATTACHED && peer_is alice state ATTACHED; }
moves() { expect 5000 "$1" from_is "$2"; }

moves "the session begins by the better route" 10.1.1.2
id=$(field alice id)

# As a DHCP client does it, in one go. The session stays busy to the end: an idle one has new locators for further moves
# only with its next heartbeat.
before=$(peer_field alice active.remote)
probe_start alice-probe cli
for i in 1 2 3; do
	ip -n cli -batch - <<-EOF
	addr del 10.1.1.2/24 dev a0
	addr add 10.1.1.2/24 dev a0
	route add 192.0.2.1/32 via 10.1.1.1 dev a0 metric 100
	EOF
	on cli ping -nqc1 -W2 10.8.0.1 >/dev/null || fail "nothing comes back after renewal $i"
done
[ "$(peer_field alice active.remote)" = "$before" ] || fail "from $before to $(peer_field alice active.remote) for nothing"
audit_forbid alice event_type=TransportSwitch
say "  three renewals, and no switch"

ip -n cli route add 192.0.2.1/32 via 10.1.2.1 dev b0 metric 50
moves "a better route" 10.1.2.2
ip -n cli route del 192.0.2.1/32 via 10.1.2.1 dev b0 metric 50
moves "it goes" 10.1.1.2
ip -n cli route add default via 10.1.2.1 dev b0 table 202
ip -n cli rule add pref 90 lookup 202
moves "a rule" 10.1.2.2
ip -n cli rule del pref 90
moves "it goes" 10.1.1.2
ip -n cli addr del 10.1.1.2/24 dev a0
moves "an address goes for good" 10.1.2.2
path_configure a
moves "and comes back" 10.1.1.2

probe_stop alice-probe
expect_gap_below alice-probe 2000

# Routes to elsewhere are nobody's business.
before=$(peer_field alice active.remote)
for i in {0..255}; do say "route add 198.51.100.$i/32 via 10.1.2.1 dev b0"; done | ip -n cli -batch -
[ "$(peer_field alice active.remote)" = "$before" ] || fail "moved by routes to elsewhere"
[ "$(field alice id)" = "$id" ] || fail "another session"
stop alice || fail "alice ended with status $?"
say "ok"
