#!/bin/bash
# The measurements of tests/bench/bench.sh, each phase in namespaces of its own. Every sample is a line
# "round subject measure value" in the file DATA; what it means is said in bench.sh.
#
#     DATA=FILE ROUNDS=N SECONDS_EACH=N TRIAL_MS=N SUBJECTS=... MEASURES=... measure.sh compare|workers N|jump|hellos|profile

# shellcheck source=../net/lib.sh
. "$(dirname "$0")/../net/lib.sh"
# shellcheck source=subjects.sh
. "$(dirname "$0")/subjects.sh"

BENCH_TOOLS=${BENCH_TOOLS:-$RIG_TOP/build/tests/bench}
TICKS=$(getconf CLK_TCK)

sample() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$DATA"; }
calc() { awk "BEGIN { printf \"%.6g\", ($1) }"; }
wants() { [[ " $MEASURES " == *" $1 "* ]]; }

# User and system time of these processes and all their threads so far, in ticks. Without CONFIG_IRQ_TIME_ACCOUNTING
# it holds the softirq work that ran on top of them; what ksoftirqd does is in neither.
cpu_ticks()
{
	local pid line user=0 system=0

	for pid; do
		read -r line <"/proc/$pid/stat" || fail "process $pid has ended"
		# shellcheck disable=SC2086 # the fields behind the name
		set -- ${line##*) }
		user=$((user + ${12})) system=$((system + ${13}))
	done
	say "$user $system"
}

# Of all processors: busy, and of that in interrupts, in ticks.
machine_ticks()
{
	local user nice system irq softirq

	read -r _ user nice system _ _ irq softirq _ </proc/stat
	say "$((user + nice + system + irq + softirq)) $((irq + softirq))"
}

# Resident memory of the larger end, in MB.
rss_of()
{
	local pid kb most=0

	for pid; do
		kb=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
		[ "$kb" -le "$most" ] || most=$kb
	done
	calc "$most / 1024"
}

# What this process may run on, one by one.
processors()
{
	local list part

	list=$(taskset -cp $$) && list=${list##*: }
	for part in ${list//,/ }; do
		seq "${part%-*}" "${part#*-}"
	done
}

# Each end, its daemon and its traffic generators, has half of the processors, as if it were a machine by itself. Left to
# the scheduler both daemons share one for seconds on end, or do not, and that decides more than anything they do.
place_ends()
{
	local all=()

	mapfile -t all < <(processors)
	[ ${#all[@]} -gt 1 ] || return 0
	PROCESSORS[cli]=$(IFS=, && say "${all[*]:0:${#all[@]}/2}")
	PROCESSORS[srv]=$(IFS=, && say "${all[*]:${#all[@]}/2}")
}

# As distributions have it, whatever this machine's default is.
PLAIN=(--plain --congestion cubic)
# shellcheck disable=SC2034 # read by lib.sh
SINK_OPTIONS=(--congestion cubic)

# --- TCP ---

# bulk_many SUBJECT STREAMS send|recv SECONDS [OPTION...]: bytes and Mbit/s, together.
bulk_many()
{
	local inner=${INNER[$1]} n=$2 way=$3 seconds=$4 i pids=() bytes=0 rate=0

	shift 4
	for ((i = 0; i < n; i++)); do
		on cli timeout -k 1 $((seconds + 20)) "$TOOLS/bulk" "$way" --to "$inner:5001" "${PLAIN[@]}" --seconds "$seconds" \
			"$@" >"$TMP/bulk-$i.out" 2>>"$TMP/bulk.log" &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		wait "${pids[i]}" || return 1
		bytes=$((bytes + $(result "bulk-$i" bytes)))
		rate=$(calc "$rate + $(result "bulk-$i" mbit_per_s)")
	done
	say "$bytes $rate"
}

measure_tcp() # ROUND SUBJECT STREAMS send|recv NAME
{
	local user user0 system system0 busy busy0 bytes rate daemons=${DAEMONS[$2]} gb

	# shellcheck disable=SC2086 # process ids
	read -r user0 system0 < <(cpu_ticks $daemons)
	read -r busy0 _ < <(machine_ticks)
	read -r bytes rate < <(bulk_many "$2" "$3" "$4" "$SECONDS_EACH") || {
		say "    $2 $5: no transfer"
		return
	}
	read -r busy _ < <(machine_ticks)
	# shellcheck disable=SC2086
	read -r user system < <(cpu_ticks $daemons)
	gb="($bytes / 1e9)"
	sample "$1" "$2" "$5" "$(calc "$rate / 1000")"
	sample "$1" "$2" "$5_machine" "$(calc "($busy - $busy0) / $TICKS / $gb")"
	[ -z "$daemons" ] && return
	sample "$1" "$2" "$5_cpu" "$(calc "($user + $system - $user0 - $system0) / $TICKS / $gb")"
	sample "$1" "$2" "$5_user" "$(calc "($user - $user0) / $TICKS / $gb")"
}

# --- packets ---

# try_rate SUBJECT SIZE RATE: loss in percent, packets a second that arrived, CPU us each, share of the rate that was sent.
try_rate()
{
	local user user0 system system0 daemons=${DAEMONS[$1]}

	# shellcheck disable=SC2086
	read -r user0 system0 < <(cpu_ticks $daemons)
	on cli timeout -k 1 30 "$TOOLS/flood" send --to "${INNER[$1]}:9" --size "$2" --rate "$3" --ms "$TRIAL_MS" \
		>"$TMP/flood.out" 2>>"$TMP/flood.log" || return 1
	# shellcheck disable=SC2086
	read -r user system < <(cpu_ticks $daemons)
	say "$(result flood loss_percent) $(result flood pps)" \
		"$(calc "($user + $system - $user0 - $system0) / $TICKS * 1e6 / ($(result flood received) + 1)")" \
		"$(calc "$(result flood sent) / ($3 * $(result flood seconds))")"
}

# Twice, if need be: one stall of the machine must not decide.
carries_rate()
{
	local loss pps cpu kept

	for _ in 1 2; do
		read -r loss pps cpu kept < <(try_rate "$@") || continue
		[ "$(calc "$loss < 0.5 && $kept > 0.95")" = 1 ] || continue
		BEST="$pps $cpu $loss"
		return 0
	done
	return 1
}

declare -A GUESS=()

# The highest rate with less than 0.5 % lost: up by half from a guess until it fails (or down until it does not), then
# halving the interval until it is 5 % wide.
measure_packets() # ROUND SUBJECT SIZE NAME
{
	local key=$2-$3 rate low=0 high=0 pps cpu loss

	rate=${GUESS[$key]:-40000}
	BEST=
	while [ "$low" -eq 0 ] || [ "$high" -eq 0 ] || [ $((high * 100)) -gt $((low * 105)) ]; do
		if carries_rate "$2" "$3" "$rate"; then
			low=$rate
		else
			high=$rate
		fi
		if [ "$high" -eq 0 ]; then
			rate=$((rate * 3 / 2))
		elif [ "$low" -eq 0 ]; then
			rate=$((rate * 2 / 3))
		else
			rate=$(((low + high) / 2))
		fi
		[ "$rate" -ge 500 ] || break
	done
	[ -n "$BEST" ] || {
		say "    $2 $4: no rate found"
		return
	}
	GUESS[$key]=$((low * 9 / 10))
	read -r pps cpu loss <<<"$BEST"
	sample "$1" "$2" "$4" "$(calc "$pps / 1000")"
	[ -z "${DAEMONS[$2]}" ] || sample "$1" "$2" "$4_cpu" "$cpu"
}

# --- round trips ---

ping_through() # SUBJECT COUNT INTERVAL-US NAME
{
	on cli "$TOOLS/prober" ping "${INNER[$1]}" --count "$2" --interval-us "$3" >"$TMP/$4.out" 2>>"$TMP/ping.log" || :
	[ -s "$TMP/$4.out" ]
}

measure_rtt() # ROUND SUBJECT
{
	ping_through "$2" 300 2000 idle || return 0
	sample "$1" "$2" rtt_idle "$(calc "$(result idle rtt_us_median) / 1000")"
	sample "$1" "$2" rtt_idle_p99 "$(calc "$(result idle rtt_us_p99) / 1000")"
	# shellcheck disable=SC2086
	[ -z "${DAEMONS[$2]}" ] || sample "$1" "$2" rss_idle "$(rss_of ${DAEMONS[$2]})"
}

measure_rtt_load() # ROUND SUBJECT
{
	bulk_many "$2" 1 send 2 >/dev/null &
	local load=$!

	sleep 0.3 # until it has filled its queues
	ping_through "$2" 120 10000 load || :
	# shellcheck disable=SC2086
	[ -z "${DAEMONS[$2]}" ] || sample "$1" "$2" rss_load "$(rss_of ${DAEMONS[$2]})"
	wait "$load" || :
	[ -s "$TMP/load.out" ] || return 0
	sample "$1" "$2" rtt_load "$(calc "$(result load rtt_us_median) / 1000")"
	sample "$1" "$2" rtt_load_p99 "$(calc "$(result load rtt_us_p99) / 1000")"
	sample "$1" "$2" rtt_load_lost "$(result load lost)"
}

# --- phases ---

measure_one() # ROUND SUBJECT MEASURE
{
	case $3 in
	tcp1_up) measure_tcp "$1" "$2" 1 send "$3" ;;
	tcp1_down) measure_tcp "$1" "$2" 1 recv "$3" ;;
	tcp8_up) measure_tcp "$1" "$2" 8 send "$3" ;;
	tcp8_down) measure_tcp "$1" "$2" 8 recv "$3" ;;
	rtt) measure_rtt "$1" "$2" ;;
	rtt_load) measure_rtt_load "$1" "$2" ;;
	packets64) measure_packets "$1" "$2" 64 "$3" ;;
	packets1200) measure_packets "$1" "$2" 1200 "$3" ;;
	esac
}

