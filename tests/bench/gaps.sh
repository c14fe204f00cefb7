#!/bin/bash
# How long nothing comes through when a path breaks, and what is lost: probes each millisecond inside the tunnel while
# the session is ordered to jump, loses its link, its path goes silently dead, or its NAT mapping changes. Each event is
# repeated in one session; the table shows median and worst. Then one TCP stream each way, as fast as it goes.
#
#     tests/bench/gaps.sh [-n REPETITIONS] [-o FILE.json] [EVENT...]
#
# A run whose prober itself was held up longer than it measured is still counted: see the last column.

usage()
{
	echo "usage: $0 [-n REPETITIONS] [-o FILE.json] [jump|link|blackhole|rebind|tcp ...]" >&2
	exit 2
}

# One event, repeated: a line "gap_ms lost stall_ms" for each.
measure() # EVENT REPETITIONS
{
	local event=$1 n=$2 i before

	need_daemon
	if [ "$event" = rebind ]; then ns_setup_nat; else ns_setup; fi
	start_services
	peer alice 2
	start_server
	start_client alice cli a0 b0
	if [ "$event" = tcp ]; then
		for i in send recv; do
			on cli "$TOOLS/bulk" "$i" --to 10.8.0.1:5001 --seconds 5 >"$TMP/$i.out"
			say "$i $(result "$i" mbit_per_s)"
		done
		return
	fi
	for ((i = 0; i < n; i++)); do
		before=$(peer_field alice active.remote)
		probe_start probe cli
		case $event in
		jump) jump alice b ;;
		link) link_down a ;;
		blackhole) path_blackhole a both ;;
		rebind) nat_rebind a ;;
		esac
		if [ "$event" = rebind ]; then
			expect 30000 "the server sends to the new address" remote_is_not "$before"
		else
			expect 30000 "the session is on path b" carries_on alice b
		fi
		sleep 0.3 # so that the gap has an end
		probe_stop probe
		say "$(result probe longest_gap_ms) $(result probe lost) $(result probe sender_stall_ms)"
		[ "$event" = rebind ] && continue
		path_heal a
		expect 10000 "path a is warm again" path_is_warm alice a
		jump alice a
	done
}

remote_is_not() { local r && r=$(peer_field alice active.remote) && [ "$r" != "$1" ]; }

if [ "${1-}" = --one ]; then
	# shellcheck source=../net/lib.sh
	. "$(dirname "$0")/../net/lib.sh"
	measure "$2" "$3"
	exit
fi

set -eu
export LC_ALL=C
repetitions=10 json=
while getopts n:o: option; do
	case $option in
	n) repetitions=$OPTARG ;;
	o) json=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- jump link blackhole rebind tcp

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

column() # FILE NUMBER: "median worst" of that column
{
	cut -d' ' -f"$2" "$1" | sort -n | awk '{ v[NR] = $1 }
		END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; print m, v[NR] }'
}

title()
{
	case $1 in
	jump) echo 'jump by order' ;;
	link) echo 'link down' ;;
	blackhole) echo 'silent death' ;;
	rebind) echo 'NAT rebinding' ;;
	esac
}

printf '%-16s %6s   %10s %10s   %8s %8s   %10s\n' event runs 'gap median' 'worst, ms' 'lost med' worst 'stall, ms'
for event; do
	"$0" --one "$event" "$repetitions" >"$work/$event" || {
		status=$?
		tail -n 3 "$work/$event"
		exit "$status"
	}
	sed -i '/audit logs:/d' "$work/$event" # what the rig says last
	[ "$event" != tcp ] || continue
	read -r gap worst < <(column "$work/$event" 1)
	read -r lost lost_worst < <(column "$work/$event" 2)
	read -r _ stall < <(column "$work/$event" 3)
	printf '%-16s %6d   %10s %10s   %8s %8s   %10s\n' "$(title "$event")" "$(wc -l <"$work/$event")" \
		"$gap" "$worst" "$lost" "$lost_worst" "$stall"
	printf '{"event":"%s","runs":%d,' "$event" "$(wc -l <"$work/$event")" >>"$work/json"
	printf '"gap_ms_median":%s,"gap_ms_worst":%s,"lost_median":%s,"lost_worst":%s,"stall_ms_worst":%s}\n' \
		"$gap" "$worst" "$lost" "$lost_worst" "$stall" >>"$work/json"
done
if [ -e "$work/tcp" ]; then
	echo
	while read -r way rate; do
		printf 'TCP, one stream, %s: %s Mbit/s\n' "$way" "$rate"
		printf '{"event":"tcp_%s","mbit_per_s":%s}\n' "$way" "$rate" >>"$work/json"
	done <"$work/tcp"
fi
if [ -n "$json" ]; then
	{ printf '[' && paste -sd, "$work/json" && printf ']\n'; } >"$json"
fi
