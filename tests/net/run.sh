#!/bin/bash
# Runs the network tests: all of them, or those whose names begin with an argument.
#
#     tests/net/run.sh [-v] [-j JOBS] [NAME...]
#
# One line each: ok, FAIL or skip, and the seconds it took; of a failed test what it said and the ends of its logs. They
# spend their time waiting and have namespaces of their own, so JOBS (1) of them run at a time; what has a line "# Alone:
# ..." that says why comes behind the others, one after the other.

set -u
cd "$(dirname "$0")" || exit 2

verbose='' jobs=1
while getopts vj: option; do
	case $option in
	v) verbose=1 ;;
	j) jobs=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_one() # NAME: all it says in one piece
{
	local name=$1 start=${EPOCHREALTIME/[.,]/} log=$work/$1.log status=0 seconds verdict

	timeout -k 10 "${TEST_TIMEOUT:-600}" "./$name.sh" >"$log" 2>&1 </dev/null || status=$?
	seconds=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
	seconds=$((seconds / 10)).$((seconds % 10))
	case $status in
	0) verdict=ok ;;
	77) verdict=skip ;;
	*) verdict=FAIL ;;
	esac
	{
		printf '  %-4s  %s (%s s)\n' "$verdict" "$name" "$seconds"
		[ "$status" -ne 124 ] || echo "    took longer than ${TEST_TIMEOUT:-600} s"
		case $verdict$verbose in
		FAIL* | ok1 | skip*) sed 's/^/    /' "$log" ;;
		esac
	} >"$work/$name.said"
	flock "$work" cat "$work/$name.said"
	echo "$verdict" >"$work/$name.verdict"
}

alone=()
for name in "${tests[@]}"; do
	if [ "$jobs" -gt 1 ] && grep -q '^# Alone: ' "$name.sh"; then
		alone+=("$name")
		continue
	fi
	[ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n
	run_one "$name" &
done
wait
for name in "${alone[@]}"; do
	run_one "$name"
done

number() { cat "$work"/*.verdict | grep -cx "$1"; } # VERDICT
failed=$((${#tests[@]} - $(number ok) - $(number skip)))
printf '%d passed, %d failed' "$(number ok)" "$failed"
[ "$(number skip)" -eq 0 ] || printf ', %d skipped' "$(number skip)"
echo
[ "$failed" -eq 0 ]
