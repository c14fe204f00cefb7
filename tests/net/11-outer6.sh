#!/bin/bash
# The tunnel runs over IPv6, with both families inside, and jumps there.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
ENDPOINT[alice]='udp://[2001:db8::1]:4433'
start_server
start_client alice cli a0 b0
case $(peer_field alice active.remote) in
*fd01:1::2*) ;;
*) fail "the outer address is $(peer_field alice active.remote), not IPv6" ;;
esac
on cli "$TOOLS/prober" ping 10.8.0.1 --size 1372 >/dev/null || fail "no ping over IPv4 inside"
on cli "$TOOLS/prober" ping fd00:8::1 --size 1372 >/dev/null || fail "no ping over IPv6 inside"
tcp_whole up cli send --to 10.8.0.1:5001 --bytes 50000000
tcp_whole down6 cli recv --to '[fd00:8::1]:5001' --bytes 50000000
probe_start probe cli
jump alice b
probe_stop probe
expect_no_loss probe
say "ok"
