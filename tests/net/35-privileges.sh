#!/bin/bash
# What the daemon keeps once everything is open: CAP_NET_ADMIN, in every thread, and no way to more.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
peer alice 2
start_server
start_client alice cli a0

capabilities() # NAME: each set of each thread, in short
{
	cat /proc/"${RIG_PID[$1]}"/task/*/status | grep -E '^(Cap(Inh|Prm|Eff|Amb|Bnd)|NoNewPrivs):' | sort -u | tr -s '\t\n' '  '
}

for who in server alice; do
	held=$(capabilities "$who")
	say "  $who: $held"
	# Bit 12 is CAP_NET_ADMIN. The bounding set stays where it cannot be cleared (no CAP_SETPCAP), but gains nothing then.
	[[ $held =~ ^CapAmb:\ 0+\ CapBnd:\ [0-9a-f]+\ CapEff:\ 0+1000\ CapInh:\ 0+\ CapPrm:\ 0+1000\ NoNewPrivs:\ 1\ $ ]] ||
		fail "$who keeps: $held"
done
say "ok"
