#!/bin/bash
# What the daemon keeps once everything is open: CAP_NET_ADMIN and no way to more; and a server's workers nothing at all.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
peer alice 2
start_server
start_client alice cli a0

capabilities() # NAME: each set of each thread, in short, a line a thread
{
	for task in /proc/"${RIG_PID[$1]}"/task/*; do
		grep -E '^(Cap(Inh|Prm|Eff|Amb|Bnd)|NoNewPrivs|Seccomp):' "$task/status" | sort | tr -s '\t\n' '  '
		echo
	done | sort | uniq -c
}

# Bit 12 is CAP_NET_ADMIN. The bounding set stays where it cannot be cleared (no CAP_SETPCAP), but gains nothing then.
held_by() { printf 'CapAmb: 0+ CapBnd: [0-9a-f]+ CapEff: 0+%s CapInh: 0+ CapPrm: 0+%s NoNewPrivs: 1 Seccomp: 2 ' "$1" "$1"; }

for who in server alice; do
	held=$(capabilities "$who")
	say "  $who: $held"
	[ -z "$(grep -vE "^ *[0-9]+ ($(held_by 1000)|$(held_by 0))\$" <<<"$held")" ] || fail "$who keeps: $held"
done
capabilities server | grep -qE "^ *1 $(held_by 0)\$" || fail "the server's worker keeps something, or another thread nothing"
! capabilities alice | grep -qE "$(held_by 0)" || fail "the client's worker cannot set up its device any more"
say "ok"
