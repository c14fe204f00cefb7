#!/bin/bash
# A flood of HELLOs fills no buffer that DATA comes by, and no session notices it: HELLOs with a wrong mac1, with the mac1
# that who knows the server's public key can make, and recorded ones, from many addresses, over IPv4 and IPv6, to one
# worker and to two. Judged is where datagrams were dropped, not how fast anything was.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_server
ns_add cli
ns_add cli2
path_add a 1 cli
path_add c 3 cli2
# cli2 has these networks to itself.
for net in 198.18.0.0/15 2001:db8:5::/48; do
	on cli2 ip route add local $net dev lo
done
ip -n srv route add 198.18.0.0/15 via 10.1.3.2
ip -n srv route add 2001:db8:5::/48 via fd01:3::2
start_services
peer alice 2

knock() # NAME KIND [OPTION...]: over both families, one after the other
{
	local name=$1 kind=$2 to

	shift 2
	for to in 192.0.2.1:4433=198.18.0.0/15 '[2001:db8::1]:4433=2001:db8:5::/48'; do
		on cli2 "$TOOLS/knock" --to "${to%=*}" --from "${to#*=}" --kind "$kind" --key "$TMP/server.pub" \
			--file "$TMP/recorded" "$@" >>"$TMP/$name.knocks" || fail "knock $kind ended with status $?"
	done
	knocks=$(grep -o '"sent":[0-9]*' "$TMP/$name.knocks" | cut -d: -f2 | paste -sd+) && knocks=$((knocks))
}
heard() { echo $(($(counter server hello_received) + $(counter server drop_hello_full) + $(data_dropped))); }
heard_more() { [ "$(heard)" -ge $(($1 + $2 * 9 / 10)) ]; }
data_dropped() { counter server drop_receive_full; }
no_data_dropped() { [ "$(data_dropped)" -eq 0 ] || fail "$1: $(data_dropped) datagrams found the buffer of DATA full"; }

kinds="mac1 mac2 new replay" # one worker has them all
for SERVER_WORKERS in 1 2; do
	say "  workers: $SERVER_WORKERS"
	start_server
	spawn record cli "$TOOLS/capture" --interface a0 --to-port 4433 --out "$TMP/recorded" --ready-file "$TMP/record.ready"
	expect 3000 "the capture runs" test -e "$TMP/record.ready"
	start_client alice cli a0
	id=$(field alice id)
	on cli "$TOOLS/prober" client --to 10.8.0.1:7 --count 100 --linger-ms 1000 >"$TMP/some.out"
	stop record || fail "the capture failed"

	# The server stands still, so that what comes has to wait. Behind the flood comes DATA: each packet finds room.
	tail -n 100 "$TMP/recorded" >"$TMP/data"
	n=$(wc -l <"$TMP/data")
	was=$(counter server drop_replay)
	before=$(heard)
	kill -STOP "${RIG_PID[server]}"
	knock "still$SERVER_WORKERS" mac1 --count $((6000 * SERVER_WORKERS))
	for to in 192.0.2.1:4433 '[2001:db8::1]:4433'; do
		on cli2 "$TOOLS/dgram" replay --to "$to" --file "$TMP/data" --gap-us 0 --ms 0 >"$TMP/late.out"
	done
	kill -CONT "${RIG_PID[server]}"
	expect 5000 "HELLOs are counted, judged or not" heard_more "$before" "$knocks"
	say "    standing still: $knocks HELLOs, $(counter server drop_hello_full) beyond their buffer; DATA dropped: $(data_dropped)"
	[ "$(counter server drop_hello_full)" -gt 0 ] || fail "the flood was too small to fill a buffer"
	no_data_dropped "standing still"
	expect 5000 "DATA from behind the flood is seen" counter_above server drop_replay $((was + 2 * n - 1))
	expect 10000 "the session is attached" client_is alice state ATTACHED

	[ "$SERVER_WORKERS" = 1 ] || kinds=
	for kind in $kinds; do
		probe_start "$kind" cli --interval-us 500
		before=$(heard)
		knock "$kind$SERVER_WORKERS" $kind --rate 60000 --ms 250
		expect 5000 "HELLOs are counted, judged or not" heard_more "$before" "$knocks"
		probe_stop "$kind"
		say "    $kind: $knocks HELLOs, $(($(heard) - before)) came"
		probe_summary "$kind"
		no_data_dropped "$kind"
	done
	[ "$(field alice id)" = "$id" ] || fail "alice has another session"
	stop alice || fail "the client failed"
	stop server || fail "the server failed"
done
say "ok"
