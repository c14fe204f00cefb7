#!/bin/bash
# From the samples of tests/bench/bench.sh to its report.
#
#     report.sh WORK OUT            bench.json, report.md, bench.svg, jump.svg, flame.svg; the samples are kept beside them
#     report.sh --readme OUT TOP    the short table and the plots of a finished run into README.md

set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)

make_report() { awk -v kind="$1" -f "$here/report.awk" "$2/meta" "$2/data.about" "$2/data.flow" "$2/data"; }

if [ "$1" = --readme ]; then
	out=$2 top=$3
	make_report readme "$out/samples" >"$out/table.md"
	cp "$out/bench.svg" "$top/tests/bench/bench.svg"
	[ ! -s "$out/flame.svg" ] || cp "$out/flame.svg" "$top/tests/bench/flame.svg"
	awk -v table="$out/table.md" '
		/<!-- bench: begin/ { print; while ((getline line < table) > 0) print line; skip = 1 }
		/<!-- bench: end/ { skip = 0 }
		!skip { print }' "$top/README.md" >"$out/README.new"
	cat "$out/README.new" >"$top/README.md"
	exit
fi

work=$1 out=$2
mkdir -p "$out/samples"
cp "$work"/meta "$work"/data* "$out/samples/"
make_report json "$work" >"$out/bench.json"
make_report md "$work" >"$out/report.md"
make_report bars "$work" >"$out/bench.svg"
printf '\n![](bench.svg)\n' >>"$out/report.md"
if [ -s "$work/data.folded" ]; then
	awk -v title="Where the time of both daemons goes: one TCP stream up" -v note="Width: share of the samples of both processes. Commit $(sed -n 's/^commit\t//p' "$work/meta"); $(sed -n 's/^hardware\t//p' "$work/meta")." \
		-f "$here/flame.awk" "$work/data.folded" >"$out/flame.svg"
	printf '\n![](flame.svg)\n' >>"$out/report.md"
fi
if [ -s "$work/data.flow" ]; then
	make_report flow "$work" >"$out/jump.svg"
	printf '\n![](jump.svg)\n' >>"$out/report.md"
fi
if [ -s "$work/gaps.json" ]; then
	cp "$work/gaps.json" "$out/"
	{
		printf '\nGaps (tests/bench/gaps.sh; probes each ms, median / worst):\n\n| event | runs | longest gap, ms | lost |\n|---|---|---|---|\n'
		tr '}' '\n' <"$work/gaps.json" | sed -n 's/.*"event":"\([a-z]*\)","runs":\([0-9]*\),"gap_ms_median":\([^,]*\),"gap_ms_worst":\([^,]*\),"lost_median":\([^,]*\),"lost_worst":\([^,]*\),.*/| \1 | \2 | \3 \/ \4 | \5 \/ \6 |/p'
	} >>"$out/report.md"
fi
