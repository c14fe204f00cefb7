#!/bin/bash
# A session jumps, for people to watch: two namespaces, two paths, a download and a probe each millisecond inside the
# tunnel. The active path goes silently dead; the session finds out by itself and moves. Then it is ordered back.
# The timeline is what the client's audit log says; exit status 0 only when nothing broke. Takes some ten seconds.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

STEADY='' # as it comes
bold='' plain=''
[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'

heading() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }
note() { printf '%s\tnote\t%s\n' "$(now_ms)" "$1" >>"$TMP/notes"; }
row() { printf '  %-18s %s\n' "$1" "$2"; }
grouped() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }
path_name() { [ -z "$1" ] || field alice "paths[path=$1].name"; }

# Audit records and what this script did, in one order: time, kind, state, reason, path number.
events()
{
	local t state reason path

	cat "$TMP/notes"
	"$TOOLS/jget" --lines "$TMP/alice.audit" event_type=SessionStateChange --print ts_ms,to,reason_code,path_to |
		while IFS=$'\t' read -r t state reason path; do
			printf '%s\tstate\t%s\t%s\t%s\n' "$t" "$state" "$reason" "$path"
		done
}

timeline()
{
	local first='' t kind state reason path at

	printf '  %8s   %-11s %-28s %s\n' 'time (s)' state reason path
	sort -s -n -k1,1 "$TMP/events" | while IFS=$'\t' read -r t kind state reason path; do
		first=${first:-$t}
		at=$((t - first))
		at=$(printf '%d.%03d' $((at / 1000)) $((at % 1000)))
		case $kind in
		note) printf '  %8s   %s-- %s%s\n' "$at" "$bold" "$state" "$plain" ;;
		state) printf '  %8s   %-11s %-28s %s\n' "$at" "$state" "$reason" "$(path_name "$path")" ;;
		esac
	done
}

need_daemon
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)

tcp_start download cli recv
connection=$(cat "$TMP/download.ready")
probe_start death cli
note 'a download runs over path a, and a probe each millisecond'
sleep 1 # something to see before it breaks
note 'path a goes silently dead: no link down, no ICMP, only silence'
path_blackhole a both
expect 10000 'the session is on path b' carries_on alice b
sleep 1
probe_stop death
path_heal a
note 'path a is mended'
expect 10000 'path a is warm again' path_is_warm alice a
probe_start order cli
note 'an operator orders the session back to path a'
jump alice a
sleep 1
probe_stop order
stop download || fail "the download broke: $(result download error)"
events >"$TMP/events"

heading 'What happened'
timeline

heading 'What it cost'
printf '  %-18s %12s %12s %12s\n' '' 'longest gap' 'probes sent' 'lost'
for run in death order; do
	case $run in
	death) name='silent death' ;;
	order) name='ordered jump' ;;
	esac
	printf '  %-18s %9s ms %12s %12s\n' "$name" "$(result $run longest_gap_ms)" \
		"$(grouped "$(result $run sent)")" "$(grouped "$(result $run lost)")"
done

heading 'What stayed'
broken=
same() # NAME BEFORE AFTER
{
	row "$1" "$2"
	[ "$2" = "$3" ] && return
	row '' "$3   NOT THE SAME"
	broken=yes
}
same 'session, client' "$id" "$(field alice id)"
same 'session, server' "$id" "$(peer_field alice id)"
same 'TCP connection' "$connection -> 10.8.0.1:5001" "$(result download local_at_end) -> $(result download remote)"
row 'downloaded' "$(grouped "$(result download bytes)") bytes, checksum $(result download checksum), equal at both ends"
row 'switches' "$(field alice switches), and the session is $(field alice state) on path $(active_path alice)"
say

[ "$(result download ok)" = true ] || fail "the download is damaged"
[ -z "$broken" ] || fail "something did not survive"
[ "$(result death alive_at_end)" = true ] || fail "nothing came through after the path died"
[ "$(result order lost)" -eq 0 ] || fail "the ordered jump lost $(result order lost) probes"
# An end that gets no processor for a while is silent, and the other jumps once more: only where a record says so (late_ms).
moved_for_lateness() { grep -q '"event_type":"TransportSwitch".*"late_ms"' "$TMP/alice.audit" "$TMP/server.audit"; }
carries_on alice a || { client_is alice state ATTACHED && moved_for_lateness; } ||
	fail "the session is $(field alice state) on path $(active_path alice), not on path a"
