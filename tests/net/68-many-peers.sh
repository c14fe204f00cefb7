#!/bin/bash
# Thousands of peers with networks behind them: a reload costs what reading the file costs, and little more, whether nothing has
# changed or one peer has; packets go on meanwhile, the routes follow, and all are gone at the end.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

PEERS_MANY=5000

need_daemon
ns_setup
start_services
peer alice 2
server_config
mkdir "$TMP/peers.d"
say "peers_dir: $TMP/peers.d" >>"$TMP/server.yaml"
awk -v n=$PEERS_MANY 'BEGIN { for (i = 0; i < n; i++) printf "- { name: p%d, public_key: \"%042dA=\", " \
	"addresses: [ 172.%d.%d.%d/28, \"fd02:%x::/64\" ] }\n", i, i + 1, 16 + int(i / 4096), int(i / 16) % 256, i % 16 * 16, i + 1 }' \
	>"$TMP/peers.d/many.yaml"

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # of the processor, 10 ms each
check_ticks()
{
	local TIMEFORMAT='%U %S'

	{ time "$JUMPVPND" check "$TMP/server.yaml" >/dev/null 2>&1; } 2>&1 | awk '{ print int(($1 + $2) * 100 + 1) }'
}
routes() { ip -n srv route show table all dev jump0 | grep -c "$1"; } # of both families
has_routes() { [ "$(routes "$1")" -eq "$2" ]; }

spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 30000 "the server answers" answers server
deepen_queue srv jump0
has_routes '^172\.\|^fd02:' $((2 * PEERS_MANY)) || fail "$(routes '^172\.\|^fd02:') routes instead of $((2 * PEERS_MANY))"
start_client alice cli a0
probe_start probe cli
reading=$(check_ticks)
for what in nothing one; do
	[ $what = nothing ] || sed -i '7s/addresses: \[ 172\.[^,]*/addresses: [ 10.77.0.0\/28/' "$TMP/peers.d/many.yaml"
	before=$(ticks "${RIG_PID[server]}")
	ask server reload >/dev/null || fail "no reload"
	answers server || fail "no answer behind the reload"
	spent=$(($(ticks "${RIG_PID[server]}") - before))
	say "    reload with $what changed: $spent ticks; check takes $reading"
	[ "$spent" -le $((4 * reading + 20)) ] || fail "a reload with $what changed costs $spent ticks, reading the file $reading"
done
expect 5000 "the new network has a route" has_routes '^10\.77\.0\.0/28' 1
expect 5000 "and the old one none" has_routes '^172\.\|^fd02:' $((2 * PEERS_MANY - 1))
probe_stop probe
expect_no_loss probe
stop server || fail "the server ended with status $?"
! ip -n srv route show table all | grep -q ' 172\.\|^172\.' || fail "routes are left behind"
say "ok"
