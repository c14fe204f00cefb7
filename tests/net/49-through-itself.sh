#!/bin/bash
# No session travels in a session: a client that calls through the tunnel of another is not answered, IPv4 and IPv6,
# whichever worker its datagrams surface at; the other one loses nothing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
SERVER_WORKERS=2
ns_setup
start_services
peer alice 2
peer bob 3
peer carol 4
start_server
start_client alice cli a0 b0
heard=$(counter server hello_received)
probe_start alice-probe cli
TUNNEL=([bob]=jump1 [carol]=jump2)
ENDPOINT=([bob]=udp://10.8.0.1:4433 [carol]='udp://[fd00:8::1]:4433')
for inner in bob carol; do
	before=$(counter server drop_inside)
	launch_client "$inner" cli jump0
	expect 10000 "what $inner sends through the tunnel is counted" counter_above server drop_inside $((before + 1))
	peer_has_no_session "$inner" || fail "$inner has a session inside of alice's"
	stop "$inner" || fail "$inner ended with status $?"
done
[ "$(counter server hello_received)" -eq "$heard" ] || fail "HELLOs were heard"
probe_stop alice-probe
expect_no_loss alice-probe
client_is alice state ATTACHED || fail "alice is $(field alice state)"
say "ok"
