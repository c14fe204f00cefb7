#!/bin/bash
# A client that sends from an inner address it does not own is not heard, and it is counted.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
start_services
peer alice 2
peer bob 3
start_server
start_client alice cli a0 b0
start_client bob cli2 c0
face=$(session_face bob)
probe_start bob-probe cli2
ip -n cli addr add 10.8.0.3/32 dev jump0
ip -n cli addr add 10.8.0.77/32 dev jump0
ip -n cli addr add fd00:8::3/128 dev jump0 nodad
for address in 10.8.0.3:0 10.8.0.77:0; do
	before=$(counter server drop_bad_source)
	on cli "$TOOLS/prober" client --to 10.8.0.1:7 --from "$address" --count 200 --linger-ms 200 >"$TMP/thief.out"
	[ "$(result thief received)" -eq 0 ] || fail "from $address $(result thief received) probes were answered"
	expect 3000 "$address is counted" counter_above server drop_bad_source $((before + 199))
done
before=$(counter server drop_bad_source)
on cli "$TOOLS/prober" client --to '[fd00:8::1]:7' --from '[fd00:8::3]:0' --count 200 --linger-ms 200 >"$TMP/thief.out"
[ "$(result thief received)" -eq 0 ] || fail "a stolen IPv6 address was answered"
expect 3000 "the IPv6 address is counted" counter_above server drop_bad_source $((before + 199))
probe_stop bob-probe
expect_no_loss bob-probe
[ "$(session_face bob)" = "$face" ] || fail "bob's session changed: $face -> $(session_face bob)"
client_is alice state ATTACHED || fail "alice is $(field alice state)"
say "ok"
