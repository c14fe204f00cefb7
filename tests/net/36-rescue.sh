#!/bin/bash
# Nothing is lost inside: 50 Mbit/s of UDP each way while the active path dies without a word, in both directions or
# in one, or its router forgets its mapping. The same for TCP: the stream is whole, and nothing counts as an attack.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
# Room for what comes in until silence is noticed by an end that has to wait for a processor; that the usual room is enough
# on a free one is judged under virtual time.
POLICY='switching: { max_switches_per_min: 60, switch_cooldown_ms: 0, failback_after_ms: 0, rescue_bytes: 16777216 }
  security: { replay_window: 65536 }
  volatility: { max_consecutive_drops: 3 }
  transport: { standby_probe_ms: 250 }'
ns_setup_nat
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)

spawn echo2 cli "$TOOLS/prober" server --listen 10.8.0.2:7 --ready-file "$TMP/echo2.ready"
expect 3000 "the client's echo server runs" test -e "$TMP/echo2.ready"

# From each end 2,600 packets of 1,200 bytes a second, and the other end's echoes: 50 Mbit/s each way.
flood_start()
{
	probe_start up cli --size 1200 --interval-us 384
	local before

	before=$(counter server tx_packets)
	probe_start down srv --to 10.8.0.2:7 --size 1200 --interval-us 384
	expect 3000 "the flood is under way" counter_above server tx_packets $((before + 2000))
}

flood_stop()
{
	local who

	probe_stop up
	probe_stop down
	for who in server alice; do
		say "    $who so far: $(counter $who rescued_packets) sent again, $(counter $who drop_duplicate) came twice," \
			"$(counter $who rescue_lost) too late, $(counter $who drop_socket_full) for a full socket," \
			"$(counter $who drop_tun_full) for a full tunnel"
	done
	for who in up down; do
		expect_no_loss $who
		[ "$(result $who duplicates)" -eq 0 ] || fail "$(result $who duplicates) packets came twice"
	done
}

remote_is_not() { local r; r=$(peer_field alice active.remote) && [ "$r" != "$1" ]; }

for way in both out in; do
	say "  path a dead: $way"
	flood_start
	path_blackhole a "$way"
	expect 8000 "the session is on path b" carries_on alice b
	flood_stop
	path_heal a
	expect 10000 "path a is warm again" path_is_warm alice a
	jump alice a
done

say "  another NAT mapping"
before=$(peer_field alice active.remote)
flood_start
nat_rebind a
expect 5000 "the server sends to the new address" remote_is_not "$before"
flood_stop

say "  path a dead under TCP"
tcp_start up cli send
tcp_start down cli recv
path_blackhole a both
expect 8000 "the session is on path b" carries_on alice b
tcp_stop up
tcp_stop down

[ "$(counter server rescued_packets)" -gt 0 ] || fail "the server has sent nothing again"
[ "$(counter alice rescued_packets)" -gt 0 ] || fail "the client has sent nothing again"
[ "$(field alice id)" = "$id" ] || fail "another session"
audit_forbid server event_type=SecurityReplayDetected
audit_forbid alice event_type=SecurityReplayDetected
say "ok"
