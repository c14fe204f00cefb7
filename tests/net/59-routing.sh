#!/bin/bash
# Where routes and rules stand among those of others: another tunnel's, a table by number, none at all; and at a server with
# peers whose networks hold outer addresses, the default route, or the network of another.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
ip -n srv addr add 198.51.100.1/32 dev lo
peer alice 2
peer bob 3
server_config
full='push: { routes: [ 0.0.0.0/0, "::/0" ] }'
sed -i "s|^push:.*|$full|" "$TMP/server.yaml"
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server

ours() { ip -n "$1" rule | grep 'proto 74'; }
way() { ip -n "$1" route get "$2" | head -n 1; }
goes() { way "$1" "$2" | grep -q "$3"; }
place() { ip -n cli rule | grep -n "$1" | head -n 1 | cut -d: -f1; }
before() { [ "$(place "$1")" -lt "$(place "$2")" ]; }

# Another tunnel below ours, as wg-quick makes it; a rule for one source stays in front.
ip -n cli tuntap add dev wg0 mode tun
ip -n cli link set wg0 up
ip -n cli route add default dev wg0 table 51820
start_client alice cli a0 b0
ip -n cli rule add not fwmark 0xca6c lookup 51820
expect 2000 "before the other tunnel" before 'proto 74' 'lookup 51820'
ip -n cli route get 198.51.100.1 mark 0xca6c 2>/dev/null | grep -q jump0 && fail "the other's outer packets come into our tunnel"
goes cli 198.51.100.1 jump0 || fail "not into the tunnel: $(way cli 198.51.100.1)"
ip -n cli rule add from 10.1.1.77 lookup 100
expect 2000 "behind a rule for one source" before 'from 10.1.1.77' 'proto 74'
client_is alice state ATTACHED || fail "alice is $(field alice state)"
ip -n cli rule del not fwmark 0xca6c lookup 51820
ip -n cli rule del from 10.1.1.77 lookup 100
start_client_bob() { TUNNEL[bob]=jump1 && start_client bob cli a0; }
start_client_bob
stop bob || fail "bob ended with status $?"
goes cli 198.51.100.1 'dev jump0' || fail "bob took alice's routes away: $(way cli 198.51.100.1)"
stop alice || fail "alice ended with status $?"
! ours cli || fail "rules are left"

# By number, and not at all.
client_config alice a0
sed -i 's|^tunnel:.*|tunnel: { name: jump0, table: 77 }|' "$TMP/alice.yaml"
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
in_77() { ip -n cli route show table 77 | grep -q '^default dev jump0'; }
expect 10000 "the default route stands in table 77" in_77
! ours cli || fail "rules with a table by number"
sed -i 's|table: 77|table: off|' "$TMP/alice.yaml"
kill -HUP "${RIG_PID[alice]}"
not_in_77() { ! in_77; }
expect 5000 "and is gone from there" not_in_77
[ -z "$(ip -n cli route show table all proto 74)" ] || fail "routes with table off"
ip -n cli addr show dev jump0 | grep -q 10.8.0.2 || fail "no address with table off"
stop alice || fail "alice ended with status $?"

# The default route in a table that is asked before the main one: split routes and the inner network stand before it, too.
shadow() # add|del NAMESPACE DEVICE
{
	ip -n "$2" route "$1" default dev "$3" table 201
	ip -n "$2" -6 route "$1" default dev "$3" table 201
	ip -n "$2" rule "$1" pref 32500 lookup 201
	ip -n "$2" -6 rule "$1" pref 32500 lookup 201
}
ip -n cli route add 10.77.0.0/24 dev b0 table 201
split() { sed -i 's|^tunnel:.*|tunnel: { name: jump0, routes: [ 10.0.0.0/8, 203.0.113.0/24, "fd77::/64", "fd00:8::/64" ] }|' "$TMP/alice.yaml"; }
client_config alice a0 b0
split
shadow add cli a0
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
inside() { on cli ping -nqc1 -W1 "$1"; }
expect 10000 "IPv4 before a table of another" inside 10.8.0.1
expect 2000 "IPv6 before a table of another" inside fd00:8::1
all_go() { goes cli 203.0.113.9 jump0 && goes cli fd77::9 jump0 && goes cli 10.8.0.1 jump0 && goes cli fd00:8::1 jump0; }
all_go || fail "not into the tunnel: $(way cli 203.0.113.9) $(way cli fd77::9)"
goes cli 10.77.0.9 b0 || fail "the narrower network of the other table: $(way cli 10.77.0.9)"
goes cli 198.51.100.9 a0 || fail "all the rest: $(way cli 198.51.100.9)"
in_main() { ip -n cli route show dev jump0 proto 74 | grep -q '^203.0.113.0/24'; }
! in_main || fail "a route stands in the main table, too"
shadow del cli a0
expect 2000 "back in the main table" in_main
all_go || fail "not into the tunnel any more: $(way cli 203.0.113.9)"
shadow add cli a0
not_in_main() { ! in_main; }
expect 2000 "and again in the tunnel's own" not_in_main
all_go || fail "not into the tunnel: $(way cli 203.0.113.9)"
shadow add srv sa
expect 2000 "at a server, too" goes srv 10.8.0.2 jump0
expect 2000 "at a server, too" goes srv fd00:8::2 jump0
inside 10.8.0.1 >/dev/null || fail "nothing comes back"
shadow del srv sa
stop alice || fail "alice ended with status $?"
[ -z "$(ip -n cli route show table all proto 74)" ] || fail "routes are left"
shadow del cli a0

# The server's peers: the site of one holds all outer addresses, another is the way out for all.
sed -i -e 's|10.8.0.2, "fd00:8::2" \]|10.8.0.2, "fd00:8::2", 10.1.0.0/16, 192.168.7.0/24 ]|' \
	-e 's|10.8.0.3, "fd00:8::3" \]|10.8.0.3, "fd00:8::3", 0.0.0.0/0 ]|' \
	-e 's|^push:.*|push: { routes: [ 10.8.0.0/24, 192.168.7.0/24, 192.168.8.0/24 ] }|' "$TMP/server.yaml"
kill -HUP "${RIG_PID[server]}"
expect 5000 "a network behind a peer goes into the tunnel" goes srv 192.168.7.1 jump0
# The client is reached by a router: its network is on no link of the server's.
for n in 1 2; do
	p=$([ $n = 1 ] && say a || say b)
	ip -n srv addr del "10.1.$n.1/24" dev "s$p"
	ip -n srv addr add "10.1.$n.1/32" dev "s$p"
done
ip -n srv route add default dev sa
on srv sysctl -qw net.ipv4.ip_forward=1
start_client alice cli a0
probe_start alice-probe cli
probe_stop alice-probe
expect_no_loss alice-probe
[ "$(counter server drop_inside)" -eq 0 ] || fail "packets in packets"
goes srv 203.0.113.9 'dev sa' || fail "the default route of the server: $(way srv 203.0.113.9)"
ip -n srv route get 203.0.113.9 from 10.8.0.2 iif jump0 | grep -q 'dev jump0' || fail "the way out of the others"
ip -n cli route show dev jump0 | grep -q '^192.168.8.0/24' || fail "what lies behind others is not pushed"
ip -n cli route show dev jump0 | grep -q '^192.168.7.0/24' && fail "its own network is pushed"
stop alice || fail "alice ended with status $?"
stop server || fail "the server ended with status $?"
! ours srv || fail "rules are left at the server"
[ -z "$(ip -n srv route show table all proto 74)" ] || fail "routes are left at the server"
say "ok"
