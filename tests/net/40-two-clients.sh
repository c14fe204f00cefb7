#!/bin/bash
# Two clients at once: each has its own session and addresses, and they reach each other through the server.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
start_services
on srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
peer alice 2
peer bob 3
start_server
start_client alice cli a0 b0
start_client bob cli2 c0
[ "$(field alice id)" != "$(field bob id)" ] || fail "both have the same SessionID"
tcp_start up cli send
tcp_start down cli2 recv
probe_start alice-probe cli
probe_start bob-probe cli2
jump alice b
probe_stop alice-probe
probe_stop bob-probe
tcp_stop up
tcp_stop down
expect_no_loss alice-probe
expect_no_loss bob-probe
for address in 10.8.0.3 fd00:8::3; do
	on cli "$TOOLS/prober" ping "$address" >/dev/null || fail "alice does not reach bob at $address"
done
say "ok"
