#!/bin/bash
# Nothing on the way of a packet asks for memory: under TCP both ways and small packets, neither end's count of
# allocations moves, in any thread.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
count_allocations

ns_setup
start_services
spawn flood srv "$TOOLS/flood" serve --listen '[::]:9' --ready-file "$TMP/flood.ready"
expect 3000 "the packet counter runs" test -e "$TMP/flood.ready"
peer alice 2
start_server
start_client alice cli a0 b0

load()
{
	on cli "$TOOLS/bulk" send --to 10.8.0.1:5001 --plain --seconds "$1" >"$TMP/up.out" &
	on cli "$TOOLS/bulk" recv --to 10.8.0.1:5001 --plain --seconds "$1" >"$TMP/down.out"
	wait $!
	on cli "$TOOLS/flood" send --to 10.8.0.1:9 --rate 20000 --ms 300 >"$TMP/small.out"
	[ "$(result up ok)" = true ] && [ "$(result down ok)" = true ] || fail "the load did not get through"
	[ "$(result small received)" -gt 100 ] || fail "the small packets did not get through"
}

load 1 # what is made at first use has been made
server=$(allocations server) alice=$(allocations alice)
[ "$server" -gt 0 ] && [ "$alice" -gt 0 ] || fail "nothing is counted"
load 1
server_after=$(allocations server) alice_after=$(allocations alice)
say "    up $(result up bytes) bytes, down $(result down bytes), small packets $(result small received);" \
	"allocations: server $server, then $server_after, client $alice, then $alice_after"
[ "$server_after" -eq "$server" ] || fail "the server asked for memory $((server_after - server)) times under load"
[ "$alice_after" -eq "$alice" ] || fail "the client asked for memory $((alice_after - alice)) times under load"

# The count does move where memory is asked for.
ask server status >/dev/null
[ "$(allocations server)" -gt "$server_after" ] || fail "what status takes is not counted"
say "ok"