pings() { on cli "$TOOLS/prober" ping "${INNER[$1]}" --count 1 --linger-ms 200; }

compare()
{
	local subject subjects=() measure round

	need_daemon
	place_ends
	ns_setup
	start_services
	spawn flood srv "$TOOLS/flood" serve --listen '[::]:9' --ready-file "$TMP/flood.ready"
	expect 3000 "the packet counter runs" test -e "$TMP/flood.ready"
	for subject in $SUBJECTS; do
		if ! "have_$subject" >/dev/null; then
			say "    $subject: not installed"
			sample 0 "$subject" absent 1
			continue
		fi
		"start_$subject"
		if ! wait_until 40000 pings "$subject"; then
			[ "$subject" != jumpvpnd ] || fail "jumpvpnd carries no packets"
			say "    $subject: carries no packets, left out"
			continue
		fi
		subjects+=("$subject")
		printf '%s\t%s\n' "$subject" "${ABOUT[$subject]}" >>"$DATA.about"
	done
	ask server status >"$DATA.status" 2>/dev/null || :
	for measure in rtt tcp1_up tcp1_down tcp8_up tcp8_down rtt_load packets64 packets1200; do
		wants "$measure" || continue
		for ((round = 1; round <= ROUNDS; round++)); do
			say "    $measure, round $round of $ROUNDS; load average $(cut -d' ' -f1-3 /proc/loadavg)"
			for subject in "${subjects[@]}"; do
				measure_one "$round" "$subject" "$measure"
			done
		done
	done
}

