#!/bin/bash
# Memory that runs out in a daemon at work: what operators ask for, reloads and a new key find one allocation refused, now this,
# now that. What it was for may be refused then; neither end dies, and the session carries on.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
CLIENT=$JUMPVPND
count_allocations

# The nth allocation from now on fails.
fails() # WHO N
{
	local at=$(($(allocations "$1") + $2)) bytes='' i

	for ((i = 0; i < 8; i++)); do bytes+=$(printf '\\x%02x' $((at >> (8 * i) & 255))); done
	printf '%b' "$bytes" | dd of="$TMP/allocations.${RIG_PID[$1]}" bs=1 seek=8 conv=notrunc status=none
	FAILS_AT=$at
}

ns_setup
peer alice 2
start_server
start_client alice cli a0 b0
attached() { [ "$(told alice session.state)" = ATTACHED ]; }
wait_until 5000 attached || fail "no session"

# One command after the other, until none of its allocations has failed.
some_fail() # WHO SOCKET COMMAND...
{
	local who=$1 socket=$2 n
	shift 2

	for n in 1 3 8 21 55 144; do
		fails "$who" "$n"
		timeout 15 "$CLIENT" "$@" -s "$socket" >/dev/null 2>&1 || [ $? -ne 124 ] ||
			fail "$who never answered $1 when allocation $n failed"
		kill -0 "${RIG_PID[$who]}" || fail "$who died when allocation $n of $1 failed"
		[ "$(allocations "$who")" -ge "$FAILS_AT" ] || break
	done
	say "    $who: up to allocation $n of $1"
	[ "$n" -gt 3 ] || fail "nothing failed in $1"
}

some_fail server "$TMP/server.sock" sessions --json
some_fail server "$TMP/server.sock" rekey alice
some_fail server "$TMP/server.sock" reload
some_fail alice "$TMP/alice.sock" reload
fails server 0
fails alice 0
wait_until 10000 attached || fail "the session did not come back"
ask server reload >/dev/null || fail "the server takes no configuration any more"
on cli ping -c 3 -i 0.2 -W 2 10.8.0.1 >/dev/null || fail "nothing passes"
say "ok"
