#!/bin/bash
# A server listens on addresses that come later than it: on one that no interface has yet, on a link-local one whose interface
# comes, goes and comes back with another number; and without IPv6 on IPv4 alone. Each is said once, and when it has come.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ip -n cli route add 192.0.2.77/32 via 10.1.1.1 dev a0 metric 1
ip -n cli route add 192.0.2.77/32 via 10.1.2.1 dev b0 metric 2
start_services
peer alice 2
SERVER_WORKERS=2
SERVER_LISTEN='"udp://192.0.2.77:4433", "udp://[fe80::77%late0]:4433"'
ENDPOINT[alice]=udp://192.0.2.77:4433

# --- check, and the start ---

server_config
say 'metrics: { listen: "192.0.2.77:9551" }' >>"$TMP/server.yaml"
on srv "$JUMPVPND" check "$TMP/server.yaml" >"$TMP/check" 2>&1 || fail "check refuses it: $(cat "$TMP/check")"
grep -q 'note: .*listen\[0\]: no interface has this address now' "$TMP/check" || fail "check does not note the address"
grep -q 'note: .*listen\[1\]: there is no interface late0 now' "$TMP/check" || fail "check does not note the interface"
spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
expect 10000 "the server answers on its control socket" answers server
deepen_queue srv jump0
launch_client alice cli a0 b0
log_has() { [ "$(grep -c "$1" "$TMP/server.log")" -eq "${2:-1}" ]; }
expect 5000 "the address is said to be missing" log_has '192.0.2.77:4433: no interface has this address yet'
expect 5000 "the interface is said to be missing" log_has 'late0\]:4433: there is no such interface'

# --- they come ---

ip -n srv addr add 192.0.2.77/32 dev lo
expect 15000 "the client is attached" client_is alice state ATTACHED
expect 5000 "it is said that the address has come" log_has '192.0.2.77:4433: the address has come'
# shellcheck disable=SC2016 # that is for the inner shell
on srv timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.77/9551; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3' |
	grep -q ^jumpvpn_uptime_seconds || fail "no metrics on the address that came late"
id=$(field alice id)
sockets() { on srv ss -Hlun "sport = :4433" | grep -c "fe80::77\]\?%late0"; }
listens() { [ "$(sockets)" -gt 0 ]; }
late0()
{
	ip -n srv link add late0 type veth peer name late1
	ip -n srv link set late0 up
	ip -n srv link set late1 up
	ip -n srv addr add fe80::77/64 dev late0 nodad
}
late0
expect 5000 "the server listens on the link-local address" listens
many=$(sockets)
probe_start probe cli
ip -n srv link delete late0
expect 5000 "the interface is said to be gone" log_has 'late0\]:4433: there is no such interface' 2
ip -n srv link add other0 type veth peer name other1 # takes its number where the kernel gives it again
late0
expect 5000 "the server listens there again" log_has 'listening on udp://\[fe80::77%late0\]:4433' 2
has_all() { [ "$(sockets)" -eq "$many" ]; }
expect 5000 "by as many sockets" has_all

# --- the address goes, and comes again elsewhere: the same session ---

probe_stop probe
expect_no_loss probe
ip -n srv addr del 192.0.2.77/32 dev lo
ip -n srv addr add 192.0.2.77/32 dev other0
ip -n srv link set other0 up
ip -n srv link set other1 up
echoes() { on cli "$TOOLS/prober" ping 10.8.0.1; }
expect 10000 "the tunnel carries" echoes
[ "$(field alice id)" = "$id" ] || fail "another session"
stop server || fail "the server ended with status $?"

# --- no IPv6 at all ---

for listen in '"udp://0.0.0.0:4433", "udp://[::]:4433"' '"udp://[::]:4433"'; do
	SERVER_LISTEN=$listen
	server_config
	status=0
	LD_PRELOAD="$TOOLS/noipv6.so" spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
	if [[ $listen == *0.0.0.0* ]]; then
		expect 15000 "the client is attached to IPv4 alone" client_is alice state ATTACHED
		log_has '\[::\]:4433: this system has no IPv6' || fail "not said once: $(cat "$TMP/server.log")"
		stop server || fail "the server ended with status $?"
	else
		finish server 5000 || status=$?
		[ "$status" -eq 1 ] || fail "status $status with nothing to listen on"
		log_has 'none of .listen. can be opened' || fail "not said: $(cat "$TMP/server.log")"
	fi
done
say "ok"
