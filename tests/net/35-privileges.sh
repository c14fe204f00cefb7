#!/bin/bash
# What the daemon keeps once everything is open: CAP_NET_ADMIN and no way to more; and a server's workers nothing at all.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
peer alice 2
start_server
start_client alice cli a0

capabilities() # NAME: each thread's name and sets, in short, a line a thread
{
	for task in /proc/"${RIG_PID[$1]}"/task/*; do
		grep -E '^(Name|Cap(Inh|Prm|Eff|Amb|Bnd)|NoNewPrivs|Seccomp):' "$task/status" | sort | tr -s '\t\n' '  '
		echo
	done | sort | uniq -c
}

# Bit 12 is CAP_NET_ADMIN. The bounding set stays where it cannot be cleared (no CAP_SETPCAP), but gains nothing then.
held_by() # SETS NAME
{
	printf 'CapAmb: 0+ CapBnd: [0-9a-f]+ CapEff: 0+%s CapInh: 0+ CapPrm: 0+%s Name: %s NoNewPrivs: 1 Seccomp: 2 ' "$1" "$1" "$2"
}

for who in server alice; do
	held=$(capabilities "$who")
	say "  $who: $held"
	[ -z "$(grep -vE "^ *[0-9]+ ($(held_by 1000 '[^ ]+')|$(held_by 0 '[^ ]+'))\$" <<<"$held")" ] || fail "$who keeps: $held"
done
# Threads for key agreements, one for each CPU and at a client one alone, need nothing of the kernel but the processor.
needs_nothing() { capabilities "$1" | grep -E "$(held_by 0 agreement)\$" | awk '{ print $1 }'; }
[ "$(needs_nothing server)" -eq "$(nproc)" ] || fail "threads for key agreements keep something"
[ "$(needs_nothing alice)" -eq 1 ] || fail "the client's thread for key agreements keeps something"
capabilities server | grep -qE "^ *1 $(held_by 0 jumpvpnd)\$" || fail "the server's worker keeps something, or another thread nothing"
! capabilities alice | grep -qE "$(held_by 0 jumpvpnd)" || fail "the client's worker cannot set up its device any more"
say "ok"
