#!/bin/bash
# A client takes neither a route nor a name server on a link of its own from its server, says so, and delivers nothing
# that comes from there; a full tunnel leaves its own links outside.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
server_config
sed -i 's|^push: .*|push: { routes: [ 0.0.0.0/0, 10.1.1.0/24, 10.1.2.128/25, 192.0.2.1/32 ], dns: [ 10.1.1.1 ] }|' "$TMP/server.yaml"
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server
start_client alice cli a0 b0
[ "$(field alice refused_total)" -eq 4 ] || fail "$(field alice refused_total) refused: $(ask alice status)"
for item in 'route 10.1.1.0/24' 'route 10.1.2.128/25' 'route 192.0.2.1"' 'dns 10.1.1.1"'; do
	ask alice status | grep -qF "$item" || fail "status does not name $item"
done
[ "$(grep -c 'not taken from the server: ' "$TMP/alice.log")" -eq 4 ] || fail "the log names other than 4"
ip -n cli route show table all dev jump0 | grep -q '^default table' || fail "no full tunnel"
ip -n cli route show dev jump0 | grep -q '^10.1\.' && fail "a link's network goes into the tunnel"
on cli ip route get 10.1.1.1 | grep -q 'dev a0' || fail "what is on a link goes elsewhere"
on cli "$TOOLS/prober" client --to 10.8.0.1:7 --count 50 --linger-ms 500 >"$TMP/probes.out"
[ "$(result probes received)" -eq 50 ] || fail "$(result probes received) of 50 probes"

# The client's own link comes to lie where a route was: from then on that is not taken either.
ip -n cli addr add 198.51.100.7/24 dev b0
sed -i 's|10.1.2.128/25|10.1.2.128/25, 198.51.100.0/24|' "$TMP/server.yaml"
kill -HUP "${RIG_PID[server]}"
five() { [ "$(field alice refused_total)" -eq 5 ]; }
four() { [ "$(field alice refused_total)" -eq 4 ]; }
expect 10000 "the route to a network of b0 is not taken" five
ip -n cli addr del 198.51.100.7/24 dev b0
expect 10000 "it is, once the address is gone" four
ip -n cli route show dev jump0 | grep -q '^198.51.100.0/24 ' || fail "the route is not there"
say "ok"
