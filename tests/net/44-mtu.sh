#!/bin/bash
# A link begins to swallow what is long, without a word: small packets and PINGs pass. Found within 2 s in either
# direction, told to the senders inside, and read as nothing else: no jump, no transition, TCP goes on. Over IPv4 and
# IPv6 outside.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
# A link of its own, for a veth would take runs of datagrams for long packets; slow enough that a stall is no silence.
IMPAIR=([a]="delay 20ms")
ns_setup
start_services
peer alice 2
start_server

path_mtu() { "$1" alice "paths[use=active].mtu"; }          # field: up, peer_field: down
mtu_between() { local mtu; mtu=$(path_mtu "$1") && [ "$mtu" -ge "$2" ] && [ "$mtu" -le "$3" ]; }
carries_bytes() { local was; was=$("$1" alice "$2") && wait_until "$3" grown "$1" "$2" "$was"; }
grown() { [ "$("$1" alice "$2")" -gt $(($3 + 1000000)) ]; }

for outer in 4 6; do
	headers=$((outer == 4 ? 60 : 80)) # with our own 32 bytes
	[ $outer = 4 ] || ENDPOINT[alice]="udp://[2001:db8::1]:4433"
	for way in out in; do
		start_client alice cli a0 b0
		id=$(field alice id)
		tells=field link=up bytes=tx_bytes tcp=send
		[ $way = out ] || { tells=peer_field && link=down && tcp=recv; }
		tcp_start flow cli $tcp
		expect 3000 "IPv$outer $way: the path's MTU is known to be the tunnel's" mtu_between $tells 1420 1420
		say "  IPv$outer, $way: a hole beyond 1400 bytes"
		probe_start probe cli
		began=$(now_ms)
		path_impair a "$link" mtu 1400 >/dev/null
		expect 2000 "IPv$outer $way: the hole is found" mtu_between $tells 576 $((1400 - headers))
		say "    found after $(($(now_ms) - began)) ms: $(path_mtu $tells)"
		expect 3000 "IPv$outer $way: its size is found" mtu_between $tells $((1400 - headers - 16)) $((1400 - headers))
		carries_bytes $tells $bytes 5000 || fail "IPv$outer $way: TCP stands still"
		probe_stop probe
		expect_no_loss probe
		tcp_stop flow
		carries_on alice a || fail "the session has left path a"
		[ "$(field alice id)" = "$id" ] || fail "another session"
		audit_forbid alice event_type=SessionStateChange session_id="$id" from=ATTACHED to=VOLATILE
		audit_forbid server event_type=SessionStateChange session_id="$id" from=ATTACHED to=VOLATILE

		say "  IPv$outer, $way: what may not be fragmented is refused, what may arrives in pieces"
		if [ $way = out ]; then
			told=$(counter alice icmp_sent)
			on cli ip route flush cache
			# The first ones may not be fragmented, until the kernel has been told.
			on cli "$TOOLS/prober" client --to 10.8.0.1:7 --count 20 --interval-us 50000 --size 1392 \
				--linger-ms 1000 >"$TMP/big.out" || :
			[ "$(counter alice icmp_sent)" -gt "$told" ] || [ "$(counter alice fragmented)" -gt 0 ] ||
				fail "nobody was told and nothing fragmented"
			[ "$(result big lost)" -lt 20 ] || fail "large datagrams do not come through"
		fi
		path_impair a both mtu 65535 >/dev/null
		stop alice || fail "the client failed"
	done
done
say "ok"
