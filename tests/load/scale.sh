#!/bin/bash
# What sessions cost as they grow in number, and what many of them suffer together: tests/load/run.sh for each number, to
# OUT/scale.md and OUT/scale.svg.
#
#     tests/load/scale.sh -o OUT [-w WORKERS] NUMBER...
#     tests/load/scale.sh -o OUT -t NUMBER...          the texts alone, from what an earlier run has left

set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
out='' workers=1 texts=''
while getopts o:w:t option; do
	case $option in
	o) out=$OPTARG ;;
	w) workers=$OPTARG ;;
	t) texts=yes ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$out" ] && [ $# -gt 0 ] || { echo 'usage: scale.sh -o OUT [-w WORKERS] [-t] NUMBER...' >&2 && exit 2; }

for n; do
	mkdir -p "$out/load-$n"
	[ -n "$texts" ] || "$here/run.sh" -n "$n" -w "$workers" -o "$out/load-$n"
done

field() { "$TOOLS/jget" "$out/load-$1/load.json" "$2" || :; } # NUMBER PATH
phase() { field "$1" "phases[phase=$2].$3"; }                # NUMBER PHASE FIELD

# "number measure value" a line; a curve's points have their time as a fourth word.
for n; do
	for m in 'start server_rss_kib' 'ramp server_rss_kib' 'ramp server_user_s' 'ramp server_system_s' 'ramp last_attached_s' 'idle server_user_s' \
		'idle server_system_s' 'idle seconds' 'storm server_user_s' 'storm server_system_s' 'storm last_attached_s' 'storm data_sent' \
		'storm data_back' 'after-storm data_sent' 'after-storm data_back' 'storm attached' 'rekey server_user_s' \
		'rekey server_system_s' 'rekey seconds' 'restart last_attached_s' 'status-took seconds' 'sessions-took seconds' 'scrape-took seconds'; do
		read -r name member <<<"$m"
		printf '%s\t%s.%s\t%s\n' "$n" "$name" "$member" "$(phase "$n" "$name" "$member")"
	done
	for name in storm restart; do
		step=$(phase "$n" "$name" curve.step_ms)
		for ((i = 0; i < $(phase "$n" "$name" 'curve.attached[]'); i++)); do
			printf '%s\t%s.curve\t%s\t%s\n' "$n" "$name" "$(phase "$n" "$name" "curve.attached[$i]")" $((i * step))
		done
	done
done >"$out/scale.data"
for m in processor processors kernel workers rtt_ms date; do
	printf '%s\t%s\n' "$m" "$(field "$1" $m)"
done >"$out/scale.meta"
printf 'os\t%s\n' "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)" >>"$out/scale.meta"
for kind in md svg; do
	awk -v kind=$kind -f "$here/scale.awk" "$out/scale.meta" "$out/scale.data" >"$out/scale.$kind"
done
