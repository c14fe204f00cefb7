#!/bin/bash
# There and back again, several times under load, one binding_version each, and nothing is lost.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
binding=$(peer_field alice binding_version)
tcp_start up cli send
tcp_start down cli recv
probe_start probe cli
for path in b a b a; do
	expect 5000 "path $path is warm" path_is_warm alice "$path"
	jump alice "$path"
done
probe_stop probe
tcp_stop up
tcp_stop down
expect_no_loss probe
[ "$(peer_field alice id)" = "$id" ] || fail "another session"
[ "$(peer_field alice binding_version)" -eq $((binding + 4)) ] ||
	fail "binding_version went from $binding to $(peer_field alice binding_version) in four jumps"
say "ok"
