#!/bin/bash
# Two clients of one worker and one socket, and much more for alice than her link carries: what is too much is dropped
# and counted, alice's session lives (she loses much, and may well call that VOLATILE), and bob, who has a link of his
# own, does not notice.
#
# Alone: it fills a socket faster than that is emptied.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
command -v tc >/dev/null || skip "tc is not installed"
ns_server
ns_add cli
ns_add cli2
path_add a 1 cli
path_add c 3 cli2
# With a queue that takes all it is given, as network cards have, so that the socket fills up.
tc -n srv qdisc add dev sa root handle 1: htb default 1 2>/dev/null || skip "this kernel has no htb"
tc -n srv class add dev sa parent 1: classid 1:1 htb rate 20mbit burst 64k
tc -n srv qdisc add dev sa parent 1:1 pfifo limit 10000
peer alice 2
peer bob 3
start_server
ip -n srv link set jump0 txqueuelen 10000 # on a busy machine this would be full first, and know no sessions
start_client alice cli a0
start_client bob cli2 c0
id=$(peer_field alice id)
spawn bob-echo cli2 "$TOOLS/prober" server --listen '[::]:7' --ready-file "$TMP/bob-echo.ready"
spawn alice-echo cli "$TOOLS/prober" server --listen '[::]:7' --ready-file "$TMP/alice-echo.ready"
expect 3000 "bob's echo server runs" test -e "$TMP/bob-echo.ready"
expect 3000 "alice's echo server runs" test -e "$TMP/alice-echo.ready"

say "  400 Mbit/s to alice over 20 Mbit/s, and a probe each millisecond to bob"
spawn flood srv "$TOOLS/prober" client --to 10.8.0.2:7 --interval-us 24 --size 1200 --linger-ms 1500
expect 10000 "the socket is full" counter_above server drop_socket_full 5000
before=$(counter server drop_socket_full)
spawn probe srv "$TOOLS/prober" client --to 10.8.0.3:7 --seconds 3 --linger-ms 1000
finish probe 10000 || fail "the prober failed"
[ "$(counter server drop_socket_full)" -gt "$before" ] || fail "the socket was not full meanwhile"
stop flood || fail "the flooding prober failed"

probe_summary flood
probe_summary probe
# Of what is sent to alice most is lost, on a busy machine that sends more slowly less. Where bob shared that, he would lose as
# large a part.
share() { say $((1000 * $(result "$1" lost) / $(result "$1" sent))); }
[ "$(share flood)" -gt 50 ] || fail "too little was sent to alice"
[ $((2 * $(share probe))) -lt "$(share flood)" ] || fail "bob lost $(result probe lost) probes"
[ "$(peer_field alice id)" = "$id" ] || fail "alice has another session"
audit_forbid server event_type=SessionTerminated
say "ok"
