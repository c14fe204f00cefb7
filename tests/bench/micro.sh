#!/bin/bash
# Instructions of the daemon's own code for what happens per packet, per jump and per timer, counted by callgrind and held
# to the committed baseline: more than a tenth above it is a failure, more than a tenth below a reason to write it anew.
#
#     tests/bench/micro.sh MICRO [--update]
#
# Counted is what our objects and the C library execute. The crypto libraries are left out (mbedTLS does the work here,
# whatever else is there), and the C library is told to do without AVX2 and ERMS, so the counts are the same on any
# x86-64. They depend on the compiler, which the baseline therefore names: another one is compared with, and not judged.

set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
micro=$1 update=${2-}
baseline=$here/micro.baseline
compiler="$(${CC:-gcc} -dumpfullversion 2>/dev/null || echo unknown) $(uname -m)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip()
{
	echo "  skip  micro: $1"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
command -v valgrind >/dev/null || skip 'valgrind is not installed'
[ "$(uname -m)" = x86_64 ] || skip 'the baseline is for x86-64'

GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM \
	valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/out" "$micro" >"$work/log" 2>&1 ||
	{ cat "$work/log" >&2 && exit 1; }

# Self cost of each object: lines that begin with a number or a relative place, but those behind calls=, which repeat
# what stands at the callee.
for dump in "$work"/out.*; do
	awk '
		/^desc: Trigger: Client Request: / { name = $5; times = $6 }
		/^c?ob=/ { # a number, and its name where it comes up first
			id = text = $0
			sub(/^c?ob=/, "", id); sub(/\).*/, ")", id)
			sub(/^c?ob=\([0-9]+\) ?/, "", text)
			if (text != "") object[id] = text
			if (/^ob=/) ours = object[id] !~ /mbedcrypto|IPSec_MB|sodium/
			next
		}
		/^calls=/ { getline; next }
		/^[0-9+*-]/ && ours { sum += $2 }
		END { if (name != "") printf "%s %.1f\n", name, sum / times }' "$dump"
done | sort >"$work/now"

if [ "$update" = --update ]; then
	{ echo "# instructions each, by tests/bench/micro.sh; compiler: $compiler" && cat "$work/now"; } >"$baseline"
	cat "$baseline"
	exit
fi

judged=yes
grep -qxF "# instructions each, by tests/bench/micro.sh; compiler: $compiler" "$baseline" || judged=
awk -v judged="$judged" '
	FNR == NR { if (!/^#/) before[$1] = $2; next }
	{
		seen[$1] = 1
		if (!($1 in before)) { verdict = "new"; bad++ }
		else if ($2 > before[$1] * 1.1 + 2) { verdict = "FAIL"; bad++ }
		else if ($2 < before[$1] * 0.9 - 2) { verdict = "less"; good++ }
		else { verdict = "ok"; good++ }
		printf "  %-4s  %-14s %10.1f instructions, baseline %10.1f\n", verdict, $1, $2, before[$1]
	}
	END {
		for (name in before) if (!(name in seen)) { printf "  FAIL  %-14s is gone\n", name; bad++ }
		if (!judged) { print "  another compiler than the baseline: not judged"; good += bad; bad = 0 }
		printf "%d passed, %d failed\n", good, bad
		exit bad > 0
	}' "$baseline" "$work/now"
