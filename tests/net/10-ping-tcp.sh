#!/bin/bash
# Ping and TCP through the tunnel, IPv4 and IPv6 inside, both ways, every byte checked.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0

say "  ping, small and as large as the tunnel takes"
for address in 10.8.0.1 fd00:8::1; do
	on cli "$TOOLS/prober" ping "$address" >/dev/null || fail "$address does not answer ping"
	on cli "$TOOLS/prober" ping "$address" --size 1372 >/dev/null || fail "$address: no ping of full size"
done
on srv "$TOOLS/prober" ping 10.8.0.2 >/dev/null || fail "the client does not answer ping"
on srv "$TOOLS/prober" ping fd00:8::2 >/dev/null || fail "the client does not answer ping over IPv6"

say "  neither kernel has an address of its own there to speak from"
for ns in srv cli; do
	[ -z "$(ip -n $ns -6 addr show dev jump0 scope link)" ] || fail "jump0 of $ns has a link-local address"
done

say "  200 MB of TCP each way"
tcp_whole up cli send --to 10.8.0.1:5001 --bytes 200000000 --seed 1
tcp_whole down cli recv --to 10.8.0.1:5001 --bytes 200000000 --seed 2
tcp_whole up6 cli send --to '[fd00:8::1]:5001' --bytes 200000000 --seed 3
tcp_whole down6 cli recv --to '[fd00:8::1]:5001' --bytes 200000000 --seed 4

audit_expect server event_type=SessionCreated peer=alice
audit_expect server event_type=SessionStateChange from=BIRTH to=ATTACHED reason_code=attached_to_transport
audit_expect alice event_type=SessionStateChange from=BIRTH to=ATTACHED reason_code=attached_to_transport
say "ok"
