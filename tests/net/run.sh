#!/bin/bash
# Runs the network tests one after the other: all of them, or those whose names begin with an argument.
#
#     tests/net/run.sh [-v] [NAME...]
#
# One line each: ok, FAIL or skip, and the seconds it took; of a failed test what it said and the ends of its logs.

set -u
cd "$(dirname "$0")" || exit 2

verbose=
[ "${1-}" != -v ] || { verbose=1 && shift; }

tests=()
for file in [0-9][0-9]-*.sh; do
	name=${file%.sh}
	[ $# -gt 0 ] || tests+=("$name")
	for wanted; do
		case $name in
		"${wanted%.sh}"*) tests+=("$name") && break ;;
		esac
	done
done
[ ${#tests[@]} -gt 0 ] || { echo "no test is named so: $*" >&2 && exit 2; }

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for name in "${tests[@]}"; do
	start=${EPOCHREALTIME/[.,]/}
	timeout -k 10 "${TEST_TIMEOUT:-600}" "./$name.sh" >"$log" 2>&1 </dev/null
	status=$?
	seconds=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
	seconds=$((seconds / 10)).$((seconds % 10))
	case $status in
	0) verdict=ok && passed=$((passed + 1)) ;;
	77) verdict=skip && skipped=$((skipped + 1)) ;;
	*) verdict=FAIL && failed=$((failed + 1)) ;;
	esac
	printf '  %-4s  %s (%s s)\n' "$verdict" "$name" "$seconds"
	[ "$status" -ne 124 ] || echo "    took longer than ${TEST_TIMEOUT:-600} s"
	case $verdict$verbose in
	FAIL* | ok1 | skip*) sed 's/^/    /' "$log" ;;
	esac
done

printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" -eq 0 ]
