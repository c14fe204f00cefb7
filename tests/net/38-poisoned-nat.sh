#!/bin/bash
# The only path, behind a router that swallows what belongs to the mapping in use: from a new port it goes on.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup_nat
start_services
peer alice 2
start_server
start_client alice cli a0
id=$(field alice id)
tcp_start up cli send

# poison both|in PORT: outside, what comes from or goes to that port of the router.
poison()
{
	on nat_a nft -f - <<-EOF
	table netdev poison {
		chain in {
			type filter hook ingress device "wa" priority 0;
			udp dport $2 drop
		}
	}
	EOF
	[ "$1" = in ] || on srv nft -f - <<-EOF
	table netdev poison {
		chain in {
			type filter hook ingress device "sa" priority 0;
			udp sport $2 drop
		}
	}
	EOF
}

port() { local r; r=$(peer_field alice active.remote) && printf '%s' "${r##*:}"; }
at_another_port()
{
	local p

	client_is alice state ATTACHED && peer_is alice state ATTACHED && p=$(port) && [ "$p" != "$1" ]
}

for way in both in; do
	say "  swallowed: $way"
	before=$(port)
	attempts=$(audit_lines alice event_type=ReattachAttempt || :)
	probe_start probe cli
	poison "$way" "$before"
	expect 3000 "the session goes on from another port" at_another_port "$before"
	probe_stop probe
	expect_gap_below probe 2000
	[ "$(field alice id)" = "$id" ] || fail "another session"
	[ "$(audit_lines alice event_type=ReattachAttempt)" -gt "${attempts:-0}" ] || fail "the rung is not in the trail"
	on nat_a nft delete table netdev poison
	on srv nft delete table netdev poison 2>/dev/null || :
done
tcp_stop up
audit_forbid server event_type=SessionTerminated session_id="$id"
say "ok"
