#!/bin/bash
# The rig's routers masquerade, and a rebinding changes the port the server sees while the client notices nothing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ns_setup_nat
ip -n cli route add 10.1.1.1/32 via 192.168.1.1 # the echo server has no socket for one address alone
start_services
spawn capture srv "$TOOLS/capture" --interface sa --to-port 7 --out "$TMP/recorded" --ready-file "$TMP/capture.ready"
expect 3000 "the capture runs" test -e "$TMP/capture.ready"

ports() { cut -d' ' -f1 "$TMP/recorded" | sort -u; }
another_port() { [ "$(ports | wc -l)" -gt "$1" ]; }

rm -f "$TMP/probe.ready"
spawn probe cli "$TOOLS/prober" client --to 10.1.1.1:7 --interface a0 --ready-file "$TMP/probe.ready"
expect 3000 "probes come back through the router" test -e "$TMP/probe.ready"
for n in 1 2 3; do
	before=$(ports | wc -l)
	nat_rebind a
	expect 3000 "the server sees another source port after rebinding $n" another_port "$before"
done
probe_stop probe
probe_summary probe
ports | grep -qv '^10\.1\.1\.2:' && fail "not masqueraded: $(ports)"
[ "$(result probe alive_at_end)" = true ] || fail "no echoes after the rebinding"
stop capture || fail "the capture failed"
say "ok"
