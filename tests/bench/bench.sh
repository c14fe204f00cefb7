#!/bin/bash
# Tunnels side by side on this machine: jumpvpnd, raw veth, a bare copier, and what else is installed.
#
#     tests/bench/bench.sh [-q] [-r ROUNDS] [-t SECONDS] [-s "SUBJECT..."] [-m "MEASURE..."] [-p "PHASE..."] [-o DIR] [-R]
#
# Writes DIR/bench.json, DIR/report.md and its plots (default build/bench). Each measure goes round by round through
# all subjects (A B C A B C), the medians of the rounds are reported. -q is the quick mode: one round of the essential, under three
# minutes; without it some twenty. -R puts the table and the plot into README.md.
#
# Phases: compare (everything below), workers (two clients, one worker against two), jump (a jump in full flow), hellos (60,000
# HELLOs a second of all kinds beside the DATA of a session), profile (where the time goes, and a flame graph; where perf is
# installed), gaps (tests/bench/gaps.sh), micro (instructions, tests/bench/micro.sh). Subjects: veth copier jumpvpnd wireguard-go fastd-null fastd-aes nebula openvpn tinc.
# Measures:
#
#   rtt          ICMP echo, 300 in 0.6 s, nothing else going on: median and 99th percentile; resident memory
#   tcp1_up ..   plain TCP, one stream or eight, from the client (up) or to it (down): Gbit/s of payload, CPU s per GB
#   rtt_load     ICMP echo each 10 ms beside one TCP stream up: median, 99th percentile; resident memory
#   packets64    UDP in IPv4 packets of 64 (1,200) bytes at less than 0.5 % loss, client to server, each sent by itself. The
#   packets1200  rate is searched: up by half until it fails twice, then the interval halved until it is 5 % wide
#
# CPU is user and system time of the daemons of both ends, all threads, from /proc/PID/stat. Where the kernel has no
# CONFIG_IRQ_TIME_ACCOUNTING it holds the softirq work done on top of them (the way of a packet through veth into the
# other namespace, for one); what ksoftirqd does is never in it. The *_machine figures are all that was not idle on the
# machine, traffic generators and kernel threads included.

set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
out=$top/build/bench quick='' readme=''
ROUNDS=3 SECONDS_EACH=3 TRIAL_MS=700 phases='compare workers jump hellos profile gaps micro' gaps='jump link blackhole rebind' repetitions=10
SUBJECTS='veth copier jumpvpnd wireguard-go fastd-null fastd-aes nebula openvpn tinc'
MEASURES='rtt tcp1_up tcp1_down tcp8_up tcp8_down rtt_load packets64 packets1200'

usage()
{
	echo "usage: $0 [-q] [-r ROUNDS] [-t SECONDS] [-s SUBJECTS] [-m MEASURES] [-p PHASES] [-o DIR] [-R]" >&2
	exit 2
}

set_quick()
{
	quick=yes ROUNDS=1 SECONDS_EACH=1 TRIAL_MS=400 gaps='jump' repetitions=3
	SUBJECTS='veth copier jumpvpnd wireguard-go fastd-null'
	MEASURES='rtt tcp1_up tcp1_down tcp8_up tcp8_down rtt_load packets64'
}

while getopts qr:t:s:m:p:o:R option; do
	case $option in
	q) set_quick ;;
	r) ROUNDS=$OPTARG ;;
	t) SECONDS_EACH=$OPTARG ;;
	s) SUBJECTS=$OPTARG ;;
	m) MEASURES=$OPTARG ;;
	p) phases=$OPTARG ;;
	o) out=$OPTARG ;;
	R) readme=yes ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || usage

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BENCH_TOOLS=${BENCH_TOOLS:-$top/build/tests/bench}
export DATA=$work/data ROUNDS SECONDS_EACH TRIAL_MS SUBJECTS MEASURES
: >"$DATA"

load() { cut -d' ' -f1-3 /proc/loadavg; }
kernel_has() { zcat /proc/config.gz 2>/dev/null | grep -q "^$1=y" || grep -qs "^$1=y" "/boot/config-$(uname -r)"; }

