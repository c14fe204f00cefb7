#!/bin/bash
# One link, both address families: the one in use is lost, by silence and by the link's own word, and comes back.
# With a path of its own for each family, and with one path for both.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ip -n cli link set b0 down # or its addresses would do for the first link, too
start_services
peer alice 2
ENDPOINT[alice]='udp://192.0.2.1:4433", "udp://[2001:db8::1]:4433'

outer_is() # TEXT: in the address that the server sends to
{
	local remote

	remote=$(peer_field alice active.remote) && [[ $remote == *"$1"* ]]
}
over() { client_is alice state ATTACHED && peer_is alice state ATTACHED && outer_is "$1"; }

v4_silent()
{
	local end ns device

	for end in srv:sa cli:a0; do
		ns=${end%:*} device=${end#*:}
		on "$ns" nft -f - <<-EOF
		table netdev v4 {
			chain in {
				type filter hook ingress device "$device" priority 0;
				meta protocol ip drop
			}
		}
		EOF
	done
}

# case TEXT ADDRESS BOUND COMMAND...: after it the session is at that address, and nothing inside has noticed but for a gap.
moves()
{
	local text=$1 address=$2 bound=$3

	shift 3
	say "  $text"
	probe_start probe cli
	"$@"
	expect "$bound" "the session is at $address" over "$address"
	probe_stop probe
	expect_gap_below probe "$bound"
	[ "$(peer_field alice id)" = "$id" ] || fail "another session"
}

for candidates in 2 1; do
	say "at most $candidates paths"
	POLICY="switching: { max_switches_per_min: 60, switch_cooldown_ms: 0, failback_after_ms: 0 }
  transport: { standby_probe_ms: 250, max_candidates: $candidates }"
	start_server
	start_client alice cli a0
	[ "$candidates" -eq 1 ] || expect 5000 "the second family is warm" path_is_warm alice a/2
	id=$(field alice id)
	expect 3000 "the session begins over IPv4" over 10.1.1.2
	tcp_start up cli send
	moves "IPv4 falls silent" fd01:1::2 2000 v4_silent
	on srv nft delete table netdev v4
	on cli nft delete table netdev v4
	moves "IPv6 is taken away" 10.1.1.2 2000 ip -n cli addr del fd01:1::2/64 dev a0
	path_configure a
	[ "$candidates" -eq 1 ] || expect 5000 "IPv6 is warm again" path_is_warm alice a/2
	moves "IPv4 is taken away" fd01:1::2 2000 ip -n cli addr del 10.1.1.2/24 dev a0
	path_configure a
	tcp_stop up
	audit_expect alice event_type=ReattachAttempt session_id="$id" remote='[2001:db8::1]:4433'
	audit_expect alice event_type=ReattachAttempt session_id="$id" remote=192.0.2.1:4433
	stop alice
	stop server
done
say "ok"
