#!/bin/bash
# Runs scenario files with real daemons between namespaces, over impaired links: one line for each expectation, with its
# bound and what was measured.
#
#     tests/net/scenario.sh [-n RUNS] [-x SLACK] [-j JOBS] [-o FILE.json] [-q] [FILE...]
#
# All that stand in tests/scenario without a FILE. SLACK multiplies the bounds on time (1). With 0, as `make check` has it,
# times are not judged, since other work of the machine shows in them: what the plan expects before its next step is
# waited for, and order, states, reasons, counts and losses are judged. With RUNS a table of median and worst follows; FILE.json has one object a line
# for each run. -q: a line each, as the other tests, and details of what failed. They mostly wait: where times are not judged,
# JOBS (1) of them may run at a time.

# --- one run, in namespaces of its own -----------------------------------------------------------------------------

declare -A SECTION=()
declare -a ITEMS=() WARM=()
PROBES='' TCP='' TCP_MBIT=

boot_us() { printf '%s' $((${EPOCHREALTIME/./} + CLOCK)); }

policy_set() # SECTION.KEY VALUE: the last one of a key counts
{
	local section=${1%%.*} key=${1#*.} kept

	kept=$(tr ',' '\n' <<<"${SECTION[$section]-}" | grep -v "^ *$key:" | paste -sd, || :)
	SECTION[$section]="${kept:+$kept,} $key: $2"
}

policy_yaml()
{
	local section

	POLICY="session: {${SECTION[session]-}}"
	for section in "${!SECTION[@]}"; do
		[ "$section" = session ] || POLICY+=$'\n'"  $section: {${SECTION[$section]}}"
	done
}

set_up_path() # NAME WIRE v4|v6 nat|- WORDS
{
	local name=$1 wire=$2 endpoint=udp://192.0.2.1:4433

	[ "$3" = v4 ] || endpoint='udp://[2001:db8::1]:4433'
	if [ "$name" = "$wire" ]; then
		NUMBER=$((${NUMBER-0} + 1))
		IMPAIR[$name]=$5
		if [ "$4" = nat ]; then nat_path_add "$name" "$NUMBER" cli; else path_add "$name" "$NUMBER" cli; fi
	fi
	ITEMS+=("${wire}0=$name=$endpoint")
	[[ ${IMPAIR[$wire]} == *blackhole* ]] || WARM+=("$name")
}

read_plan()
{
	local what a b c d e

	while IFS=$'\t' read -r what a b c d e; do
		case $what in
		path) set_up_path "$a" "$b" "$c" "$d" "$e" ;;
		policy) policy_set "$a" "$b" ;;
		probes) PROBES="--interval-us $a --size $b" ;;
		tcp) TCP=$a TCP_MBIT=$b ;;
		end) END=$a ;;
		esac
	done <"$TMP/plan"
}

record_datagrams() # for those who replay and forge
{
	local path

	ns_add mal
	path_add h 9 mal
	for path in "${!IMPAIR[@]}"; do
		spawn "record-$path" cli "$TOOLS/capture" --interface "${path}0" --to-port 4433 --out "$TMP/recorded-$path" \
			--ready-file "$TMP/record-$path.ready"
		expect 3000 "the capture runs" test -e "$TMP/record-$path.ready"
	done
}

