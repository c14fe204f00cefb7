#!/bin/bash
# Answers leave from the address that was asked, though the server has several; a router would drop others.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup_nat
start_services
peer alice 2
peer bob 3
start_server
spawn capture srv "$TOOLS/capture" --interface sa --from-port 4433 --out "$TMP/sent" --ready-file "$TMP/capture.ready"
expect 3000 "the capture runs" test -e "$TMP/capture.ready"

asked() # NAME ADDRESS
{
	ENDPOINT[$1]=udp://$2:4433
	: >"$TMP/sent"
	start_client "$1" cli a0
	tcp_whole "$1-up" cli send --to 10.8.0.1:5001 --bytes 20000000
	stop "$1" || :
	grep -q "^$2:4433 " "$TMP/sent" || fail "nothing was sent from $2"
	! grep -v "^$2:4433 " "$TMP/sent" | cut -d' ' -f1,2 | head -n 3 | grep . ||
		fail "$2 was asked, and another address answered"
}

asked alice 192.0.2.1
asked bob 192.0.2.9
stop capture || fail "the capture failed"
say "ok"
