#!/bin/bash
# The impaired link does what its words say, no more and no less: what arrives against the model, the same fate from the
# same seed, and neighbours that answer on a dead path.
#
# Alone: it measures the links of all the others.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ns_server
ns_add cli
IMPAIR=([a]="delay 1ms" [b]="none" [c]="none" [d]="none" [e]="delay 5ms jitter 3ms")
IMPAIR_SEED=([b]=7 [c]=7 [d]=8)
path_add a 1 cli
path_add b 2 cli
path_add c 3 cli
path_add d 4 cli
path_add e 5 cli
start_services

between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }
stat_of() { path_stats "$1" | "$TOOLS/jget" - "$2"; }
alive() { on cli "$TOOLS/prober" ping "$1" --count 1 --linger-ms 500; }

probes() # NAME COUNT ADDRESS [OPTION...]: of them, --interval-us 500
{
	local name=$1 count=$2 to=$3

	shift 3
	on cli "$TOOLS/prober" client --to "$to" --count "$count" --interval-us 500 --linger-ms 3000 "$@" >"$TMP/$name.out"
}

say "  1 ms each way, nothing lost"
probes plain 2000 10.1.1.1:7
[ "$(result plain lost)" -eq 0 ] || fail "$(result plain lost) probes lost on a whole link"
[ "$(result plain rtt_us_median)" -ge 2000 ] || fail "median round trip $(result plain rtt_us_median) us, two times 1 ms is 2000"
[ "$(stat_of a up.sent)" -ge 2000 ] || fail "the link has seen $(stat_of a up.sent) packets of 2000"
tcp_whole tcp cli send --to 10.1.1.1:5001 --bytes 20000001
tcp_whole tcp6 cli recv --to '[fd01:1::1]:5001' --bytes 20000001
for way in up down; do
	[ "$(stat_of a $way.lost)-$(stat_of a $way.overflow)" = 0-0 ] || fail "lost on the way $way: $(path_stats a)"
done

say "  30 % lost, one way"
path_impair a up loss 30% >/dev/null
probes lossy 2000 10.1.1.1:7
between "$(result lossy lost)" 500 700 || fail "$(result lossy lost) of 2000 probes lost, 30 % are 600"
[ "$(stat_of a up.lost)" -eq "$(result lossy lost)" ] || fail "the link counts $(stat_of a up.lost) lost"
[ "$(stat_of a down.lost)" -eq 0 ] || fail "lost on the other way, too"
path_impair a both clear >/dev/null

say "  duplicates, delay, an MTU hole"
path_impair a down dup 20% delay 20ms >/dev/null
probes twice 2000 10.1.1.1:7
between "$(result twice duplicates)" 320 480 || fail "$(result twice duplicates) duplicates of 2000, 20 % are 400"
[ "$(result twice rtt_us_median)" -ge 21000 ] || fail "median round trip $(result twice rtt_us_median) us, not 21 ms"
path_impair a both clear >/dev/null
path_impair a both mtu 1000 >/dev/null
probes small 100 10.1.1.1:7 --size 972
probes large 100 10.1.1.1:7 --size 973
[ "$(result small lost)-$(result large lost)" = 0-100 ] ||
	fail "MTU 1000: $(result small lost) of IP length 1000 and $(result large lost) of 1001 lost"

say "  a rate"
path_impair a both clear >/dev/null
path_impair a up rate 8mbit >/dev/null
on cli "$TOOLS/bulk" send --to 10.1.1.1:5001 --seconds 2 >"$TMP/slow.out"
rate=$(result slow mbit_per_s)
between "${rate%.*}" 1 7 || fail "TCP made $rate Mbit/s over a link of 8" # how close it comes is the machine's affair
path_impair a both clear >/dev/null

say "  dead, and the neighbours answer"
path_impair a both blackhole >/dev/null
ip -n cli neigh flush dev a0
ip -n srv neigh flush dev sa
! alive 10.1.1.1 >/dev/null || fail "a dead path answers"
! alive fd01:1::1 >/dev/null || fail "a dead path answers (IPv6)"
is_neighbour() { ip -n cli neigh show "$1" dev a0 | grep -q lladdr; }
for address in 10.1.1.1 fd01:1::1; do
	expect 3000 "a neighbour $address on a dead path" is_neighbour "$address"
