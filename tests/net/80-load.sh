#!/bin/bash
# A thousand clients at once: they all come in, all of their paths die in the same moment, and the server is killed and comes
# again under them. Judged is where everybody is at the end, how often, and what the server says of it, not how fast that was.

export LOAD_CLIENTS=1000 LOAD_POLICY='volatility: { heartbeat_idle_ms: 1000 }'
# shellcheck source=../load/lib.sh
. "$(dirname "$0")/../load/lib.sh"

server_attached() { ask server status | "$TOOLS/jget" - sessions.by_state.ATTACHED; }
server_has() { [ "$(server_attached)" -eq "$1" ]; }
said() { say "    $(tail -n 1 "$TMP/load.log")"; }
expect_count() # PHASE FIELD NUMBER
{
	local n

	n=$(load_field "$1" "$2")
	[ "$n" -eq "$3" ] || fail "$1: $2 is $n instead of $3"
}
expect_all_back() # PHASE
{
	said
	expect_count "$1" is_attached $LOAD_CLIENTS
	expect 5000 "$1: the server has $LOAD_CLIENTS sessions attached" server_has $LOAD_CLIENTS
}

load_setup
load_server
load_start

load_phase ramp "attach $LOAD_CLIENTS 1000" "carry 20 20 200" 'wait 100000'
expect_all_back ramp
expect_count ramp attached $LOAD_CLIENTS

# Nobody needs another handshake, and one jump each is enough.
load_phase storm "storm $((LOAD_CLIENTS - 20))" 'wait 50000'
expect_all_back storm
expect_count storm hello_sent 0
expect_count storm attached $((LOAD_CLIENTS - 20))
expect_count storm paths_dead $((LOAD_CLIENTS - 20))
switches=$(audit_lines server event_type=TransportSwitch)
[ "$switches" -eq $((LOAD_CLIENTS - 20)) ] || fail "the server tells of $switches switches"
[ "$(counter server audit_lost)" -eq 0 ] || fail "$(counter server audit_lost) audit records were lost"

load_begin restart
load_restart
order since
order 'renewed 100000'
load_end restart
expect_all_back restart
expect_count restart attached $LOAD_CLIENTS
say "ok"
