#!/bin/bash
# What many clients cost one server, and how it stands what they suffer together.
#
#     tests/load/run.sh [-n CLIENTS] [-r RATE] [-w WORKERS] [-b BUSY] [-d RTT_MS] [-s SEED] [-R] [-o DIR] [SCENARIO...]
#
# SCENARIO: ramp idle carry storm rekey reload ask restart overload; all but the last without one. -R: rude clients, which
# neither slow down nor wait by chance. -b: so many programs that do nothing but compute share the server's processor, so that
# it can be asked for more than it can do. LOAD_POLICY in the environment: lines of `policy:`. The server has the first
# processor, its clients the last. Text goes to stderr as it comes, one JSON document to stdout, or with -o to DIR/load.json.

set -u
CLIENTS=10000 RATE=4000 WORKERS=1 BUSY=0 RTT=10 SEED=1 RUDE='' OUT=''
while getopts n:r:w:b:d:s:Ro: option; do
	case $option in
	n) CLIENTS=$OPTARG ;;
	r) RATE=$OPTARG ;;
	w) WORKERS=$OPTARG ;;
	b) BUSY=$OPTARG ;;
	d) RTT=$OPTARG ;;
	s) SEED=$OPTARG ;;
	R) RUDE=--rude ;;
	o) OUT=$OPTARG ;;
	*) exit 2 ;;
	esac