do_link()
{
	path_impair "$1" "$2" "$3"
	[ "$3" != clear ] || MENDED+=("$1")
}
do_carrier()
{
	if [ -z "${PATH_NAT[$1]-}" ]; then
		path_impair "$1" carrier "$2" >/dev/null
	elif [ "$2" = off ]; then
		carrier_down "$1"
	else
		ip -n "nat_$1" link set "${1}1" up
	fi
	[ "$2" = off ] || mend "$1"
}
mend()
{
	path_configure "$1"
	MENDED+=("$1")
}
do_interface() { if [ "$2" = down ]; then link_down "$1"; else mend "$1"; fi; }
do_addr()
{
	case $2 in
	back) mend "$1" ;;
	all) addr_remove "$1" ;;
	*) ip -n cli "-${2#v}" addr flush dev "${1}0" scope global ;;
	esac
}
do_nat() { "nat_$2" "$1"; }
do_jump() { "$JUMPVPND" jump -s "$TMP/alice.sock" "$(field alice id)" "$1" >/dev/null 2>&1 & }
do_terminate() { "$JUMPVPND" terminate -s "$TMP/${1/client/alice}.sock" "$(field alice id)" >/dev/null 2>&1 & }
do_reload()
{
	policy_set "$1" "$2"
	policy_yaml
	server_config
	kill -HUP "${RIG_PID[server]}"
}
do_kill() { stop "${1/client/alice}" KILL 2>/dev/null || :; }
do_start()
{
	if [ "$1" = server ]; then
		spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
	else
		spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
	fi
}
do_sleep() { kill -STOP "${RIG_PID[${1/client/alice}]}"; }
do_wake() { kill -CONT "${RIG_PID[${1/client/alice}]}"; }
do_flood() # replay|flip N: half from a stranger, half from the client's own place
{
	local gap=$((2000000 / $2)) place

	for place in mal:h0 "cli:${ITEMS[-1]%%=*}"; do
		spawn "flood-${place%:*}" "${place%:*}" bash -c "while :; do for f in $TMP/recorded-*; do
			$TOOLS/dgram $1 --to 192.0.2.1:4433 --interface ${place#*:} --file \$f --count 20 --gap-us $gap --ms 1
			done; done"
	done
}
do_calm()
{
	stop flood-mal 2>/dev/null || :
	stop flood-cli 2>/dev/null || :
}

sleep_until_us() # as the boot clock shows
{
	local left=$(($1 - $(boot_us)))

	[ "$left" -le 3000 ] || sleep "$(((left - 2000) / 1000000)).$(printf '%06d' $(((left - 2000) % 1000000)))"
	while [ "$(boot_us)" -lt "$1" ]; do :; done
}

# Has come what the plan expects before that time of it?
reached() # US
{
	"$TOOLS/scenario" reached "$FILE" --at "$1" --start "$START" --done "$TMP/done" --client "$TMP/alice.audit" \
		--server "$TMP/server.audit"
}

# The next step finds the sessions as it would on a free machine; what is late delays the rest of the plan as much.
catch_up() # US
{
	local wire item name late

	# Not for long: with all paths dead a connection inside waits as well, and this run is to end in a verdict (and be made
	# again where the machine was too busy). The verdict will say what has not come.
	PATIENCE=1 wait_until 10000 reached "$1" || return 0
	for wire in "${MENDED[@]}"; do
		for item in "${ITEMS[@]}"; do
			IFS='=' read -r _ name _ <<<"$item"
			[[ $item != "${wire}0="* ]] || wait_until 5000 path_is_warm alice "$name" || :
		done
	done
	MENDED=()
	late=$(($(boot_us) - START - DELAY - $1))
	[ "$late" -le 0 ] || DELAY=$((DELAY + late))
}

act_out() # what the plan says, each thing at its time
{
	local at op a b c when before=0

	DELAY=0 MENDED=()
	while IFS=$'\t' read -r _ at op a b c; do
		sleep_until_us $((START + DELAY + at))
		[ "$SLACK" != 0 ] || [ "$at" = "$before" ] || catch_up "$at"
		before=$at
		when=$(boot_us)
		"do_$op" "$a" "$b" "$c" >"$TMP/did" || fail "$op $a $b $c failed"
		[ ! -s "$TMP/did" ] || when=$(cat "$TMP/did")
		say "$at $when" >>"$TMP/done"
	done < <(grep '^at' "$TMP/plan" | sort -s -n -k2,2)
	sleep_until_us $((START + DELAY + END))
	[ "$SLACK" != 0 ] || catch_up "$END"
	OVER=$(boot_us)
}

set_up()
{
	local path

	ns_server
	ns_add cli
	read_plan
	policy_yaml
	start_services
	peer alice 2
	! grep -q $'\tflood\t' "$TMP/plan" || record_datagrams
	start_server
	launch_client alice cli "${ITEMS[@]}"
	expect 10000 "a session" client_is alice state ATTACHED
	for path in "${WARM[@]}"; do
		expect 10000 "path $path is warm" path_is_warm alice "$path"
	done
	case $TCP in up | both) tcp_start tcp-up cli send --mbit "$TCP_MBIT" ;; esac
	case $TCP in down | both) tcp_start tcp-down cli recv --mbit "$TCP_MBIT" ;; esac
	# shellcheck disable=SC2086 # words
	[ -z "$PROBES" ] || probe_start probe cli $PROBES
	expect 3000 "the server says ATTACHED" peer_is alice state ATTACHED
}

# What the sessions did, in ms since time 0.
story()
{
	local who

	[ -z "$PROBES" ] || say "      $(cat "$TMP/probe.out")"
	for who in alice server; do
		"$TOOLS/jget" --lines "$TMP/$who.audit" --print boot_us,event_type,from,to,reason_code,path_from,path_to |
			awk -v who="$who" -v start="$START" -F'\t' '$2 != "ReattachAttempt" && $2 != "ReattachResult" {
				printf "      %-6s %10.1f  %s %s\n", who, ($1 - start) / 1000, $2,
					$3 == "" ? $5 " " $6 ">" $7 : $3 ">" $4 " " $5 " on " $7 }' | head -n "${TAIL:-40}"
	done
}

# Was the client in doubt before anything had been done?
doubted_before_the_plan()
{
	"$TOOLS/jget" --lines "$TMP/alice.audit" --print boot_us,to |
		awk -F'\t' -v first="$(awk '{ print $2; exit }' "$TMP/done")" '
			$2 == "VOLATILE" && $1 < first { doubted = 1 }
			END { exit !doubted }'
}

