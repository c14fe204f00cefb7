#!/bin/bash
# A handshake that fails says why: what went from where to where, and what came back. In the log after 5 s, in show at once.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

need_daemon
ns_setup
peer alice 2
make_key server
says() { grep -q "path $1: .*$2" "$TMP/alice.log"; }
shows() { [[ "$(field alice "paths[name=$1].called")" == *"$2"* ]]; }

say "  nobody listens"
launch_client alice cli a0 b0
expect 5000 "show tells of ICMP" shows a "nothing listens on that port"
expect 15000 "the log tells of it" says a "HELLOs in .*, from 10.1.1.2 (a0) to 192.0.2.1:4433: refused by ICMP"
[ "$(field alice "paths[name=a].sent")" -gt 0 ] || fail "no HELLO is counted"

[ "$(grep -c 'path a: ' "$TMP/alice.log")" -le 2 ] || fail "the log is told too often"
stop alice || :

say "  the server has another key"
start_server
"$JUMPVPND" keygen | "$JUMPVPND" pubkey >"$TMP/other.pub"
SERVER_KEY_FOR[alice]=other
launch_client alice cli a0
expect 5000 "show tells of silence" shows a "no answer: is server.public_key"
stop alice || :

say "  a key that both need, and one has"
unset "SERVER_KEY_FOR[alice]"
client_config alice a0
(umask 077; head -c 32 /dev/urandom | base64 >"$TMP/psk")
sed -i "s|^server:|server:\n  psk_file: $TMP/psk|" "$TMP/alice.yaml"
spawn alice cli "$JUMPVPND" run -c "$TMP/alice.yaml"
expect 10000 "alice answers" answers alice
expect 5000 "show tells of the answer that does not open" shows a "is server.psk_file"
say "ok"
