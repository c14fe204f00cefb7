#!/bin/bash
# A process among others: nobody reads its log, signals that mean nothing to it, a storm of SIGHUPs, readers of its control
# socket that do not read, idle connections to its metrics. Packets go on, the daemon answers, nothing leaks.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
server_config
say 'metrics: { listen: "127.0.0.1:9551" }' >>"$TMP/server.yaml"

# --- nobody reads the log ---

mkfifo "$TMP/unread"
exec 9<>"$TMP/unread"
head -c 65536 /dev/zero >&9 # all it can hold
# shellcheck disable=SC2016 # that is for the inner shell
spawn server srv bash -c 'exec "$@" 2>"$0"' "$TMP/unread" "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers with its log full" answers server
deepen_queue srv jump0
start_client alice cli a0 b0
id=$(field alice id)
counter_above server log_lost 2 || fail "no log line is counted as lost"
head -c 65536 <&9 >/dev/null
kill -HUP "${RIG_PID[server]}"
reload_is_said() { dd bs=65536 count=1 iflag=nonblock <&9 >>"$TMP/read" 2>/dev/null; grep -q 'reload ok' "$TMP/read"; }
expect 5000 "a line of the log comes" reload_is_said
grep -q "log lines missing here.*: [0-9]" "$TMP/read" || fail "nothing is said of the lost lines: $(cat "$TMP/read")"

# --- signals that mean nothing ---

probe_start probe cli
for signal in USR1 USR1 USR2 ALRM VTALRM PROF IO PWR STKFLT TTIN TTOU XCPU XFSZ PIPE RTMIN+3 RTMAX; do
	kill "-$signal" "${RIG_PID[alice]}" "${RIG_PID[server]}"
done
is_said() { grep -q 'signal .*real-time.* ignored' "$TMP/alice.log"; }
expect 5000 "the client says of a signal that it is ignored" is_said
[ "$(grep -c 'SIGUSR1.* ignored' "$TMP/alice.log")" -eq 1 ] || fail "not said once: $(cat "$TMP/alice.log")"
[ "$(field alice id)" = "$id" ] || fail "another session"

# --- SIGHUPs faster than reloads ---

descriptors() { find "/proc/${RIG_PID[$1]}/fd" -mindepth 1 | wc -l; }
open=$(descriptors server)
for _ in $(seq 100); do
	kill -HUP "${RIG_PID[alice]}" "${RIG_PID[server]}"
done
expect 5000 "the server answers" answers server
has_open() { [ "$(descriptors server)" -le "$1" ]; }
expect 5000 "as many descriptors as before" has_open "$open"

# --- readers that do not read ---

deaf=()
for i in $(seq 40); do
	"$JUMPVPND" events -f -s "$TMP/server.sock" >/dev/null 2>&1 &
	deaf+=($!)
	[ "$i" -gt 8 ] || kill -STOP $!
done
# shellcheck disable=SC2016
spawn idle srv bash -c 'for _ in $(seq 30); do exec {fd}<>/dev/tcp/127.0.0.1/9551; printf "GET /met" >&$fd; done; exec sleep 1000'
scrape()
{
	# shellcheck disable=SC2016
	on srv timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9551; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3' |
		grep -q ^jumpvpn_uptime_seconds
}
for _ in 1 2 3; do
	timeout 5 "$JUMPVPND" status -s "$TMP/server.sock" >/dev/null || fail "no status behind readers that do not read"
	jump alice b
	scrape || fail "no metrics behind idle connections"
	jump alice a
done
few() { [ "$(descriptors server)" -le $((open + 32 + 16)) ]; } # as many connections as there may be
expect 5000 "connections are bounded" few
kill -KILL "${deaf[@]}" 2>/dev/null || : # some have lost their places, and ended
probe_stop probe
expect_no_loss probe
[ "$(field alice id)" = "$id" ] || fail "another session"
stop alice || fail "the client ended with status $?"
stop server || fail "the server ended with status $?"
say "ok"
