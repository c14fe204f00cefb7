#!/bin/bash
# Instructions of the daemon's own code for what happens per packet, per jump and per timer, counted by callgrind and held
# to the committed baseline, which has a column for each compiler: more than a tenth above it is a failure, more than a
# tenth below a reason to write it anew. A compiler without a column is held to half above the highest of the others: what
# it does otherwise passes, and what grows with the number of sessions does not.
#
#     tests/bench/micro.sh MICRO [--update]
#
# --update writes this compiler's column; those of others change by the same share, until they are measured again.
#
# Counted is what our objects and the C library execute. The crypto libraries are left out (mbedTLS does the work here,
# whatever else is there), and the C library is told to do without what not every CPU has (AVX2, ERMS) and what it
# chooses by the CPU's maker (SSSE3), so the counts are the same on any x86-64.

set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
micro=$1 update=${2-}
baseline=$here/micro.baseline
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

compiler=$("$micro" --compiler)
GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-SSSE3 \
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
	awk -v compiler="$compiler" '
		FNR == NR && $1 == "compiler" { for (i = 2; i <= NF; i++) column[++n] = $i; next }
		FNR == NR && !/^#/ { for (i = 2; i <= NF; i++) before[$1, column[i - 1]] = $i; next }
		FNR == NR { next }
		FNR == 1 {
			for (i = 1; i <= n && column[i] != compiler; i++);
			if (i > n) column[++n] = compiler
			print "# instructions each, by tests/bench/micro.sh"
			printf "%-14s", "compiler"
			for (i = 1; i <= n; i++) printf " %10s", column[i]
			print ""
		}
		{
			share = before[$1, compiler] > 0 ? $2 / before[$1, compiler] : 1
			printf "%-14s", $1
			for (i = 1; i <= n; i++) {
				was = before[$1, column[i]]
				printf " %10.1f", column[i] == compiler || !was ? $2 : was * share
			}
			print ""
		}' "$baseline" "$work/now" >"$work/baseline"
	cp "$work/baseline" "$baseline"
	cat "$baseline"
	exit
fi

awk -v compiler="$compiler" '
	FNR == NR && $1 == "compiler" { for (i = 2; i <= NF; i++) if ($i == compiler) mine = i; next }
	FNR == NR && !/^#/ {
		for (i = 2; i <= NF; i++) if (mine == i || (!mine && $i > before[$1])) before[$1] = $i
		next
	}
	FNR == NR { next }
	FNR == 1 && !mine { print "  " compiler " has no column in the baseline: held to the highest" }
	{
		seen[$1] = 1
		if (!($1 in before)) { verdict = "new"; bad++ }
		else if ($2 > before[$1] * (mine ? 1.1 : 1.5) + 2) { verdict = "FAIL"; bad++ }
		else if ($2 < before[$1] * 0.9 - 2) { verdict = "less"; good++ }
		else { verdict = "ok"; good++ }
		printf "  %-4s  %-14s %10.1f instructions, baseline %10.1f\n", verdict, $1, $2, before[$1]
	}
	END {
		for (name in before) if (!(name in seen)) { printf "  FAIL  %-14s is gone\n", name; bad++ }
		printf "%d passed, %d failed\n", good, bad
		exit bad > 0
	}' "$baseline" "$work/now"
