#!/bin/bash
# Two workers: each client stays with its own, though its port is another after every jump, and nothing is lost.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
SERVER_WORKERS=2
ns_setup_nat
ns_add cli2
nat_path_add c 3 cli2
start_services
peer alice 2
peer bob 3
start_server
start_client alice cli a0 b0
start_client bob cli2 c0
id=$(field alice id)
worker=$(peer_field alice worker)
[ "$worker" != "$(peer_field bob worker)" ] || fail "both clients are on worker $worker"
tcp_start up cli send
tcp_start down cli2 recv
probe_start alice-probe cli
probe_start bob-probe cli2

standby_moved() { [ "$(peer_field alice "paths[path=$1].remote")" != "$2" ]; }

for path in b a b a; do
	number=$(field alice "paths[name=$path].path")
	before=$(peer_field alice "paths[path=$number].remote")
	nat_rebind "$path"
	expect 5000 "the server sees path $path from a new port" standby_moved "$number" "$before"
	expect 5000 "path $path is warm" path_is_warm alice "$path"
	jump alice "$path"
	[ "$(peer_field alice worker)" = "$worker" ] || fail "alice went to worker $(peer_field alice worker)"
done
probe_stop alice-probe
probe_stop bob-probe
tcp_stop up
tcp_stop down
expect_no_loss alice-probe
expect_no_loss bob-probe
[ "$(peer_field alice id)" = "$id" ] || fail "another session"
[ "$(counter server drop_ring_full)" -eq 0 ] || fail "packets were lost between the workers"
say "ok"
