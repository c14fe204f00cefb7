#!/bin/bash
# A full tunnel on a machine with strict reverse path filters (rp_filter 1, and firewalld's rule, for both families), with one
# uplink and with two: every path carries, nothing leaves in the clear, also while the daemon is dead, and at the end the
# kernel's routing is what it was.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ip -n srv addr add 198.51.100.1/32 dev lo
ip -n srv addr add 2001:db8:5::1/128 dev lo nodad
for p in a b; do
	n=${PATH_NUMBER[$p]}
	ip -n cli route del 192.0.2.1/32 dev "${p}0"
	ip -n cli route del 2001:db8::1/128 dev "${p}0"
	ip -n cli route add default via "10.1.$n.1" dev "${p}0" metric $((100 * n))
	ip -n cli route add default via "fd01:$n::1" dev "${p}0" metric $((100 * n))
	on cli sysctl -qw "net.ipv4.conf.${p}0.rp_filter=1"
done
on cli sysctl -qw net.ipv4.conf.all.rp_filter=1
on cli nft -f - <<-EOF
table inet strict {
	chain in {
		type filter hook prerouting priority -10;
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
		fib saddr . mark . iif oif missing drop
	}
	counter clear { }
	chain out {
		type filter hook postrouting priority 0;
		oifname { a0, b0 } ip daddr 198.51.100.1 counter name clear
		oifname { a0, b0 } ip6 daddr 2001:db8:5::1 counter name clear
	}
}
EOF

routing()
{
	ip -n cli rule && ip -n cli -6 rule
	ip -n cli route show table all | grep -v 'fe80\|^multicast\|ff00::' && ip -n cli -6 route show table all |
		sed 's/ expires [0-9]*sec//' | grep -v 'fe80\|^multicast\|ff00::'
	ip -n cli -o addr | grep -v fe80
}
path_is_down() { [ "$(path_use "$1" "$2")" = down ]; }
reaches() { on cli ping -nqc1 -W2 198.51.100.1 && on cli ping -nqc1 -W2 2001:db8:5::1; }
unreached() { ! on cli ping -nqc1 -W1 198.51.100.1 && ! on cli ping -nqc1 -W1 2001:db8:5::1; } 2>/dev/null
rules() { { ip -n cli rule; ip -n cli -6 rule; } | grep -c 'proto 74' || :; }
clear() { on cli nft list counter inet strict clear | grep -o 'packets [0-9]*'; }

reaches >/dev/null || fail "the rig"
on cli nft reset counters >/dev/null
peer alice 2
server_config
sed -i 's|^push:.*|push: { routes: [ 0.0.0.0/0, "::/0" ] }|' "$TMP/server.yaml"
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server
routing >"$TMP/before"

for endpoint in 'udp://192.0.2.1:4433' 'udp://[2001:db8::1]:4433'; do
	ENDPOINT[alice]=$endpoint
	start_client alice cli a0 # one uplink is of use, though there are two
	expect 5000 "$endpoint: through the tunnel" reaches
	stop alice || fail "alice ended with status $?"
	start_client alice cli a0 b0
	link_down b
	expect 5000 "$endpoint: a path is gone" path_is_down alice b
	path_configure b
	for n in 10.1.2.1 fd01:2::1; do
		ip -n cli route replace default via $n dev b0 metric 200
	done
	for n in 192.0.2.1/32 2001:db8::1/128; do
		ip -n cli route del $n dev b0
	done
	expect 10000 "$endpoint: and comes back" path_is_warm alice b
	expect 5000 "$endpoint: through the tunnel, by a" reaches
	jump alice b
	expect 5000 "$endpoint: through the tunnel, by b" reaches
	had=$(rules)
	stop alice KILL || :
	unreached >/dev/null || fail "what was in the tunnel goes past it"
	start_client alice cli a0 b0
	expect 5000 "$endpoint: after a sudden death" reaches
	[ "$(rules)" -eq "$had" ] || fail "$(rules) rules, and there were $had: $(ip -n cli rule)"
	[ "$(clear)" = 'packets 0' ] || fail "in the clear: $(clear)"
	stop alice || fail "alice ended with status $?"
	routing >"$TMP/after"
	diff "$TMP/before" "$TMP/after" || fail "not as it was"
done
say "ok"
