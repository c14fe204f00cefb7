#!/bin/bash
# The address of the active path is taken away while the link stays up.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
tcp_start up cli send
probe_start probe cli
addr_remove a
expect 5000 "the session is on path b" carries_on alice b
probe_stop probe
expect_gap_below probe 2000
path_heal a
expect 10000 "path a is warm again" path_is_warm alice a
tcp_stop up
[ "$(peer_field alice id)" = "$id" ] || fail "another session"
say "ok"
