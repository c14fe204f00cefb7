#!/bin/bash
# A jump by order under load: same SessionID, same inner address, same TCP connections, and nothing is lost.

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
binding=$(peer_field alice binding_version)
tcp_start up cli send
tcp_start down cli recv
probe_start probe cli
jump alice b
probe_stop probe
tcp_stop up
tcp_stop down
expect_no_loss probe
[ "$(field alice id)" = "$id" ] || fail "the client has another session: $(field alice id), not $id"
[ "$(peer_field alice id)" = "$id" ] || fail "the server has another session: $(peer_field alice id), not $id"
[ "$(field alice 'addresses[0]')" = "$address" ] || fail "the inner address changed"
[ "$(peer_field alice binding_version)" -eq $((binding + 1)) ] ||
	fail "binding_version went from $binding to $(peer_field alice binding_version) in one jump"
case $(peer_field alice active.remote) in
*10.1.2.2*) ;;
*) fail "the server sends to $(peer_field alice active.remote), not to path b" ;;
esac
audit_expect server event_type=TransportSwitch session_id="$id"
audit_expect alice event_type=SessionStateChange session_id="$id" to=ATTACHED reason_code=reattach_success
say "ok"