# Two streams from the server, one to each client: bytes and Mbit/s, together.
two_clients()
{
	on cli2 "$TOOLS/bulk" recv --to 10.8.0.1:5001 "${PLAIN[@]}" --seconds "$SECONDS_EACH" >"$TMP/two.out" &
	on cli "$TOOLS/bulk" recv --to 10.8.0.1:5001 "${PLAIN[@]}" --seconds "$SECONDS_EACH" >"$TMP/one.out"
	wait $!
	say "$(($(result one bytes) + $(result two bytes)))" "$(calc "$(result one mbit_per_s) + $(result two mbit_per_s)")"
}

# The threads of a process that have worked most.
busiest_threads() # PID N
{
	local file line

	for file in /proc/"$1"/task/*/stat; do
		read -r line <"$file"
		# shellcheck disable=SC2086 # the fields behind the name
		set -- "$1" "$2" ${line##*) }
		say "$((${14} + ${15})) ${line%% *}"
	done | sort -rn | head -n "$2" | cut -d' ' -f2
}

CPU_CGROUP=/sys/fs/cgroup/cpu
CAP_PERCENT=15

# Each worker of the server may use so much of one processor: then there is enough left for a second one wherever
# one is busy, and what two do together is not decided by what else runs on this machine's processors.
cap_workers() # N
{
	local thread group

	for thread in $(busiest_threads "${RIG_PID[server]}" "$1"); do
		group=$CPU_CGROUP/jumpvpn-bench-$$-$thread
		mkdir "$group" || return 1
		CAPPED+=("$group")
		say 10000 >"$group/cpu.cfs_period_us" && say $((100 * CAP_PERCENT)) >"$group/cpu.cfs_quota_us" &&
			say "$thread" >"$group/tasks" || return 1
	done
}

uncap_workers()
{
	local group thread

	for group in "${CAPPED[@]}"; do
		for thread in $(cat "$group/tasks"); do
			say "$thread" >"$CPU_CGROUP/tasks"
		done
		rmdir "$group"
	done
}

# Two clients with one stream each from the server, which has as many workers as told.
workers()
{
	local n=$1 round user user0 system system0 bytes rate

	need_daemon
	SERVER_WORKERS=$n
	ns_setup
	ns_add cli2
	path_add c 3 cli2
	start_services
	peer alice 2
	peer bob 3
	start_server
	start_client alice cli a0 # one path each: nobody is to look for a better one
	start_client bob cli2 c0
	for ((round = 1; round <= ROUNDS; round++)); do
		read -r user0 system0 < <(cpu_ticks "${RIG_PID[server]}")
		read -r bytes rate < <(two_clients)
		read -r user system < <(cpu_ticks "${RIG_PID[server]}")
		sample "$round" jumpvpnd "workers$n" "$(calc "$rate / 1000")"
		sample "$round" jumpvpnd "workers${n}_cpu" \
			"$(calc "($user + $system - $user0 - $system0) / $TICKS / ($bytes / 1e9)")"
	done
	CAPPED=()
	if [ -w $CPU_CGROUP/cpu.cfs_quota_us ] || [ -w $CPU_CGROUP/cpu.shares ]; then
		if cap_workers "$n"; then
			two_clients >/dev/null # TCP finds its new rate
			for ((round = 1; round <= ROUNDS; round++)); do
				read -r bytes rate < <(two_clients)
				sample "$round" jumpvpnd "workers${n}_capped" "$(calc "$rate / 1000")"
			done
		fi
		uncap_workers
	fi
}

# One stream as fast as it goes, and an order to jump in the middle of it: bytes of each 10 ms. Whether the session has
# moved is asked when the stream is over, for asking costs more than moving.
jump_in_flow()
{
	local round pid at to id

	need_daemon
	place_ends
	ns_setup
	start_services
	peer alice 2
	start_server
	start_client alice cli a0 b0
	id=$(field alice id)
	for ((round = 1; round <= ROUNDS; round++)); do
		to=$([ $((round % 2)) = 1 ] && say b || say a)
		on cli "$TOOLS/bulk" recv --to 10.8.0.1:5001 "${PLAIN[@]}" --seconds 3 --stamp-ms 10 >"$TMP/flow.out" &
		pid=$!
		sleep 1.5 # the stream has reached its rate
		at=$(now_ms)
		order_jump alice "$id" "$to"
		wait "$pid"
		carries_on alice "$to" || fail "the session has not jumped to path $to"
		sample "$round" jumpvpnd jump_at $((at - $(result flow start_ms)))
		"$TOOLS/jget" "$TMP/flow.out" stamps | tr -d '[]' | tr ',' '\n' | sed "s/^/$round\t/" >>"$DATA.flow"
	done
}

# CPU time of each thread of the server, in ns: "THREAD NS" a line.
thread_times()
{
	local file ns

	for file in /proc/"${RIG_PID[server]}"/task/*/schedstat; do
		read -r ns _ <"$file" && file=${file%/*} && say "${file##*/} $ns"
	done
}

