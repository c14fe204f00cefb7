#!/bin/bash
# What the impaired link of the network tests adds by itself: TCP at 100, 200 and 400 Mbit/s over 1 ms each way, and how
# late its frames went out.

# shellcheck source=../net/lib.sh
. "$(dirname "$0")/../net/lib.sh"

ns_server
ns_add cli
IMPAIR=([a]="delay 1ms" [b]="delay 1ms" [c]="delay 1ms")
start_services
printf '%8s %10s %8s   %s\n' Mbit/s carried lost 'late, us: median p99 p999 worst; without realtime priority: other work shows here'
n=0
for path in a b c; do
	n=$((n + 1))
	path_add "$path" $n cli
	rate=$((50 << n))
	on cli "$TOOLS/bulk" send --to "10.1.$n.1:5001" --seconds "${SECONDS_EACH:-5}" --mbit "$rate" >"$TMP/run.out" || fail "no transfer"
	path_stats "$path" >"$TMP/stats.out"
	printf '%8d %10s %8d   %s\n' "$rate" "$(result run mbit_per_s)" \
		$(($(result stats up.lost) + $(result stats up.overflow) + $(result stats down.lost) + $(result stats down.overflow))) \
		"$(for f in median p99 p999 worst; do printf '%s ' "$(result stats up.late_us_$f)"; done)realtime: $(result stats realtime)"
done
