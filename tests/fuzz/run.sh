#!/bin/sh
# Fuzz targets. usage: run.sh DIRECTORY          their kept inputs, once: what `make check` does
#                      run.sh -s SECONDS DIRECTORY [TARGET...]    fuzzed, one after the other
# What a run finds new stays below DIRECTORY/corpus, a crash below DIRECTORY/crash; exit 1 then.
set -u

here=$(cd "$(dirname "$0")" && pwd)
seconds=0
while getopts s: option; do
	case $option in
	s) seconds=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
programs=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- audit config ctl frame inner life metrics netlink offload runs udp world
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

verdict() { # STATUS TEXT
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
		printf '  ok    %s\n' "$2"
	else
		failed=$((failed + 1))
		printf '  FAIL  %s\n' "$2"
		tail -n 40 "$log" | cut -c 1-300 | sed 's/^/    /'
	fi
}

kept() {
	timeout -k 5 120 "$programs/$1" "$here/corpus/$1"/* >"$log" 2>&1
	verdict $? "$1: $(find "$here/corpus/$1" -type f | wc -l) inputs"
}

last() { sed -n "s/.*$1 \([0-9/Kb]*\).*/\1/p" "$log" | tail -n 1; }

fuzz() {
	mkdir -p "$programs/corpus/$1" "$programs/crash"
	echo "  fuzz  $1 for $seconds s"
	"$programs/$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -len_control=10 \
		-print_final_stats=1 -artifact_prefix="$programs/crash/$1-" \
		"$programs/corpus/$1" "$here/corpus/$1" >"$log" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			! kill -0 $pid 2>/dev/null || sleep 1
		done
		grep -E '^#[0-9]' "$log" | tail -n 1 | cut -c 1-100
	done
	wait $pid
	verdict $? "$1: $(sed -n 's/.*number_of_executed_units: //p' "$log") executions, coverage $(last cov:) edges, corpus $(last corp:)"
}

for target; do
	if [ "$seconds" -gt 0 ]; then
		fuzz "$target"
	else
		kept "$target"
	fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