# What the thread that worked most has worked since these times were taken, in us.
busiest_since() { thread_times | awk 'NR == FNR { was[$1] = $2; next } { d = $2 - was[$1]; if (d > most) most = d } END { print most / 1000 }' "$1" -; }

HELLO_RATE=60000
HELLO_NET=198.18.0.0/15

# One kind of HELLO, or none, beside 2,000 probes a second and their echoes.
hello_flood() # ROUND KIND
{
	local n m=hello_$2 us before after data_before idle knocks=0

	probe_start data cli --interval-us 500
	thread_times >"$TMP/times"
	before=$(($(counter server hello_received)))
	after=$(counter server drop_hello_full) data_before=$(counter server drop_receive_full)
	if [ "$2" = none ]; then
		sleep "$SECONDS_EACH"
	else
		on cli2 "$TOOLS/knock" --to 192.0.2.1:4433 --from $HELLO_NET --kind "$2" --key "$TMP/server.pub" \
			--file "$TMP/recorded" --rate $HELLO_RATE --ms $((1000 * SECONDS_EACH)) >"$TMP/knock.out" || fail "knock failed"
		knocks=$(result knock sent)
	fi
	us=$(busiest_since "$TMP/times")
	probe_stop data
	[ "$2" != none ] || HELLO_IDLE_US=$us
	idle=${HELLO_IDLE_US:-0}
	n=$(($(counter server hello_received) - before))
	sample "$1" jumpvpnd "${m}_sent" "$(calc "$knocks / $SECONDS_EACH / 1000")"
	sample "$1" jumpvpnd "${m}_judged" "$(calc "$n / $SECONDS_EACH / 1000")"
	sample "$1" jumpvpnd "${m}_full" $(($(counter server drop_hello_full) - after))
	sample "$1" jumpvpnd "${m}_data" "$(result data sent)"
	sample "$1" jumpvpnd "${m}_lost" "$(result data lost)"
	sample "$1" jumpvpnd "${m}_data_full" $(($(counter server drop_receive_full) - data_before))
	sample "$1" jumpvpnd "${m}_share" "$(calc "$us / $SECONDS_EACH / 1e4")"
	[ "$n" -eq 0 ] || sample "$1" jumpvpnd "${m}_us" "$(calc "($us - $idle) / $n")"
}

