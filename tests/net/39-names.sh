#!/bin/bash
# The server is known by a name. It moves to another address, the name follows, and the client follows the name.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
[ -e /etc/hosts ] && [ -e /etc/nsswitch.conf ] || skip "no /etc/hosts or no /etc/nsswitch.conf to lay our own over"
ns_setup
start_services
peer alice 2

# Written in place: daemons have the file mounted.
name_is() { say "$1 vpn.test" >"$TMP/hosts"; }

name_is 192.0.2.1
say "hosts: files" >"$TMP/nsswitch.conf"
mount --bind "$TMP/hosts" /etc/hosts
mount --bind "$TMP/nsswitch.conf" /etc/nsswitch.conf
ENDPOINT[alice]='udp://vpn.test:4433'
start_server
start_client alice cli a0 b0
id=$(field alice id)
tcp_start up cli send

remote_is() { client_is alice state ATTACHED && [ "$(field alice "paths[use=active].remote")" = "$1" ]; }

expect 3000 "the client is at the first address" remote_is 192.0.2.1:4433
name_is 192.0.2.9
ip -n srv addr del 192.0.2.1/32 dev lo
expect 20000 "the client is at the second address" remote_is 192.0.2.9:4433
expect 3000 "the server says ATTACHED" peer_is alice state ATTACHED
[ "$(peer_field alice id)" = "$id" ] || fail "another session"

# Told to use another address, it leaves the one that still answers.
ip -n srv addr add 192.0.2.1/32 dev lo
ENDPOINT[alice]='udp://192.0.2.1:4433'
client_config alice a0 b0
ask alice reload >/dev/null || fail "the reload was refused"
expect 3000 "the client is at the address of the new configuration" remote_is 192.0.2.1:4433
[ "$(peer_field alice id)" = "$id" ] || fail "another session"
tcp_stop up
ENDPOINT[alice]='udp://vpn.test:4433'

# A client that starts while the name means nothing yet.
stop alice
: >"$TMP/hosts"
launch_client alice cli a0
name_is 192.0.2.9
expect 10000 "there is a session once the name means something" client_is alice state ATTACHED
say "ok"