done
path_impair a both clear >/dev/null
expect 3000 "the path is mended" alive 10.1.1.1

say "  carrier"
carrier_is() { [ "$(on cli cat /sys/class/net/a0/carrier)" = "$1" ]; }
path_impair a carrier off >/dev/null
expect 3000 "no carrier" carrier_is 0
path_impair a carrier on >/dev/null
expect 3000 "carrier again" carrier_is 1

say "  the same seed, the same fate"
spawn record cli "$TOOLS/capture" --interface a0 --to-port 7 --count 1000 --out "$TMP/recorded" \
	--ready-file "$TMP/record.ready"
expect 3000 "the capture runs" test -e "$TMP/record.ready"
probes source 1000 10.1.1.1:7
finish record 3000 || fail "the capture failed"
# The last one, over a link that loses nothing any more: what comes before it has arrived by then.
last_one()
{
	path_impair "$1" up clear >/dev/null
	on cli "$TOOLS/dgram" garbage --to "10.1.${PATH_NUMBER[$1]}.1:9" --count 1 --len 77-77 >/dev/null || :
}
has_last_one() { [ "$(tail -n 1 "$TMP/fate-$1" | cut -d' ' -f3 | wc -c)" -eq 155 ]; }

for path in b c d e; do
	# What waits for a neighbour is no more than 200 kB, and on a busy machine 1,000 datagrams are sent before it answers.
	expect 3000 "somebody answers on path $path" alive "10.1.${PATH_NUMBER[$path]}.1"
	all=() # what has been delayed is waited for: of that link none may be missing
	[ "$path" != e ] || all=(--count 1000)
	[ "$path" = e ] || path_impair "$path" up loss 10% dup 10% >/dev/null
	spawn "fate-$path" srv "$TOOLS/capture" --interface "s$path" --to-port 9 "${all[@]}" --out "$TMP/fate-$path" \
		--ready-file "$TMP/fate-$path.ready"
	expect 3000 "the capture runs" test -e "$TMP/fate-$path.ready"
	on cli "$TOOLS/dgram" replay --to "10.1.${PATH_NUMBER[$path]}.1:9" --file "$TMP/recorded" >/dev/null || :
	if [ "$path" = e ]; then
		finish "fate-$path" 3000 || fail "jitter alone has lost datagrams"
	else
		last_one "$path"
		expect 3000 "all that path $path carries has come" has_last_one "$path"
		stop "fate-$path" || fail "the capture failed"
		sed -i '$d' "$TMP/fate-$path"
	fi
	cut -d' ' -f3 "$TMP/fate-$path" >"$TMP/fate-$path.hex"
	lines=$(wc -l <"$TMP/fate-$path.hex")
	between "$lines" 900 1080 || fail "path $path: $lines of 1000 datagrams with 10 % lost and 10 % twice"
done
cmp -s "$TMP/fate-b.hex" "$TMP/fate-c.hex" || fail "two links of the same seed differ"
! cmp -s "$TMP/fate-b.hex" "$TMP/fate-d.hex" || fail "two links of different seeds are the same"

cut -d' ' -f3 "$TMP/recorded" | cmp -s - "$TMP/fate-e.hex" || fail "jitter alone has moved datagrams"

say "  words that are none"
for words in "both delay" "both delay 5" "up loss 3" "sideways loss 3%" "both fast" "carrier maybe" "both rate 10" "both clear mtu 1000" "down mtu 99999"; do
	# shellcheck disable=SC2086 # words
	"$TOOLS/impair" ask "$TMP/impair-a" $words >"$TMP/answer" && fail "\"$words\" was taken: $(cat "$TMP/answer")"
	grep -q '^error: ' "$TMP/answer" || fail "\"$words\": $(cat "$TMP/answer")"
done
say "ok"
