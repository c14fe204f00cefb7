#!/bin/sh
# The model of the jump protocol under spin: every configuration below is searched to the end (no bitstate), and with
# -m every guard is switched off in turn, which spin must find. Work is done in a directory of its own.
# usage: run.sh [-m] [-v] ROWS    ROWS is the program built from rows.c; -v prints the traces found
set -u

here=$(cd "$(dirname "$0")" && pwd)
mutations='' verbose=''
while getopts mv option; do
	case $option in
	m) mutations=1 ;;
	v) verbose=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
rows=$(realpath "$1")
for tool in spin gcc; do
	command -v $tool >/dev/null || {
		echo "  skip  model: there is no $tool"
		echo '0 passed, 0 failed, 1 skipped'
		exit 0
	}
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
"$rows" >fsm.pml || exit 1
cp "$here/jump.pml" .
passed=0 failed=0

# search FLAGS: 0 nothing found, 1 an error, 2 not complete; leaves the report in `report`.
search() {
	rm -f ./*.trail pan pan.*
	# shellcheck disable=SC2086 # a list of flags
	spin -a $1 jump.pml >spin.log 2>&1 && gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c 2>>spin.log || {
		cat spin.log
		return 2
	}
	timeout -k 5 "${MODEL_TIMEOUT:-120}" ./pan -m1000000 >report 2>&1
	[ ! -f jump.pml.trail ] || return 1
	grep -q 'errors: 0' report && ! grep -q 'not completed\|max search depth' report || return 2
}

said() { sed -n "s/.*assertion violated *\(.*\) (at depth.*/\1/p" report | cut -c 1-60; }

check() { # NAME FLAGS
	if search "$2"; then
		passed=$((passed + 1))
		printf '  ok    %s: %s states, depth %s, %s s\n' "$1" "$(awk '/states, stored/ { print $1 }' report)" \
			"$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' report)" \
			"$(sed -n 's/.*elapsed time \([0-9.e+-]*\) sec.*/\1/p' report)"
		return
	fi
	failed=$((failed + 1))
	printf '  FAIL  %s: %s\n' "$1" "$(said)"
	[ -f jump.pml.trail ] || sed 's/^/    /' report
	# shellcheck disable=SC2086
	[ ! -f jump.pml.trail ] || spin -t $2 jump.pml | grep -v '^ *$' | tail -n 80
}

finds() { # NAME FLAGS: a broken guard
	search "$2"
	if [ $? -eq 1 ]; then
		passed=$((passed + 1))
		printf '  found %s: %s\n' "$1" "$(said)"
		# shellcheck disable=SC2086
		[ -z "$verbose" ] || spin -t $2 jump.pml | grep -v '^ *$' | tail -n 40
	else
		failed=$((failed + 1))
		printf '  FAIL  %s: not found by the model\n' "$1"
	fi
}

JUMPS='-DACTS=2 -DIDS=3'
KEPT='-DACTS=2 -DIDS=2 -DKEPT'
ADDRESSES='-DACTS=2 -DIDS=1 -DADDRESSES'
ENDS='-DACTS=2 -DIDS=2 -DENDS'
PINGS='-DACTS=2 -DIDS=2 -DPINGS'
DATA='-DACTS=1 -DIDS=2 -DDATA'

if [ -z "$mutations" ]; then
	check 'two paths, jumps and lost answers' "$JUMPS"
	check 'two paths, one switch allowed' '-DACTS=2 -DIDS=3 -DBUDGET=1'
	check 'two paths, packets kept beyond the calm' "$KEPT"
	check 'two paths, PINGs and PONGs on their way' "$PINGS"
	check 'three paths' '-DPATHS=3 -DACTS=2 -DIDS=2'
	check 'orders of the server, PEER_DEAD' '-DACTS=2 -DIDS=2 -DORDERS -DPEER_DEAD'
	check 'NAT rebinding and a forwarder' "$ADDRESSES"
	check 'NAT rebinding, one path' '-DPATHS=1 -DACTS=3 -DIDS=2 -DADDRESSES'
	check 'two paths, data alone is lost on one' "$DATA"
	check 'ends: operator, superseded, CLOSE lost' "$ENDS"
else
	finds 'server: binding_version of a JUMP' "$KEPT -DBREAK_BINDING"
	finds 'server: order of JUMP ids' "$KEPT -DBREAK_ID_ORDER"
	finds 'server: the JUMP in force is acknowledged again' "$JUMPS -DBREAK_ACK_AGAIN"
	finds 'server: budget and cooldown' "$JUMPS -DBREAK_BUDGET"
	finds 'server: walks to RECOVERING before a switch' "$JUMPS -DBREAK_WALK"
	finds 'server: a PONG restores the session' "$JUMPS -DBREAK_RESTORE"
	finds 'server: nothing acts on an ended session' "$ENDS -DBREAK_ABSORBING"
	finds 'server: a new address is challenged' "$ADDRESSES -DBREAK_PROOF"
	finds 'both: replay window' "$PINGS -DBREAK_REPLAY"
	finds 'client: binding_version of an ACK' "$KEPT -DBREAK_ACK_BINDING"
	finds 'client: binding_version of a PONG' "$JUMPS -DBREAK_PONG_BINDING"
	finds 'client: takes the binding that a REJECT tells' "$JUMPS -DBREAK_NEW_BINDING"
	finds 'client: repeats its JUMP' "$JUMPS -DBREAK_REPEAT"
	finds 'client: does not ask again where a limit refused' "$JUMPS -DBREAK_REFUSED"
	finds 'client: leaves a path whose data is lost' "$DATA -DBREAK_DATA"
	# The rows are the daemon's: without one of them the model must fail too.
	for row in ATTACHED.*INSTABILITY VOLATILE.*HEALTH_RESTORED VOLATILE.*DEGRADE DEGRADED.*SWITCH_START \
		RECOVERING.*REATTACH_OK RECOVERING.*REATTACH_FAIL LIVING.*TERMINAL; do
		sed "/{ .*$row/d" "$here/../../src/session/fsm.c" >fsm.c
		cmp -s fsm.c "$here/../../src/session/fsm.c" && continue # nothing was removed: not found, below
		gcc -std=c11 -I"$here/../../include" -I"$here/../../src" -o other "$here/rows.c" fsm.c && ./other >fsm.pml
		finds "a row is missing: $(echo "$row" | tr -d '.' | tr '*' ' ')" "$ENDS"
	done
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
