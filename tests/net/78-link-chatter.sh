#!/bin/bash
# What concerns one link alone stays out of the tunnel: no ICMP redirect from client to client, whatever the sysctls say, no
# multicast of the link, no IGMP and MLD; and none of it is counted as somebody's fault, at either end.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
ns_add cli2
path_add c 3 cli2
# Redirects are sent where either of these says so, and `all` does on any fresh machine.
on srv sysctl -qw net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.default.send_redirects=1 \
	net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
peer alice 2
peer bob 3
start_server
start_client alice cli a0
start_client bob cli2 c0

snmp() # NAMESPACE FIELD: of ICMP
{
	on "$1" awk -v field="$2" '/^Icmp:/ { if (!at) { for (i = 1; i <= NF; i++) if ($i == field) at = i } else print $at }' /proc/net/snmp
}
faults() { say "$(counter "$1" drop_bad_source) $(counter "$1" drop_no_owner) $(counter "$1" icmp_sent)"; }
alice=$(faults alice) server=$(faults server)

# --- from client to client ---

for _ in 1 2 3; do
	on cli "$TOOLS/prober" ping 10.8.0.3 >/dev/null || fail "alice does not reach bob"
	on cli "$TOOLS/prober" ping fd00:8::3 >/dev/null || fail "alice does not reach bob by IPv6"
done
[ "$(snmp srv OutRedirects)" -gt 0 ] || fail "this kernel sends no redirects, so nothing is tested here"
[ "$(snmp cli InRedirects)" -eq 0 ] || fail "alice was told of another way to bob"
counter_above server link_chatter 0 || fail "the server counts no redirect"

# --- what a system says to its link ---

for ns in cli srv; do
	on $ns ip route add 224.0.0.0/4 dev jump0
	on $ns ip -6 route add ff00::/8 dev jump0 table local 2>/dev/null || :
done
for who in alice server; do
	ns=$([ $who = alice ] && say cli || say srv)
	before=$(counter $who link_chatter)
	ip -n "$ns" addr add 239.1.2.3/32 dev jump0 autojoin # IGMP
	on "$ns" bash -c 'echo mdns >/dev/udp/224.0.0.251/5353'
	on "$ns" bash -c 'echo llmnr >/dev/udp/224.0.0.252/5355'
	expect 5000 "$who counts what it does not carry" counter_above $who link_chatter $((before + 2))
	ip -n "$ns" addr add ff05::77/128 dev jump0 autojoin # MLD
	expect 5000 "MLD, too" counter_above $who link_chatter $((before + 3))
done
[ "$(faults alice)" = "$alice" ] || fail "alice counts faults: $(faults alice) after $alice"
[ "$(faults server)" = "$server" ] || fail "the server counts faults: $(faults server) after $server"
say "ok"
