#!/bin/bash
# A client that is killed and returns takes over its place at once: a new session, the same address, the old one
# superseded.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
address=$(field alice 'addresses[0]')
stop alice KILL 2>/dev/null || :
start_client alice cli a0 b0
[ "$(field alice id)" != "$id" ] || fail "the SessionID came back from the dead"
[ "$(field alice 'addresses[0]')" = "$address" ] || fail "another inner address"
audit_expect server event_type=SessionTerminated session_id="$id" reason_code=superseded
expect 3000 "the server knows one session of alice" peer_is alice id "$(field alice id)"
probe_start probe cli
jump alice b
probe_stop probe
expect_no_loss probe
say "ok"
