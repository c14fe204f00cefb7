#!/bin/bash
# Without offloads of tunnel and sockets, at either end or both, every stream is whole; and what refuses runs gets single
# datagrams without a loss.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2

off() { # CONFIGURATION: switches both off
	sed -i 's/^tunnel: {/udp: { offload: off }\ntunnel: { offload: off,/' "$TMP/$1.yaml"
}

offloads() { told "$1" daemon.offloads; }

server_config
off server
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server
[[ $(offloads server) == "tunnel: none; UDP: none;"* ]] || fail "the server's offloads: $(offloads server)"
start_client alice cli a0 b0
[[ $(offloads alice) == *GSO* ]] || skip "this kernel has no UDP_SEGMENT"
tcp_whole up cli send --to 10.8.0.1:5001 --bytes 5000000
tcp_whole down cli recv --to 10.8.0.1:5001 --bytes 5000000
stop alice || fail "the client ended with status $?"
client_config alice a0 b0
off alice
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
expect 10000 "alice carries again" client_is alice state ATTACHED
tcp_whole up6 cli send --to '[fd00:8::1]:5001' --bytes 5000000
tcp_whole down6 cli recv --to '[fd00:8::1]:5001' --bytes 5000000
stop alice || fail "the client ended with status $?"

# A link below a datagram's length refuses every run, not single datagrams, which it may fragment.
client_config alice a0
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
expect 10000 "alice carries on path a" client_is alice state ATTACHED
ip -n cli link set a0 mtu 1280
ip -n srv link set sa mtu 1280
tcp_whole narrow cli send --to 10.8.0.1:5001 --bytes 5000000
say "    runs refused: $(counter alice udp_run_refused)"
[ "$(counter alice udp_run_refused)" -lt 20 ] || fail "$(counter alice udp_run_refused) runs were offered in vain"
[ "$(counter alice drop_socket_error)" -eq 0 ] || fail "$(counter alice drop_socket_error) datagrams were refused"
say "ok"
