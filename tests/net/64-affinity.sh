#!/bin/bash
# As many workers as CPUs the daemon may run on, each on its own and ahead of other programs; every other thread anywhere,
# as others.
#
# Alone: it looks at which processor a thread is on.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
all=$(grep Cpus_allowed_list /proc/self/status | tr -s '\t' ' ')
all=${all#* }
cpus=$(nproc)
[ "$cpus" -gt 1 ] || skip "one CPU: nothing to choose from"
ns_setup
peer alice 2

lists() { cat /proc/"${RIG_PID[server]}"/task/*/status | sed -n 's/^Cpus_allowed_list:\t//p'; }
# One for each worker, or for none; new threads choose their CPU as they start.
single() { [ "$(lists | grep -cx '[0-9]*')" -eq "$1" ] && [ "$(lists | grep -x '[0-9]*' | sort -u | wc -l)" -eq "$1" ]; }
anywhere() { lists | grep -qxF "$all"; }

SERVER_WORKERS=auto
start_server
start_client alice cli a0 # whose handshake has wanted the thread pool
[ "$(told server daemon.workers)" -eq "$cpus" ] || fail "not a worker for each of $cpus CPUs"
expect 3000 "each worker has a CPU of its own" single "$cpus"
# The control loop, and a thread on each CPU for key agreements.
[ "$(lists | grep -cxF "$all")" -ge $((cpus + 1)) ] || fail "threads stay on a worker's CPU: $(lists | tr '\n' ' ')"

# Nice value and policy (3: SCHED_BATCH) of each thread.
nices() { sed 's/.*) //' /proc/"${RIG_PID[$1]}"/task/*/stat | cut -d' ' -f17,39; }
# The workers (and what a sanitizer makes beside them), not the control loop and the threads for key agreements.
ahead() { [ "$(nices "$1" | grep -cx -- '-10 3')" -ge "$2" ] && [ "$(nices "$1" | grep -cx '0 0')" -ge "$3" ]; }
if nice -n -10 true 2>/dev/null && [ "$(nice -n -10 nice 2>/dev/null)" = -10 ]; then
	expect 3000 "the workers of the server run ahead, and nobody else" ahead server "$cpus" $((cpus + 1))
	expect 3000 "so does the client's" ahead alice 1 2
fi

say "  and not, when told so"
stop server || fail "the server ended with an error"
SERVER_WORKERS=$'auto\ncpu_affinity: false\ncpu_priority: false'
start_server
expect 3000 "the threads run anywhere" anywhere
! nices server | grep -q '^-' || fail "threads run ahead: $(nices server | tr '\n' ' ')"
single 0 || fail "threads have CPUs: $(lists | tr '\n' ' ')"

say "  a CPU it may not have is not counted"
stop server || fail "the server ended with an error"
SERVER_WORKERS=auto
server_config
spawn server srv taskset -c "${all%%[-,]*}" "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server
[ "$(told server daemon.workers)" -eq 1 ] || fail "more workers than CPUs"
say "ok"
