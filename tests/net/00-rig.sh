#!/bin/bash
# The rig does what the other tests rely on: it carries, breaks and mends paths, and its tools notice.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

raw_probe() # NAME ADDRESS
{
	rm -f "$TMP/$1.ready"
	spawn "$1" cli "$TOOLS/prober" client --to "$2:7" --linger-ms 300 --ready-file "$TMP/$1.ready"
	expect 3000 "probes to $2 come back" test -e "$TMP/$1.ready"
}

stalled() { on cli "$TOOLS/prober" ping "$1" --count 1 --linger-ms 100 && return 1 || return 0; }
alive() { on cli "$TOOLS/prober" ping "$1" --count 1 --linger-ms 500; }

say "  two paths, IPv4 and IPv6"
ns_setup
start_services
for address in 10.1.1.1 10.1.2.1 192.0.2.1 fd01:1::1 fd01:2::1 2001:db8::1; do
	alive "$address" >/dev/null || fail "$address does not answer"
done

say "  silent death of a path, both ways and each alone"
for way in both out in; do
	raw_probe probe 10.1.1.1
	path_blackhole a "$way"
	expect 3000 "the path is dead ($way)" stalled 10.1.1.1
	expect 3000 "the other is not" alive 10.1.2.1
	path_heal a
	expect 3000 "the path is mended ($way)" alive 10.1.1.1
	probe_stop probe
	[ "$(result probe lost)" -gt 0 ] || fail "the prober missed a dead path ($way)"
	[ "$(result probe send_errors)" -eq 0 ] || fail "the dead path was not silent ($way)"
	[ "$(result probe alive_at_end)" = true ] || fail "the prober saw no end of it ($way)"
done

say "  link, carrier and address"
for break in link_down carrier_down addr_remove; do
	$break a
	expect 3000 "no way out after $break" stalled 10.1.1.1
	path_heal a
	expect 3000 "mended after $break" alive 10.1.1.1
	expect 3000 "IPv6 mended after $break" alive fd01:1::1
done

say "  bulk transfers whole, broken ones noticed"
tcp_whole up cli send --to 10.1.1.1:5001 --bytes 50000001
tcp_whole down cli recv --to '[fd01:2::1]:5001' --bytes 50000001 --seed 7
tcp_start cut cli send --to 10.1.1.1:5001 --patience-ms 300
path_blackhole a both
stop cut 0 2>/dev/null || [ "$(result cut ok)" = false ] || fail "a dead transfer was called whole"
path_heal a

say "  capture and replay"
spawn capture srv "$TOOLS/capture" --interface sa --to-port 7 --out "$TMP/recorded" --ready-file "$TMP/capture.ready"
expect 3000 "the capture runs" test -e "$TMP/capture.ready"
raw_probe probe 10.1.1.1
probe_stop probe
stop capture || fail "the capture failed"
sent=$(result probe sent)
[ "$(result capture datagrams)" -eq "$sent" ] || fail "recorded $(result capture datagrams) of $sent datagrams"
on cli "$TOOLS/dgram" replay --to 10.1.2.1:7 --file "$TMP/recorded" >"$TMP/replay.out" &&
	fail "echoes of replayed datagrams were taken for silence"
[ "$(result replay answers)" -eq "$sent" ] || fail "$(result replay answers) of $sent replayed datagrams echoed"
on cli "$TOOLS/dgram" garbage --to 10.1.2.1:9 --count 100 --type 0x14 >"$TMP/garbage.out" ||
	fail "silence was not taken for silence"

say "ok"
