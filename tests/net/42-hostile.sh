#!/bin/bash
# Wrong keys, unknown peers, noise, cut and damaged packets: silence, counters, and the session in the middle
# unmoved.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
start_services
peer alice 2
make_key mallory # a key nobody knows
make_key eve     # in place of the server's
start_server
start_client alice cli a0 b0
spawn record cli "$TOOLS/capture" --interface a0 --to-port 4433 --count 40 --out "$TMP/recorded" \
	--ready-file "$TMP/record.ready"
expect 3000 "the capture runs" test -e "$TMP/record.ready"
probe_start probe cli
wait_until 3000 rig_gone "${RIG_PID[record]}" || fail "only $(wc -l <"$TMP/recorded") datagrams were recorded"
face=$(session_face alice)
welcomes=$(counter server welcome_sent)

refused() # NAME COUNTER [TYPE]: nothing, or nothing but packets of this type, comes back to this client, and it is counted
{
	: >"$TMP/heard"
	rm -f "$TMP/heard.ready"
	spawn heard cli2 "$TOOLS/capture" --interface c0 --from-port 4433 --out "$TMP/heard" --ready-file "$TMP/heard.ready"
	expect 3000 "the capture runs" test -e "$TMP/heard.ready"
	launch_client "$1" cli2 c0
	expect 5000 "$2 counts $1" counter_above server "$2" 1
	[ "$(field "$1" state)" != ATTACHED ] || fail "$1 has a session"
	stop "$1" || :
	stop heard || fail "the capture failed"
	! awk -v type="${3:-none}" 'substr($3, 1, 2) != type' "$TMP/heard" | grep . >"$TMP/answers" ||
		fail "the server answered $1: $(cut -c1-80 "$TMP/answers" | head -n 1)"
}

say "  a client that does not know the server's key, and one the server does not know"
SERVER_KEY_FOR[eve]=eve
refused eve hello_bad_mac
refused mallory hello_unknown_peer 13 # COOKIE, as anybody gets who sends what is not new

say "  noise"
attack() # NAME COMMAND...: by dgram from another address; RESET alone is an answer, and never longer than the question
{
	local name=$1

	shift
	on cli2 "$TOOLS/dgram" "$@" --to 192.0.2.1:4433 --allow 0x16 >"$TMP/$name.out" ||
		fail "$name was answered: $(cat "$TMP/$name.out")"
	say "    $name: $(result "$name" sent) datagrams, $(result "$name" answers) answers"
}
attack noise garbage --count 2000 --seed 1
attack typed garbage --count 2000 --seed 2 --type 0x11,0x12,0x13,0x14,0x15,0x16
attack hello-sized garbage --count 300 --seed 3 --type 0x11 --len 1200
attack tiny garbage --count 300 --seed 4 --len 0-40 --type 0x14,0x15
noise_counted() { [ $(($(counter server drop_malformed) + $(counter server drop_unexpected))) -gt 2000 ]; }
expect 3000 "noise is counted" noise_counted
expect 3000 "unknown locators are counted" counter_above server drop_unknown_locator 10

say "  recorded packets, cut and with single bits turned"
attack cut truncate --file "$TMP/recorded" --gap-us 50
attack bits flip --file "$TMP/recorded" --count 40
not_authentic() { [ $(($(counter server drop_bad_tag) + $(counter server drop_replay) + $(counter server drop_unknown_epoch))) -gt 3000 ]; }
expect 3000 "packets that are not authentic are counted" not_authentic

probe_stop probe
expect_no_loss probe
[ "$(session_face alice)" = "$face" ] || fail "the session changed: $face -> $(session_face alice)"
[ "$(counter server welcome_sent)" -eq "$welcomes" ] || fail "a WELCOME was sent"
say "ok"