# What the figures were measured on and how: key, tab, value.
describe()
{
	local key value

	while IFS='|' read -r key value; do
		printf '%s\t%s\n' "$key" "$value"
	done <<-END
	date|$(date -u +%Y-%m-%dT%H:%MZ)
	commit|$(git -C "$top" describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)
	hardware|$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) processors ($(grep -q '^flags.* hypervisor' /proc/cpuinfo && echo a virtual machine || echo bare metal)), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GB
	os|$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)
	kernel|$(uname -sr)
	network|two namespaces on one machine joined by veth pairs: no loss, no delay, no jitter, no churn, no rate limit; queues as the kernel makes them
	mtu|1500 outside, 1420 inside
	transport|UDP over IPv4 outside (client's path of the first veth pair); TCP cubic, ICMP and UDP over IPv4 inside
	concurrency|all daemons run at the same time, one is under load at a time; each end, with its traffic generators, has half of the $(nproc) processors (the two workers: all share them); jumpvpnd with one worker each end, SCHED_BATCH at nice -10 as it comes, and the copier the same
	method|$ROUNDS rounds, interleaved; TCP ${SECONDS_EACH} s each; packets ${TRIAL_MS} ms a trial; medians
	softirq|$(kernel_has CONFIG_IRQ_TIME_ACCOUNTING && echo "not in the CPU time of the daemons" || echo "in the CPU time of the daemons where it ran on top of them, ksoftirqd is not")
	load_before|$1
	load_after|$2
	END
}

phase() { [[ " $phases " == *" $1 "* ]]; }
run() # TEXT COMMAND...
{
	local status=0

	echo "$1"
	shift
	"$@" || status=$?
	[ "$status" -ne 77 ] || exit 77
	[ "$status" -eq 0 ] || { echo "bench: that failed ($status): $*" >&2 && failed=yes; }
}

failed='' begun=$(load)
if phase compare; then run 'Tunnels side by side' timeout -k 10 2400 "$here/measure.sh" compare; fi
if phase workers; then
	run 'Two clients, one worker' timeout -k 10 120 "$here/measure.sh" workers 1
	run 'Two clients, two workers' timeout -k 10 120 "$here/measure.sh" workers 2
fi
if phase jump; then run 'A jump in full flow' timeout -k 10 120 "$here/measure.sh" jump; fi
if phase hellos; then run 'A flood of HELLOs' timeout -k 10 300 "$here/measure.sh" hellos; fi
if phase profile; then
	if command -v perf >/dev/null; then
		run 'Where the time goes' timeout -k 10 120 "$here/measure.sh" profile
	else
		echo 'Where the time goes: perf is not installed (Debian: linux-perf)'
	fi
fi
if phase gaps; then
	# shellcheck disable=SC2086 # a list
	run 'Gaps' timeout -k 10 600 "$here/gaps.sh" -n "$repetitions" -o "$work/gaps.json" $gaps
fi
if phase micro && command -v valgrind >/dev/null; then
	run 'Instructions' "$here/micro.sh" "$BENCH_TOOLS/micro" | tee "$work/micro"
	awk '$3 ~ /^[0-9]/ && $4 == "instructions," { printf "1\tjumpvpnd\tinstructions_%s\t%s\n", $2, $3 }' "$work/micro" >>"$DATA"
fi

describe "$begun" "$(load)" >"$work/meta"
[ ! -s "$DATA.status" ] || sed -n 's/.*"crypto":"\([^"]*\)","offloads":"\([^"]*\)".*/crypto\t\1\noffloads\t\2/p' "$DATA.status" >>"$work/meta"
touch "$DATA.about" "$DATA.flow"
"$here/report.sh" "$work" "$out"
echo
cat "$out/report.md"
[ -z "$readme" ] || "$here/report.sh" --readme "$out" "$top"
[ -z "$quick" ] || echo 'quick mode: one short round; no figure to quote'
[ -z "$failed" ]
