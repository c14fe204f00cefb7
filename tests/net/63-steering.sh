#!/bin/bash
# Three workers and clients at each: what goes to a client surfaces at its worker, so nothing is handed over. Where
# eBPF is refused all is carried as well, by way of the rings.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
SERVER_WORKERS=3
names=(alice bob carol)
ns_server
for i in 0 1 2; do
	ns_add "cli$i"
done
path_add a 1 cli0
path_add b 2 cli1
path_add c 3 cli2
start_services
peer alice 2
peer bob 3
peer carol 4

start_clients()
{
	start_client alice cli0 a0
	start_client bob cli1 b0
	start_client carol cli2 c0
	for name in "${names[@]}"; do
		peer_field "$name" worker
	done | sort -u >"$TMP/workers"
	[ "$(wc -l <"$TMP/workers")" -eq 3 ] || fail "the clients are on workers $(tr '\n' ' ' <"$TMP/workers")"
}

# As a system that gives the daemon no CAP_BPF.
start_server_without_bpf()
{
	server_config
	spawn server srv setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-bpf,-sys_admin \
		"$JUMPVPND" run -c "$TMP/server.yaml"
	expect 10000 "the server answers on its control socket" answers server
	grep -q 'no steering by worker' "$TMP/server.log" || fail "the log does not say that steering is off"
}

# Packets of many flows to each client, from a new port each: a choice by flow would send most of them elsewhere.
flood()
{
	local address before

	before=$(counter server tx_packets)
	for address in 10.8.0.2 10.8.0.3 10.8.0.4 fd00:8::2 fd00:8::3 fd00:8::4; do
		# shellcheck disable=SC2016 # for the inner shell
		on srv bash -c 'for i in {1..20}; do echo hello >/dev/udp/'$address'/9; done'
	done
	expect 3000 "120 packets are sent to the clients" counter_above server tx_packets $((before + 119))
}

steering() { told server daemon.offloads | grep -o 'steering: .*'; }

carries()
{
	local name i=0

	flood
	for name in "${names[@]}"; do
		probe_start "$name-probe" "cli$i"
		tcp_start "$name-down" "cli$i" recv
		i=$((i + 1))
	done
	flood
	for name in "${names[@]}"; do
		probe_stop "$name-probe"
		tcp_stop "$name-down"
		expect_no_loss "$name-probe"
	done
	[ "$(counter server drop_ring_full)" -eq 0 ] || fail "packets were lost between the workers"
}

start_server
start_clients
if steering | grep -q 'by eBPF'; then
	say "  $(steering)"
	carries
	[ "$(counter server handed_over)" -eq 0 ] || fail "$(counter server handed_over) packets were handed over"

	say "  a reload: dave comes, alice goes, and bob and carol stay where they are"
	stop alice || :
	peer_remove alice
	peer dave 5
	server_config
	"$JUMPVPND" reload -s "$TMP/server.sock" >/dev/null || fail "the reload was refused"
	start_client dave cli0 a0
	for _ in 1 2 3 4 5 6 7 8; do
		on cli0 "$TOOLS/prober" ping 10.8.0.1 >/dev/null || fail "dave does not get through"
		# shellcheck disable=SC2016
		on srv bash -c 'for i in {1..20}; do echo hello >/dev/udp/10.8.0.5/9; done'
	done
	[ "$(counter server handed_over)" -eq 0 ] || fail "$(counter server handed_over) packets were handed over"
	stop dave || :
	peer_remove dave
	peer alice 2
	stop bob || :
	stop carol || :
	stop server || fail "the server ended with an error"
	start_server_without_bpf
	start_clients
fi

say "  $(steering)"
steering | grep -q 'eBPF' && fail "eBPF was not to be had, and still is in use"
carries
[ "$(counter server handed_over)" -gt 0 ] || fail "nothing was handed over: this tests nothing"
say "ok"