done
SCENARIOS=("${@:OPTIND}")
[ ${#SCENARIOS[@]} -gt 0 ] || SCENARIOS=(ramp idle carry storm rekey reload ask restart)
CARRIERS=100 CARRY_RATE=20 CARRY_BYTES=200

export LOAD_CLIENTS=$CLIENTS LOAD_SEED=$SEED LOAD_ARGS="--rtt-ms $RTT $RUDE" SERVER_WORKERS=$WORKERS TAIL=0
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

note() { printf '  %s\n' "$*" >&2; }
wanted() { printf '%s\n' "${SCENARIOS[@]}" | grep -qx "$1"; }

RESULTS=()
done_with() # NAME
{
	RESULTS+=("$TMP/$1.json")
	tail -n 1 "$TMP/load.log" | sed 's/^.*\r//; s/^/  /' >&2
}

counters() # what the server counts of HELLOs, as one line of JSON
{
	local c

	printf '{"phase":"counters"'
	for c in hello_received hello_busy hello_rate_limited hello_peer_limited cookie_sent welcome_sent drop_hello_full drop_receive_full \
		audit_lost reset_sent drop_amplification; do
		printf ',"%s":%s' "$c" "$(counter server "$c")"
	done
	printf '}\n'
}

timed() # NAME COMMAND...: how long it takes, while clients measure what that does to them
{
	local name=$1 start end bytes

	shift
	load_begin "$name"
	start=${EPOCHREALTIME/[.,]/}
	bytes=$("$@" | wc -c)
	end=${EPOCHREALTIME/[.,]/}
	load_end "$name"
	printf '{"phase":"%s-took","seconds":%d.%06d,"bytes":%d}\n' "$name" $(((end - start) / 1000000)) $(((end - start) % 1000000)) \
		"$bytes" >"$TMP/$name-took.json"
	RESULTS+=("$TMP/$name-took.json" "$TMP/$name.json")
	note "$(printf '%-12s %d.%03d s, %d bytes; pings of the others: %s ms at most' "$name" $(((end - start) / 1000000)) \
		$(((end - start) / 1000 % 1000)) "$bytes" "$(load_field "$name" ping_ms.max || say -)")"
}

scrape()
{
	# shellcheck disable=SC2016 # for the other shell
	on srv bash -c 'exec 3<>/dev/tcp/127.0.0.1/9551 && printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3'
}

# --- scenarios ---

scenario_ramp()
{
	load_phase start 'run 100' # how large the server is without sessions
	done_with start
	load_phase ramp "attach $CLIENTS $RATE" "carry $CARRIERS $CARRY_RATE $CARRY_BYTES" 'wait 120000'
	done_with ramp
	counters >"$TMP/counters.json"
	RESULTS+=("$TMP/counters.json")
	note "$(tr -d '"{}' <"$TMP/counters.json" | sed 's/phase:counters,/server: /; s/,/, /g; s/:\([0-9]\)/ \1/g')"
}

scenario_idle()
{
	order "carry 0 1 $CARRY_BYTES"
	load_phase idle 'run 16000' # each has its heartbeat once
	done_with idle
	order "carry $CARRIERS $CARRY_RATE $CARRY_BYTES"
}

scenario_carry()
{
	load_phase carry 'run 5000'
	done_with carry
}

scenario_storm()
{
	load_phase storm "storm $((CLIENTS - CARRIERS))" 'wait 60000'
	done_with storm
	load_phase after-storm 'run 3000'
	done_with after-storm
	note "storm        drop_receive_full $(counter server drop_receive_full), audit_lost $(counter server audit_lost)"
	note "$(printf 'storm        %s s until the last is back; of DATA of the others %s of %s came back, then %s of %s' \
		"$(load_field storm last_attached_s)" "$(load_field storm data_back)" "$(load_field storm data_sent)" \
		"$(load_field after-storm data_back)" "$(load_field after-storm data_sent)")"
}

scenario_rekey()
{
	load_phase rekey "rekey $CLIENTS" 'wait 60000'
	done_with rekey
}

scenario_reload()
{
	sed -i '$s/addresses: \[ [0-9.]* \]/addresses: [ 10.255.255.1 ]/' "$TMP/peers.d/many.yaml"
	timed reload ask server reload
}

scenario_ask()
{
	timed status ask server status
	timed sessions ask server sessions
	timed scrape scrape
}

scenario_restart()
{
	load_begin restart
	load_restart
	order since
	order ask # an idle client would find out with its next heartbeat: this is the herd
	order 'renewed 120000'
	load_end restart
	done_with restart
}

# A server that has little of its processor is asked for more than it can do; then it has all of it again.
scenario_overload()
{
	local i

	for ((i = 0; i < BUSY; i++)); do
		spawn "busy$i" srv bash -c 'while :; do :; done'
	done
	load_phase overload "attach $CLIENTS $RATE" 'wait 20000'
	done_with overload
	for ((i = 0; i < BUSY; i++)); do
		stop "busy$i" || :
	done
	load_phase after-overload 'wait 60000'
	done_with after-overload
	counters >"$TMP/counters.json"
	RESULTS+=("$TMP/counters.json")
	note "$(tr -d '"{}' <"$TMP/counters.json" | sed 's/phase:counters,/server: /; s/,/, /g; s/:\([0-9]\)/ \1/g')"
}

# --- all ---

finish_run()
{
	printf '{"clients":%d,"rate":%d,"workers":%d,"busy":%d,"rtt_ms":%d,"seed":%d,"rude":%s,"processor":"%s","processors":%d,"kernel":"%s",' \
		"$CLIENTS" "$RATE" "$WORKERS" "$BUSY" "$RTT" "$SEED" "$([ -n "$RUDE" ] && echo true || echo false)" \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
	printf '"date":"%s","phases":[\n' "$(date -u +%FT%TZ)"
	cat "${RESULTS[@]}" | sed '$!s/$/,/'
	printf ']}\n'
}

exec 3>&1 1>&2 # what the rig says is text
load_setup
if [ "$WORKERS" = 1 ] && [ "$(nproc)" -gt 1 ]; then
	# shellcheck disable=SC2034 # lib.sh reads it
	PROCESSORS=(["srv"]=0 ["cli"]=$(($(nproc) - 1)))
fi
load_server
load_start
note "$CLIENTS clients, $RATE a second, $WORKERS worker(s), RTT $RTT ms$([ -z "$RUDE" ] || echo ', rude'); load $(cut -d' ' -f1 /proc/loadavg)"
wanted ramp || wanted overload || SCENARIOS=(ramp "${SCENARIOS[@]}")
for scenario in ramp idle carry storm rekey reload ask restart overload; do
	! wanted "$scenario" || "scenario_$scenario"
done
finish_run >"$TMP/load.json"
if [ -n "$OUT" ]; then
	cp "$TMP/load.json" "$OUT/load.json"
else
	cat "$TMP/load.json" >&3
fi
