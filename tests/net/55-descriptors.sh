#!/bin/bash
# Closed standard streams, and few file descriptors: what is logged goes nowhere else, a daemon that cannot start says
# so and exits with 1, and one that runs survives a lack of them, and uses new ones when there are some.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
client_config alice a0 b0

# --- too few to start with ---

for n in 4 5 6 8 12 26 63; do
	status=0
	# shellcheck disable=SC2016 # that is for the inner shell
	on cli bash -c 'ulimit -n "$1"; exec "$2" run -c "$3"' - "$n" "$JUMPVPND" "$TMP/alice.yaml" >"$TMP/few" 2>&1 || status=$?
	[ "$status" -eq 1 ] || fail "with $n descriptors: status $status"
	grep -q 'file descriptors: .* allowed; raise the limit' "$TMP/few" || fail "with $n descriptors: $(cat "$TMP/few")"
done

say "  inherited ones count"
inherit() # N: all below N are in use, of 70
{
	local fd

	for ((fd = 3; fd < $1; fd++)); do
		eval "exec $fd</"
	done
	ulimit -n 70
	exec "$JUMPVPND" run -c "$TMP/alice.yaml"
}
for n in 30 50 64 66 68 69; do
	status=0
	(inherit "$n") >"$TMP/few" 2>&1 || status=$?
	[ "$status" -eq 1 ] || fail "$n descriptors inherited: status $status"
	grep -q 'file descriptors: .* allowed; raise the limit' "$TMP/few" || fail "$n descriptors inherited: $(cat "$TMP/few")"
done

# --- no standard streams ---

# shellcheck disable=SC2016
ip netns exec cli bash -c 'exec 0<&- 1>&- 2>&- "$@"' - "$JUMPVPND" run -c "$TMP/alice.yaml" &
RIG_PID[alice]=$!
expect 10000 "the client is attached" client_is alice state ATTACHED
for fd in 0 1 2; do
	[ "/proc/${RIG_PID[alice]}/fd/$fd" -ef /dev/null ] ||
		fail "descriptor $fd is $(readlink "/proc/${RIG_PID[alice]}/fd/$fd")"
done
id=$(field alice id)
before=$(told alice daemon.config_generation)
say 'bogus: 1' >>"$TMP/alice.yaml" # each of these says so in the log
for _ in 1 2 3; do
	ask alice reload >/dev/null 2>&1 && fail "the broken configuration was taken"
done
sed -i '$d' "$TMP/alice.yaml"
kill -HUP "${RIG_PID[alice]}"
reloaded() { [ "$(told alice daemon.config_generation)" -gt "$before" ]; }
expect 5000 "the configuration is taken again" reloaded
expect 5000 "path b is warm" path_is_warm alice b

# --- none left while it runs ---

descriptors() { find "/proc/${RIG_PID[$1]}/fd" -mindepth 1 -printf '%f\n' | sort -n | tail -n 1; }
tx() { field alice tx_packets; }
for who in alice server; do
	soft=$(prlimit --pid "${RIG_PID[$who]}" --nofile --output SOFT --noheadings)
	prlimit --pid "${RIG_PID[$who]}" --nofile="$(($(descriptors "$who") + 1)):"
	for _ in 1 2 3; do
		ask "$who" status >/dev/null 2>&1 || : # refused, or not
		kill -HUP "${RIG_PID[$who]}"
	done
	link_down b
	on cli "$TOOLS/prober" client --to 10.8.0.1:7 --count 100 --linger-ms 500 >"$TMP/short.out"
	[ "$(result short received)" -eq 100 ] || fail "$who without descriptors: $(result short received) of 100 probes"
	path_configure b
	prlimit --pid "${RIG_PID[$who]}" --nofile="$soft:"
	expect 10000 "$who answers again" answers "$who"
done
expect 15000 "path b is warm again" path_is_warm alice b
jump alice b
[ "$(field alice id)" = "$id" ] || fail "another session"
stop alice || fail "the client ended with status $?"
stop server || fail "the server ended with status $?"
say "ok"
