#!/bin/bash
# Recorded packets, sent again from other addresses, change nothing: not a version, not a path, not a state.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
start_services
peer alice 2
start_server
for path in a b; do
	ip -n cli link set "${path}0" gso_max_segs 1 # what is recorded are datagrams, not runs of them
	spawn "record-$path" cli "$TOOLS/capture" --interface "${path}0" --to-port 4433 --out "$TMP/recorded-$path" \
		--ready-file "$TMP/record-$path.ready"
	expect 3000 "the capture runs" test -e "$TMP/record-$path.ready"
done
start_client alice cli a0 b0
probe_start warm cli
jump alice b
jump alice a
probe_stop warm
stop record-a || fail "the capture failed"
stop record-b || fail "the capture failed"
recorded=$(cat "$TMP/recorded-a" "$TMP/recorded-b" | wc -l)
say "  recorded $(wc -l <"$TMP/recorded-a") and $(wc -l <"$TMP/recorded-b") datagrams: HELLO, DATA, PING, JUMP"
expect 3000 "the server says ATTACHED" peer_is alice state ATTACHED

face=$(session_face alice)
refused() { echo $(($(counter server drop_replay) + $(counter server drop_duplicate) + $(counter server drop_wrong_path))); }
before=$(refused)
probe_start probe cli
replay() # NAMESPACE INTERFACE: WELCOME and COOKIE are what a HELLO earns, old or new, and no more than that
{
	for path in a b; do
		on "$1" "$TOOLS/dgram" replay --to 192.0.2.1:4433 --interface "$2" --file "$TMP/recorded-$path" \
			--allow 0x12,0x13 --gap-us 200 >"$TMP/replay.out" || fail "answered: $(cat "$TMP/replay.out")"
		say "    from $1 $2: $(result replay sent) datagrams, $(result replay answers) answers"
	done
}
replay cli2 c0
replay cli b0
replay cli a0
more_refused() { [ "$(refused)" -ge $((before + 2 * recorded)) ]; } # of three times, less the handshakes
expect 3000 "replays are counted" more_refused
probe_stop probe
expect_no_loss probe
expect 10000 "what the old HELLOs began has died by itself" peer_has_session alice
[ "$(session_face alice)" = "$face" ] || fail "the session changed: $face -> $(session_face alice)"
client_is alice state ATTACHED || fail "alice is $(field alice state)"
say "ok"