# Who floods a server of one worker with HELLOs, and what becomes of a session's DATA.
hellos()
{
	local round kind

	need_daemon
	place_ends
	PROCESSORS[cli2]=${PROCESSORS[cli]-}
	ns_setup
	ns_add cli2
	path_add c 3 cli2
	on cli2 ip route add local $HELLO_NET dev lo
	ip -n srv route add $HELLO_NET via 10.1.3.2
	start_services
	peer alice 2
	start_server
	spawn record cli "$TOOLS/capture" --interface a0 --to-port 4433 --out "$TMP/recorded" --ready-file "$TMP/record.ready"
	expect 3000 "the capture runs" test -e "$TMP/record.ready"
	start_client alice cli a0
	stop record || fail "the capture failed"
	for ((round = 1; round <= ROUNDS; round++)); do
		for kind in none mac1 mac2 new replay; do
			say "    $kind, round $round of $ROUNDS; load average $(cut -d' ' -f1-3 /proc/loadavg)"
			hello_flood "$round" $kind
		done
	done
}

# Where the time of both daemons goes under one stream up, by perf(1).
profile()
{
	local pid

	need_daemon
	place_ends
	ns_setup
	start_services
	peer alice 2
	start_server
	start_client alice cli a0
	on cli "$TOOLS/bulk" send --to 10.8.0.1:5001 "${PLAIN[@]}" --seconds 4 >"$TMP/profile.out" &
	pid=$!
	sleep 1 # the stream has reached its rate
	perf record -q -a -g -F 1999 -o "$TMP/perf.data" -- sleep 2 2>"$TMP/perf.log" || fail "perf: $(tail -n 1 "$TMP/perf.log")"
	wait "$pid"
	perf script -i "$TMP/perf.data" --comm "$(basename "$JUMPVPND")" -F comm,ip,sym,dso 2>/dev/null |
		awk -f "$(dirname "$0")/fold.awk" | sort >"$DATA.folded"
	awk -f "$(dirname "$0")/shares.awk" "$DATA.folded" | sed 's/^/1\tjumpvpnd\t/' >>"$DATA"
	sample 1 jumpvpnd profile_rate "$(calc "$(result profile mbit_per_s) / 1000")"
}

case ${1-} in
compare) compare ;;
workers) workers "$2" ;;
jump) jump_in_flow ;;
hellos) hellos ;;
profile) profile ;;
*) fail "usage: measure.sh compare|workers N|jump|hellos|profile" ;;
esac
