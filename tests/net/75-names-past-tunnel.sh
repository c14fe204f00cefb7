#!/bin/bash
# Names of servers are asked of the machine's own name server, on the machine's own way to it, whatever the tunnel does with
# routes and /etc/resolv.conf: a server that moves is found again. And the first of two address families may be dead.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
[ -e /etc/hosts ] && [ -e /etc/nsswitch.conf ] && [ -e /etc/resolv.conf ] || skip "no files in /etc to lay our own over"
ns_setup
ip -n srv addr add 10.77.0.53/32 dev lo
ip -n cli route add default via 10.1.1.1 dev a0
peer alice 2

# The machine: its files, and a resolvconf that does as openresolv.
name_is() { say "$@" >"$TMP/zone"; }
say "nameserver 10.77.0.53" >"$TMP/own.conf"
cp "$TMP/own.conf" "$TMP/resolv.conf"
say "hosts: files dns" >"$TMP/nsswitch.conf"
: >"$TMP/hosts"
for file in resolv.conf nsswitch.conf hosts; do
	mount --bind "$TMP/$file" "/etc/$file"
done
mkdir "$TMP/upper" "$TMP/work"
cat >"$TMP/upper/resolvconf" <<EOF
#!/bin/sh
case \$1 in
-a) cat >$TMP/resolv.conf ;;
-d) cat $TMP/own.conf >$TMP/resolv.conf ;;
esac
EOF
chmod 755 "$TMP/upper/resolvconf"
mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$TMP/upper,workdir=$TMP/work" /usr/sbin ||
	skip "no overlay of /usr/sbin in a mount namespace"

name_is 192.0.2.1
spawn namer srv "$TOOLS/namer" --listen 10.77.0.53:53 --zone "$TMP/zone" --log "$TMP/questions" --ready-file "$TMP/namer.ready"
wait_until 3000 test -e "$TMP/namer.ready" || fail "no name server"

remote_is() { client_is alice state ATTACHED && [ "$(field alice "paths[use=active].remote")" = "$1" ]; }
names_are_the_tunnels() { grep -qx 'nameserver 10.8.0.1' /etc/resolv.conf; }
routed_into_tunnel() { ip -n cli route get "$1" | grep -q 'dev jump0'; }
asked_from_outside() { ! grep -qE ' (10\.8\.|\[fd00:8:)' "$TMP/questions"; }
# move OLD NEW: to where the name will lead.
move()
{
	name_is "$2"
	ip -n srv addr replace "$2/32" dev lo
	ip -n srv addr del "$1/32" dev lo
	expect 20000 "the client is at $2, where the name leads" remote_is "$2:4433"
	asked_from_outside || fail "asked through the tunnel: $(cat "$TMP/questions")"
}

ENDPOINT[alice]='udp://vpn.test:4433'
POLICY='volatility: { heartbeat_interval_ms: 100, heartbeat_idle_ms: 1000, max_consecutive_drops: 2, volatile_to_degraded_ms: 1000 }'
PUSH='{ routes: [ 0.0.0.0/0 ], dns: [ 10.8.0.1 ] }'
start_server
start_client alice cli a0
expect 3000 "the tunnel's name server is in use" names_are_the_tunnels
expect 3000 "all goes into the tunnel" routed_into_tunnel 10.77.0.53
move 192.0.2.1 192.0.2.9
expect 3000 "the tunnel's name server is still in use" names_are_the_tunnels

# A split route that leads the machine's own name server into the tunnel.
PUSH='{ routes: [ 10.77.0.0/16 ] }'
server_config
ask server reload >/dev/null || fail "the reload was refused"
expect 10000 "the name server is behind a route of the tunnel" routed_into_tunnel 10.77.0.53
expect 5000 "the machine's own name server is back" grep -qx 'nameserver 10.77.0.53' /etc/resolv.conf
move 192.0.2.9 192.0.2.1
stop alice

# More dead IPv6 addresses than a list holds, before the one that works.
name_is 2001:db8::d1 2001:db8::d2 2001:db8::d3 2001:db8::d4 2001:db8::d5 2001:db8::d6 2001:db8::d7 2001:db8::d8 2001:db8::d9 192.0.2.1
start_client alice cli a0
remote_is 192.0.2.1:4433 || fail "the client is at $(field alice "paths[use=active].remote")"
stop alice

# Nobody answers: status says who was asked what.
stop namer
launch_client alice cli a0
unresolved() { [[ "$(told alice daemon.names)" == "vpn.test: no name server can be reached (name servers: 10.77.0.53); trying again in 5 s" ]]; }
expect 10000 "status tells of the name" unresolved
grep -q 'cannot resolve vpn.test: .*10.77.0.53' "$TMP/alice.log" || fail "the log does not tell of the name"
say "ok"
