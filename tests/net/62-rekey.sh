#!/bin/bash
# New keys on order, from either end and under load: the session stays, and nothing inside is lost.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

has_epoch() { client_is alice epoch "$1" && [ "$(peer_field alice epoch)" = "$1" ]; }

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
probe_start probe cli
ask alice rekey >/dev/null || fail "the client refused the order"
expect 3000 "both ends have new keys" has_epoch 1
ask server rekey "$id" >/dev/null || fail "the server refused the order"
expect 5000 "both ends have new keys again" has_epoch 2
probe_stop probe
expect_no_loss probe
[ "$(field alice id)" = "$id" ] || fail "the client has another session"
audit_expect server event_type=SessionRekeyed session_id="$id"
audit_expect alice event_type=SessionRekeyed session_id="$id"
! ask server rekey 00 >/dev/null 2>&1 || fail "keys for nobody"
say "ok"
