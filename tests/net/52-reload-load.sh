#!/bin/bash
# A reload under load: who is added can connect, who is removed is told so, and nobody else loses a packet.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
start_services
peer alice 2
peer bob 3
start_server
start_client alice cli a0 b0
start_client bob cli2 c0
alice=$(field alice id)
bob=$(field bob id)
tcp_start up cli send
tcp_start down cli recv
probe_start probe cli

say "  bob is removed, carol is added, and the policy changes"
peer_remove bob
peer carol 4
POLICY='switching: { max_switches_per_min: 60, switch_cooldown_ms: 0, failback_after_ms: 0, drain_ms: 700 }
  transport: { standby_probe_ms: 300 }'
server_config
"$JUMPVPND" reload -s "$TMP/server.sock" >/dev/null || fail "the reload was refused"
audit_expect server event_type=PolicyReloaded
audit_expect server event_type=SessionTerminated session_id="$bob" reason_code=peer_removed
expect 3000 "bob has no session" peer_has_no_session bob
stop bob || :
start_client carol cli2 c0
on cli2 "$TOOLS/prober" ping 10.8.0.1 >/dev/null || fail "carol does not get through"

say "  a broken file is refused, and what ran goes on"
cp "$TMP/server.yaml" "$TMP/good.yaml"
say "no_such_key: 1" >>"$TMP/server.yaml"
! "$JUMPVPND" reload -s "$TMP/server.sock" >/dev/null 2>&1 || fail "a broken configuration was accepted"
mv "$TMP/good.yaml" "$TMP/server.yaml"
kill -HUP "${RIG_PID[server]}"
generation_is() { [ "$(told server daemon.config_generation)" -eq "$1" ]; }
expect 3000 "SIGHUP reloads" generation_is 3

probe_stop probe
tcp_stop up
tcp_stop down
expect_no_loss probe
[ "$(field alice id)" = "$alice" ] || fail "alice has another session"
audit_forbid server event_type=SessionTerminated session_id="$alice"
say "ok"
