#!/bin/bash
# Kinds of uplinks, with both address families, a full tunnel and a split one: where the kernel leads to the server, the
# client gets there, by the same way.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
declare -A NUMBER=([a]=1 [b]=2)
ns_server
ns_add cli
for p in a b; do
	wire "$p" cli "${p}0" srv "s$p"
	n=${NUMBER[$p]}
	ip -n srv link set "s$p" up
	ip -n srv addr add "10.1.$n.1/24" dev "s$p"
	ip -n srv addr add "fd01:$n::1/64" dev "s$p" nodad
done
ip -n srv addr add fe80::1/64 dev sa nodad
ip -n srv addr add 169.254.7.1/16 dev sa
peer alice 2
start_server

fresh() # an uplink a0, a second one b0, each with addresses and no route
{
	local p n pref

	for p in a b; do
		n=${NUMBER[$p]}
		ip -n cli link set "${p}0" down
		ip -n cli addr flush dev "${p}0"
		ip -n cli link set "${p}0" addrgenmode none up
		ip -n cli addr add "10.1.$n.2/24" dev "${p}0"
		ip -n cli addr add "fd01:$n::2/64" dev "${p}0" nodad
	done
	ip -n cli addr flush dev lo scope global
	ip -n cli route flush default
	ip -n cli -6 route flush default
	for n in 201 202; do
		ip -n cli route flush table $n 2>/dev/null || :
		ip -n cli -6 route flush table $n 2>/dev/null || :
	done
	for pref in 90 91 40000; do
		ip -n cli rule del pref $pref 2>/dev/null || :
		ip -n cli -6 rule del pref $pref 2>/dev/null || :
	done
}

inside() { on cli ping -nqc1 -W1 10.8.0.1; }

ENDPOINT4=udp://192.0.2.1:4433
ENDPOINT6='udp://[2001:db8::1]:4433'

# begin TEXT full|split ENDPOINT TRANSPORT...: the client runs and its tunnel carries. A transport is what stands between braces.
begin()
{
	local text=$1 kind=$2 t

	say "  $text, $kind"
	ENDPOINT[alice]=$3
	shift 3
	client_config alice
	[ "$kind" = split ] || sed -i 's|^tunnel:.*|tunnel: { name: jump0, routes: [ 0.0.0.0/0, "::/0" ] }|' "$TMP/alice.yaml"
	[ $# -gt 0 ] || sed -i '/^transports:/d' "$TMP/alice.yaml"
	for t; do
		say "  - { $t }" >>"$TMP/alice.yaml"
	done
	spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
	expect 5000 "$text, $kind: it carries" inside
}

from_is() { [[ $(peer_field alice active.remote) == "$1"* ]]; }

# end SOURCE: of the outer packets, as the server sees it.
end()
{
	expect 2000 "it comes from $1" from_is "$1"
	stop alice || fail "alice ended with status $?"
}

A='name: a, interface: a0'
B='name: b, interface: b0'
v4() { ip -n cli -4 "$@"; }
v6() { ip -n cli -6 "$@"; }

fresh
v4 route add default via 10.1.1.1
v6 route add default via fd01:1::1
begin "a gateway, by interface" full $ENDPOINT4 "$A" && end 10.1.1.2
begin "a gateway, by neither" split "$ENDPOINT6" && end '[fd01:1::2]'
v4 link property add dev a0 altname wan0
begin "an alternative name" split $ENDPOINT4 'name: a, interface: wan0' && end 10.1.1.2
v4 link property del dev a0 altname wan0

fresh
ip -n cli addr flush dev a0
v4 addr add 10.40.0.2/32 dev lo
v6 addr add fe80::2/64 dev a0 nodad
v4 route add default dev a0 src 10.40.0.2
ip -n srv route add 10.40.0.2/32 via inet6 fe80::2 dev sa 2>/dev/null || ip -n srv route add 10.40.0.2/32 dev sa
begin "an address on lo, by interface" split $ENDPOINT4 "$A" && end 10.40.0.2
begin "an address on lo, by address" full $ENDPOINT4 'name: a, address: 10.40.0.2' && end 10.40.0.2
v4 route del default
if v4 route add default via inet6 fe80::1 dev a0; then
	begin "a gateway of the other family" full $ENDPOINT4 && end 10.40.0.2
fi
ip -n cli addr flush dev b0
v6 addr add fd77::2/64 dev b0 nodad
v6 route add default via fe80::1 dev a0
ip -n srv -6 route add fd77::/64 via fe80::2 dev sa
begin "an uplink with fe80:: alone" full "$ENDPOINT6" "$A" && end '[fd77::2]'
begin "an endpoint of scope a0" split 'udp://[fe80::1%a0]:4433' "$A" "$B"
expect 2000 "b says that this is on another interface" eval '[[ $(field alice "paths[name=b].why") == *link-local* ]]'
end '[fe80::2'
v4 addr add 169.254.7.2/16 dev a0
begin "169.254.0.0/16" split udp://169.254.7.1:4433 "$A" && end 169.254.7.2

fresh
v4 route add default via 10.1.1.1 table 201
v6 route add default via fd01:1::1 table 201
v4 rule add pref 40000 lookup 201
v6 rule add pref 40000 lookup 201
begin "a table behind a rule" full $ENDPOINT4 && end 10.1.1.2
begin "a table behind a rule" split "$ENDPOINT6" && end '[fd01:1::2]'

fresh
v4 route add default via 10.1.1.1
v6 route add default via fd01:1::1
v4 route add default via 10.1.2.1 table 202
v6 route add default via fd01:2::1 table 202
v4 rule add pref 90 from 10.1.2.2 lookup 202
v6 rule add pref 90 from fd01:2::2 lookup 202
v4 rule add pref 91 fwmark 77 lookup 202
begin "rules by source" split $ENDPOINT4 "$A" "$B"
expect 5000 "b is warm by its address" path_is_warm alice b
end 10.1.1.2
begin "rules by source" full "$ENDPOINT6" "$B" && end '[fd01:2::2]'
begin "by address alone" full $ENDPOINT4 'name: b, address: 10.1.2.2' && end 10.1.2.2
begin "by mark" full $ENDPOINT4 'name: b, fwmark: 77' && end 10.1.2.2

fresh
v4 route add default nexthop via 10.1.1.1 nexthop via 10.1.2.1
v6 route add default nexthop via fd01:1::1 nexthop via fd01:2::1
begin "several gateways" full $ENDPOINT4 && end 10.1.
begin "several gateways" split "$ENDPOINT6" && end '[fd01:'

fresh
if v4 nexthop add id 5 via 10.1.1.1 dev a0 2>/dev/null; then
	v4 route add default nhid 5
	begin "a nexthop object" split $ENDPOINT4 "$A" && end 10.1.1.2
	v4 nexthop del id 5
fi
say "ok"
