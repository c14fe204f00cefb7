#!/bin/bash
# Whatever somebody does to the tunnel's device, its addresses, routes or rules is put right, at both ends, and nothing leaves
# in the clear meanwhile. IPv6 that is switched off takes IPv4 nothing away, and comes back.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
ip -n srv addr add 198.51.100.1/32 dev lo
ip -n cli addr add 10.60.0.1/32 dev lo
for p in a b; do
	ip -n cli route add default via "10.1.${PATH_NUMBER[$p]}.1" dev "${p}0" metric "${PATH_NUMBER[$p]}00"
done
on cli nft -f - <<-EOF
table inet watch {
	counter clear { }
	chain out {
		type filter hook postrouting priority 0;
		oifname { a0, b0 } ip daddr { 198.51.100.1, 10.8.0.1 } counter name clear
	}
}
EOF
peer alice 2
server_config
sed -i -e 's|^push:.*|push: { routes: [ 10.8.0.0/24, "fd00:8::/64", 198.51.100.0/24 ] }|' \
	-e 's|"fd00:8::2" \]|"fd00:8::2", 10.60.0.0/24 ]|' "$TMP/server.yaml"
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server

whole()
{
	on cli ping -nqc1 -W1 198.51.100.1 && on cli ping -nqc1 -W1 fd00:8::1 &&
		on srv ping -nqc1 -W1 -I 10.8.0.1 10.60.0.1
}
rules() { ip -n "$1" rule | grep -c 'proto 74' || :; }
rules_are() { [ "$(rules "$1")" -eq "$2" ]; }
mtu_is() { [ "$(ip -n "$1" -o link show jump0 | grep -o 'mtu [0-9]*')" = "mtu $2" ]; }
trouble() { told "$1" daemon.tunnel_trouble; }
goes_inside() { on cli ip route get 198.51.100.1 | grep -q 'dev jump0'; } # before that nothing says that it should
says_v6() { trouble "$1" | grep -q 'net.ipv6.conf.jump0.disable_ipv6'; }
says_nothing() { ! trouble "$1"; }
forget_clear() { on cli nft reset counters >/dev/null; }
none_in_clear() { [ "$(on cli nft list counter inet watch clear | grep -o 'packets [0-9]*')" = 'packets 0' ]; }

start()
{
	client_config alice a0 b0
	spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
	expect 10000 "alice has a session" client_is alice state ATTACHED
	expect 5000 "her routes are there" goes_inside
	expect 5000 "all is there" whole
}

start
spawn probe cli "$TOOLS/prober" ping 198.51.100.1 --count 1000000 --interval-us 20000 --ready-file "$TMP/probe.ready"
expect 3000 "probes come back" test -e "$TMP/probe.ready"
for ns in cli srv; do
	ip -n $ns route flush dev jump0
	ip -n $ns -6 route flush dev jump0
	expect 2000 "$ns: routes of the device are put back" whole
	none_in_clear || fail "$ns: in the clear while the device had no routes"
	ip -n $ns route flush table all proto 74
	ip -n $ns -6 route flush table all proto 74
	expect 2000 "$ns: all routes are put back" whole
	forget_clear # those that refuse were gone, too
	ip -n $ns addr flush dev jump0
	expect 2000 "$ns: addresses are put back" whole
	ip -n $ns link set jump0 down
	expect 2000 "$ns: a device that was set down is up" whole
	ip -n $ns link set jump0 down
	ip -n $ns link set jump0 up
	expect 2000 "$ns: down and up" whole
	none_in_clear || fail "$ns: in the clear while the device was down"
	ip -n $ns link set jump0 mtu 1000
	expect 2000 "$ns: the MTU is put back" mtu_is $ns 1420
	expect 2000 "$ns: and IPv6 with it" whole
	had=$(rules $ns)
	[ "$had" -gt 0 ] || fail "$ns: no rules"
	for _ in $(seq "$had"); do say 'rule del protocol 74'; done | ip -n $ns -force -batch -
	expect 2000 "$ns: rules are put back" rules_are $ns "$had"
	expect 2000 "$ns: and do what they did" whole
	forget_clear
done
# Taken by another's route, metric and all.
ip -n cli route replace 198.51.100.0/24 via 10.1.1.1 dev a0
expect 2000 "a route that was replaced is put back" whole
ip -n cli route del 198.51.100.0/24 via 10.1.1.1 dev a0 || fail "the other's route was taken away"
stop probe || [ "$(result probe sent)" -gt 100 ] || fail "hardly anything was sent meanwhile"
forget_clear # what the other's route has let out

for ns in cli srv; do
	who=$([ $ns = cli ] && say alice || say server)
	on $ns sysctl -qw net.ipv6.conf.jump0.disable_ipv6=1
	expect 5000 "$who says that IPv6 is off" says_v6 $who
	on cli ping -nqc1 -W2 198.51.100.1 >/dev/null || fail "$who: no IPv4 without IPv6"
	on $ns sysctl -qw net.ipv6.conf.jump0.disable_ipv6=0
	expect 5000 "$who: IPv6 is back" whole
	expect 5000 "$who is content" says_nothing $who
done

# With IPv6 switched off on the whole machine both ends start.
stop alice || fail "alice ended with status $?"
stop server || fail "the server ended with status $?"
for ns in cli srv; do
	on $ns sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
done
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server starts without IPv6" answers server
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
expect 10000 "alice has a session without IPv6" client_is alice state ATTACHED
expect 5000 "her routes are there" goes_inside
expect 5000 "IPv4 goes on" on cli ping -nqc1 -W1 198.51.100.1
none_in_clear || fail "in the clear"
say "ok"