# A run in which the machine itself could not go on says nothing about the sessions: it is made again, twice at most.
held_up()
{
	local ms=0 wire late

	[ -z "$PROBES" ] || ms=$(result probe sender_stall_ms)
	[ "${ms%.*}" -lt 10 ] || say "    held up by other work for $ms ms: once more"
	for wire in "${!IMPAIR[@]}"; do
		late=$(path_stats "$wire" | tr ',' '\n' | sed -n 's/.*"late_us_worst":\([0-9]*\).*/\1/p' | sort -n | tail -1)
		[ "${late:-0}" -lt 50000 ] || say "    held up by other work, link $wire for $late us: once more"
	done
	! doubted_before_the_plan || say "    held up by other work before anything had been done: once more"
}

tear_down()
{
	[ -z "$PROBES" ] || probe_stop probe
	case $TCP in up | both) tcp_stop tcp-up ;; esac
	case $TCP in down | both) tcp_stop tcp-down ;; esac
	[ -z "$PROBES" ] || [ "$(result probe duplicates)" -eq 0 ] || fail "$(result probe duplicates) probes twice"
	stop alice || fail "the client ended with status $?"
	stop server || fail "the server ended with status $?"
}

run_one() # FILE SLACK JSON
{
	FILE=$1 SLACK=$2
	need_daemon
	"$TOOLS/scenario" plan "$1" >"$TMP/plan" || fail "the scenario is wrong"
	grep -q $'^runners\tnet' "$TMP/plan" || skip "$1 is for the simulator"
	CLOCK=$("$TOOLS/scenario" clock)
	: >"$TMP/done"
	# Where times are not judged, an end that waits for a processor is not to be taken for dead, as STEADY has it.
	[ "$SLACK" != 0 ] || policy_set volatility.max_consecutive_drops 20
	set_up
	START=$(boot_us)
	act_out
	tear_down
	"$TOOLS/scenario" judge "$1" --start "$START" --end "$OVER" --done "$TMP/done" --client "$TMP/alice.audit" \
		--server "$TMP/server.audit" --probe "$TMP/probe.out" --slack "$2" --json "$3" && return
	story
	held_up
	TAIL=0
	exit 1
}

if [ "${1-}" = --one ]; then
	# shellcheck source=lib.sh
	. "$(dirname "$0")/lib.sh"
	STEADY=''
	run_one "$2" "$3" "$4"
	exit
fi

# --- all of them ---------------------------------------------------------------------------------------------------

set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
TOOLS=${TOOLS:-$here/../../build/tests/net}
runs=1 slack=1 json='' quiet='' jobs=1
while getopts n:x:j:o:q option; do
	case $option in
	n) runs=$OPTARG ;;
	x) slack=$OPTARG ;;
	j) jobs=$OPTARG ;;
	o) json=$OPTARG ;;
	q) quiet=yes ;;
	*) sed -n '5s/^# *//p' "$0" >&2 && exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ "$slack" = 0 ] || [ "$jobs" -eq 1 ] || { echo 'times are judged of one at a time: -j goes with -x 0' >&2 && exit 2; }
[ $# -gt 0 ] || set -- "$here"/../scenario/*.scn

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_file() # FILE NAME: all it says in one piece
{
	local start=${EPOCHREALTIME/./} status verdict log=$work/$2.log try

	for try in 1 2 3; do
		timeout -k 10 "${TEST_TIMEOUT:-600}" "$0" --one "$1" "$slack" "$work/$2.json" >"$log" 2>&1 </dev/null
		status=$?
		[ $status -eq 1 ] && [ "$try" -lt 3 ] && grep -h '^    held up' "$log" >>"$work/$2.said" || break
	done
	case $status in
	0) verdict=ok ;;
	77) verdict=skip ;;
	*) verdict=FAIL ;;
	esac
	echo "$verdict" >"$work/$2.verdict"
	printf '  %-4s  %s (%d s)\n' "$verdict" "${2%.*}" $(((${EPOCHREALTIME/./} - start) / 1000000)) >>"$work/$2.said"
	[ "$quiet$verdict" = yesok ] || cat "$log" >>"$work/$2.said"
	flock "$work" cat "$work/$2.said"
}

for file; do
	file=$(realpath "$file") name=$(basename "${file%.scn}")
	for ((i = 1; i <= runs; i++)); do
		[ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n
		run_file "$file" "$name.$i" &
	done
done
wait
results=$(find "$work" -name '*.json' | sort)
if [ -n "$results" ]; then
	# shellcheck disable=SC2086 # names without blanks
	[ "$runs" -eq 1 ] || "$TOOLS/scenario" table $results
	# shellcheck disable=SC2086
	[ -z "$json" ] || cat $results >"$json"
fi
number() { cat "$work"/*.verdict | grep -cx "$1"; } # VERDICT
printf '%d passed, %d failed' "$(number ok)" "$(number FAIL)"
[ "$(number skip)" -eq 0 ] || printf ', %d skipped' "$(number skip)"
echo
[ "$(number FAIL)" -eq 0 ]
