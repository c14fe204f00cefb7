# shellcheck shell=bash
#
# The rig of the network tests: sourced first by each of them.
#
#     cli                                         srv
#       a0 10.1.1.2, fd01:1::2  ---- path a ----  sa 10.1.1.1, fd01:1::1
#       b0 10.1.2.2, fd01:2::2  ---- path b ----  sb 10.1.2.1, fd01:2::1
#       jump0 10.8.0.2, fd00:8::2   (session)     lo 192.0.2.1, 2001:db8::1   <- endpoint of the server
#                                                 jump0 10.8.0.1, fd00:8::1
#
# ns_setup builds that; ns_setup_nat puts a masquerading router (nat_a, nat_b) into each path; path_add joins
# further clients. With IMPAIR[LETTER]="delay 5ms loss 3%" a path is a link with that behaviour, see path_impair. Sourcing this file moves the script into namespaces of its own (mount, network, process, and user
# when it is not run by root), so that nothing of the machine changes and everything goes away with the script, however
# it ends. Where the kernel forbids that, the script says why and exits 77.
#
# Nothing here waits for a time to pass: wait_until polls a condition up to a bound. The bound says when a test gives up,
# not how fast something has to be: it is what an idle machine may take at most, and PATIENCE (10) times as long is waited,
# because other programs, or other tests, may have the processors. How fast something has to be is judged under virtual
# time, by tests/scenario and the simulator.

set -eu
export LC_ALL=C

RIG_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RIG_TOP=$(cd "$RIG_DIR/../.." && pwd)
JUMPVPND=${JUMPVPND:-$RIG_TOP/build/jumpvpnd}
TOOLS=${TOOLS:-$RIG_TOP/build/tests/net}
PATIENCE=${PATIENCE:-10}

say() { printf '%s\n' "$*"; }

skip()
{
	say "skipped: $*"
	exit 77
}

RIG_SAID=
fail()
{
	local i=1

	RIG_SAID=yes
	while [[ ${BASH_SOURCE[i]-} == */lib.sh ]] && [ -n "${BASH_SOURCE[i + 1]-}" ]; do
		i=$((i + 1))
	done
	say "FAIL: $* (${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]})" >&2
	exit 1
}

# --- into our own namespaces ---------------------------------------------------------------------------------------

rig_enter()
{
	local flags=(--mount --net --pid --fork --kill-child --mount-proc)

	[ "$(id -u)" -eq 0 ] || flags=(--user --map-root-user "${flags[@]}")
	unshare "${flags[@]}" true 2>/dev/null ||
		skip "this kernel gives user $(id -un) no namespaces (unshare ${flags[*]})"
	JUMPVPN_RIG=$(id -un) exec unshare "${flags[@]}" bash "$0" "$@"
}

rig_mount()
{
	mount -t tmpfs -o mode=0755 rig /run || skip "no tmpfs on /run in a mount namespace"
	mkdir -p /run/netns "$TMP"
	for program in ip nft; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	for tool in prober bulk dgram capture ctflush jget impair; do
		[ -x "$TOOLS/$tool" ] || fail "$TOOLS/$tool is missing: make it first"
	done
	ip link set lo up
}

# For everything that runs the daemon: it has to be there, and to be allowed to open a tunnel device.
need_daemon()
{
	[ -x "$JUMPVPND" ] || fail "$JUMPVPND is missing: make it first"
	ip tuntap add dev probe mode tun 2>/dev/null || skip "/dev/net/tun is not there or not for user $RIG_USER"
	ip tuntap del dev probe mode tun
}

declare -A RIG_PID=()
declare -A CLIENT_NS=() # path letter -> namespace of its client end

rig_cleanup() # COMMAND that was running
{
	local status=$? name f

	trap - EXIT INT TERM
	set +e
	case $status-$RIG_SAID in
	0-* | 77-* | *-yes) ;;
	*) say "FAIL: ended with status $status at: $1" >&2 ;;
	esac
	for name in "${!RIG_PID[@]}"; do
		kill "${RIG_PID[$name]}" 2>/dev/null
	done
	for name in "${!RIG_PID[@]}"; do
		wait_until 5000 rig_gone "${RIG_PID[$name]}" || kill -9 "${RIG_PID[$name]}" 2>/dev/null
	done
	# A sanitizer speaks at the end, when the test has already said what it thinks.
	if grep -qsE 'Sanitizer|runtime error:|bug: ' "$TMP"/*.log; then
		say "FAIL: a daemon's log holds a report:" >&2
		grep -hE -A12 'Sanitizer|runtime error:|bug: ' "$TMP"/*.log | head -n 40 >&2
		status=1
	fi
	rig_verify || status=1
	if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
		for f in "$TMP"/*.log "$TMP"/*.audit; do
			[ -s "$f" ] && [ "${TAIL:-15}" -gt 0 ] && say "--- ${f##*/}, last lines" && tail -n "${TAIL:-15}" "$f"
		done >&2
		[ -z "${KEEP-}" ] || cp -r "$TMP/." "$KEEP/"
	fi
	ip -all netns delete
	exit "$status"
}

# Whatever a test is about: the audit logs of its daemons are whole, and break no rule.
rig_verify()
{
	local logs=()

	for f in "$TMP"/*.audit; do
		[ ! -s "$f" ] || logs+=("$f")
	done
	[ ${#logs[@]} -gt 0 ] || return 0
	"$JUMPVPND" verify "${logs[@]}" >"$TMP/verify.out" 2>&1 || {
		say "FAIL: jumpvpnd verify finds:" >&2
		grep -v ': note: ' "$TMP/verify.out" | head -n 20 >&2
		return 1
	}
	say "    audit logs: $(grep ' records, .* sessions' "$TMP/verify.out"), 0 violations"
}

rig_gone() { ! kill -0 "$1" 2>/dev/null || [[ $(ps_state "$1") == Z ]]; }

ps_state()
{
	local line

	read -r line <"/proc/$1/stat" 2>/dev/null || return 0
	line=${line##*) }
	printf '%s' "${line%% *}"
}

now_ms() { printf '%s' $((${EPOCHREALTIME/./} / 1000)); }

# wait_until MS COMMAND...: polls until it succeeds; fails when it never does, not even after PATIENCE times as long. What
# does not come soon is asked for less often.
wait_until()
{
	local end=$((${EPOCHREALTIME/./} / 1000 + PATIENCE * $1)) pause=20

	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $((${EPOCHREALTIME/./} / 1000)) -lt "$end" ] || return 1
		sleep "0.0$pause"
		[ "$pause" -ge 80 ] || pause=$((pause + 10))
	done
}

# expect MS TEXT COMMAND...: the same, and the end of the test when it never does.
expect()
{
	local bound=$1 text=$2

	shift 2
	wait_until "$bound" "$@" || fail "not even within $((PATIENCE * bound)) ms: $text"
}

declare -A PROCESSORS=() # namespace -> where what runs in it stays, as taskset(1) takes it; none: anywhere

on() { ${PROCESSORS[$1]:+taskset -c "${PROCESSORS[$1]}"} ip netns exec "$@"; }

# spawn NAME NAMESPACE COMMAND...: in the background, output to NAME.out, messages to NAME.log.
spawn()
{
	local name=$1 ns=$2

	: >"$TMP/$name.out" # whoever looks into it may come before the command does
	shift 2
	${PROCESSORS[$ns]:+taskset -c "${PROCESSORS[$ns]}"} ip netns exec "$ns" "$@" >"$TMP/$name.out" 2>>"$TMP/$name.log" &
	RIG_PID[$name]=$!
}

# stop NAME [SIGNAL]: ends it and answers its exit status.
stop()
{
	local pid=${RIG_PID[$1]-} status=0

	[ -n "$pid" ] || fail "$1 was not started"
	unset "RIG_PID[$1]"
	kill "-${2:-TERM}" "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || status=$?
	return "$status"
}

# finish NAME MS: waits for it to end by itself; its exit status.
finish()
{
	local pid=${RIG_PID[$1]} status=0

	wait_until "$2" rig_gone "$pid" || fail "$1 did not end within $((PATIENCE * $2)) ms"
	unset "RIG_PID[$1]"
	wait "$pid" || status=$?
	return "$status"
}

# --- topology ------------------------------------------------------------------------------------------------------

ns_add()
{
	ip netns add "$1"
	ip -n "$1" link set lo up
	on "$1" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
}

ns_server()
{
	ns_add srv
	ip -n srv -batch - <<-EOF
	addr add 192.0.2.1/32 dev lo
	addr add 192.0.2.9/32 dev lo
	addr add 2001:db8::1/128 dev lo nodad
	EOF
}

ns_setup()
{
	ns_server
	ns_add cli
	path_add a 1 cli
	path_add b 2 cli
}

declare -A PATH_NUMBER=() PATH_NAT=()
declare -A IMPAIR=() IMPAIR_SEED=() # path letter -> what its link does, and from which seed: set before path_add

# path_add LETTER NUMBER NAMESPACE: a veth pair LETTER0 -- sLETTER, networks 10.1.NUMBER.0/24 and fd01:NUMBER::/64.
path_add()
{
	local p=$1

	PATH_NUMBER[$p]=$2
	CLIENT_NS[$p]=$3
	wire "$p" "$3" "${p}0" srv "s$p"
	path_configure "$p"
}

# wire LETTER NAMESPACE IF NAMESPACE IF: a veth pair, or TAP devices with an impaired link between them.
wire()
{
	if [ -z "${IMPAIR[$1]-}" ]; then
		ip link add "$3" netns "$2" type veth peer name "$5" netns "$4"
		return
	fi
	"$TOOLS/impair" link --near "$2:$3" --far "$4:$5" --control "$TMP/impair-$1" --seed "${IMPAIR_SEED[$1]-1}" \
		--up "${IMPAIR[$1]}" --down "${IMPAIR[$1]}" --ready-file "$TMP/impair-$1.ready" \
		>"$TMP/impair-$1.out" 2>>"$TMP/impair-$1.log" &
	RIG_PID[impair-$1]=$!
	wait_until 3000 test -e "$TMP/impair-$1.ready" || fail "path $1: $(cat "$TMP/impair-$1.log")"
	# As many frames as the model has under way at most: the devices themselves lose none.
	ip -n "$2" link set "$3" txqueuelen 10000
	ip -n "$4" link set "$5" txqueuelen 10000
}

# path_impair LETTER both|up|down WORDS: changes an impaired link ("loss 3% delay 20ms", "blackhole", "clear"); up is
# from the client. Prints when it was done, in us of the boot clock.
path_impair()
{
	local p=$1 answer

	shift
	answer=$("$TOOLS/impair" ask "$TMP/impair-$p" "$@") || fail "path $p, $*: $answer"
	say "${answer#ok }"
}

path_stats() { "$TOOLS/impair" ask "$TMP/impair-$1" stats; }

# Addresses, links and routes of a path as they are meant to be; repeating it repairs them.
path_configure()
{
	local p=$1 n=${PATH_NUMBER[$1]} ns=${CLIENT_NS[$1]} near far net6

	ip -n srv -batch - <<-EOF
	link set s$p up
	addr replace 10.1.$n.1/24 dev s$p
	addr replace fd01:$n::1/64 dev s$p nodad
	EOF
	if [ -n "${PATH_NAT[$p]-}" ]; then
		near=192.168.$n.2 far=192.168.$n.1 net6=''
	else
		near=10.1.$n.2 far=10.1.$n.1
		net6="addr replace fd01:$n::2/64 dev ${p}0 nodad
		route replace 2001:db8::1/128 via fd01:$n::1 dev ${p}0 metric $((100 * n))"
	fi
	ip -n "$ns" -batch - <<-EOF
	link set ${p}0 up
	addr replace $near/24 dev ${p}0
	$net6
	route replace 192.0.2.1/32 via $far dev ${p}0 metric $((100 * n))
	route replace 192.0.2.9/32 via $far dev ${p}0 metric $((100 * n))
	EOF
}

# As ns_setup, IPv4 alone, each path behind a router of its own that masquerades:
# cli a0 192.168.1.2 -- a1 192.168.1.1 nat_a wa 10.1.1.2 -- sa 10.1.1.1 srv
ns_setup_nat()
{
	ns_server
	ns_add cli
	nat_path_add a 1 cli
	nat_path_add b 2 cli
}

nat_path_add()
{
	local p=$1 n=$2 nat=nat_$1

	PATH_NUMBER[$p]=$n
	PATH_NAT[$p]=20000
	CLIENT_NS[$p]=$3
	ns_add "$nat"
	on "$nat" sysctl -qw net.ipv4.ip_forward=1
	ip link add "${p}0" netns "$3" type veth peer name "${p}1" netns "$nat"
	wire "$p" "$nat" "w$p" srv "s$p"
	ip -n "$nat" addr add "192.168.$n.1/24" dev "${p}1"
	ip -n "$nat" addr add "10.1.$n.2/24" dev "w$p"
	ip -n "$nat" link set "${p}1" up
	ip -n "$nat" link set "w$p" up
	path_configure "$p"
	ip -n "$nat" route add 192.0.2.0/24 via "10.1.$n.1"
	nat_rules "$p"
}

# What comes from outside for no mapping is dropped, as routers do, not answered by an ICMP error.
nat_rules()
{
	local ports=${PATH_NAT[$1]}-$((PATH_NAT[$1] + 9999))

	on "nat_$1" nft -f - <<-EOF
	add table ip nat
	add chain ip nat out { type nat hook postrouting priority 100; }
	add chain ip nat in { type filter hook input priority 0; }
	flush table ip nat
	add rule ip nat out oifname "w$1" meta l4proto udp masquerade to :$ports
	add rule ip nat out oifname "w$1" masquerade
	add rule ip nat in iifname "w$1" meta l4proto udp drop
	EOF
}

# The router of a path forgets its mappings and takes ports from another range from now on.
nat_rebind()
{
	PATH_NAT[$1]=$((PATH_NAT[$1] == 20000 ? 30000 : PATH_NAT[$1] == 30000 ? 40000 : 20000))
	nat_rules "$1"
	on "nat_$1" "$TOOLS/ctflush"
}

# What has a mapping now is swallowed, both ways; a new port gets a good one.
nat_poison()
{
	NAT_MARK=$((${NAT_MARK-0} + 1))
	on "nat_$1" nft -f - <<-EOF
	add table ip poison
	add chain ip poison through { type filter hook forward priority 0; }
	flush table ip poison
	add rule ip poison through ct state new ct mark set $NAT_MARK
	add rule ip poison through meta l4proto udp ct mark != $NAT_MARK drop
	EOF
}

hole()
{
	on "$1" nft -f - <<-EOF
	table netdev hole_$2 {
		chain in {
			type filter hook ingress device "$2" priority 0;
			icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
			meta protocol { ip, ip6 } drop
		}
	}
	EOF
}

# path_blackhole LETTER both|out|in: packets vanish without a word after they have left: out those of the client,
# in those of the server. Neighbours still answer, as the first hop of a dead path does.
path_blackhole()
{
	case $2 in
	both) hole srv "s$1" && hole "${CLIENT_NS[$1]}" "${1}0" ;;
	out) hole srv "s$1" ;;
	in) hole "${CLIENT_NS[$1]}" "${1}0" ;;
	*) fail "path_blackhole: both, out or in" ;;
	esac
}

path_heal()
{
	on srv nft delete table netdev "hole_s$1" 2>/dev/null || :
	on "${CLIENT_NS[$1]}" nft delete table netdev "hole_${1}0" 2>/dev/null || :
	path_configure "$1"
}

link_down() { ip -n "${CLIENT_NS[$1]}" link set "${1}0" down; }

# The far end goes: the client's interface stays up and loses its carrier.
carrier_down()
{
	if [ -n "${PATH_NAT[$1]-}" ]; then
		ip -n "nat_$1" link set "${1}1" down
	else
		ip -n srv link set "s$1" down
	fi
}

addr_remove() { ip -n "${CLIENT_NS[$1]}" addr flush dev "${1}0" scope global; }

# --- daemons -------------------------------------------------------------------------------------------------------

declare -a PEERS=()
declare -A PEER_NUMBER=() PEER_POLICY=() ENDPOINT=() TUNNEL=() SERVER_KEY_FOR=()
SERVER_LISTEN='"udp://0.0.0.0:4433", "udp://[::]:4433"'
SERVER_WORKERS=1
PUSH='{ routes: [ 10.8.0.0/24, "fd00:8::/64" ] }'
# Enough switches for a test, and standby paths known soon.
POLICY='switching: { max_switches_per_min: 60, switch_cooldown_ms: 0, failback_after_ms: 0 }
  transport: { standby_probe_ms: 250 }'

# An end that has to wait for a processor may be taken for dead, and a switch is the right answer. So that what is not
# about death is not judged by it, a path is given up after a quarter of a second's silence and not after 70 ms, unless a
# test has its own policy there. The usual bounds are those of the scenarios.
STEADY='volatility: { max_consecutive_drops: 20 }'

make_key()
{
	[ -s "$TMP/$1.key" ] && return
	(umask 077 && "$JUMPVPND" keygen >"$TMP/$1.key")
	"$JUMPVPND" pubkey <"$TMP/$1.key" >"$TMP/$1.pub"
}

# peer NAME NUMBER: is known to the server from its next (re)start or reload on, as 10.8.0.NUMBER and fd00:8::NUMBER.
peer()
{
	make_key "$1"
	PEER_NUMBER[$1]=$2
	PEERS+=("$1")
}

peer_remove()
{
	local name kept=()

	for name in "${PEERS[@]}"; do
		[ "$name" = "$1" ] || kept+=("$name")
	done
	PEERS=("${kept[@]}")
}

server_config()
{
	local name n

	make_key server
	{
		cat <<-EOF
		version: "1.0"
		role: server
		node: { id: 1, name: gw-1 }
		private_key_file: $TMP/server.key
		listen: [ $SERVER_LISTEN ]
		workers: $SERVER_WORKERS
		tunnel: { name: jump0, addresses: [ 10.8.0.1/24, "fd00:8::1/64" ], mtu: 1420 }
		push: $PUSH
		audit: { syslog: false, jsonl: $TMP/server.audit }
		control: { socket: $TMP/server.sock }
		policy:
		  $POLICY
		  $([[ $POLICY == *volatility:* ]] || say "$STEADY")
		peers:
		EOF
		for name in "${PEERS[@]}"; do
			n=${PEER_NUMBER[$name]}
			say "  - { name: $name, public_key: \"$(cat "$TMP/$name.pub")\"," \
				"addresses: [ 10.8.0.$n, \"fd00:8::$n\" ]${PEER_POLICY[$name]:+, policy: ${PEER_POLICY[$name]}} }"
		done
	} >"$TMP/server.yaml.new"
	mv "$TMP/server.yaml.new" "$TMP/server.yaml"
}

# client_config NAME INTERFACE...: one transport for each interface, named by its letter; or for INTERFACE=NAME=ENDPOINT.
client_config()
{
	local name=$1 interface path endpoint

	shift
	make_key "$name"
	{
		cat <<-EOF
		version: "1.0"
		role: client
		private_key_file: $TMP/$name.key
		server:
		  public_key: "$(cat "$TMP/${SERVER_KEY_FOR[$name]:-server}.pub")"
		  endpoints: [ "${ENDPOINT[$name]:-udp://192.0.2.1:4433}" ]
		tunnel: { name: ${TUNNEL[$name]:-jump0} }
		audit: { syslog: false, jsonl: $TMP/$name.audit }
		control: { socket: $TMP/$name.sock }
		transports:
		EOF
		for interface; do
			IFS='=' read -r interface path endpoint <<<"$interface"
			say "  - { name: ${path:-${interface%0}}, interface: $interface${endpoint:+, endpoint: \"$endpoint\"} }"
		done
	} >"$TMP/$name.yaml"
}

ask() # WHO COMMAND [ARGUMENT...]
{
	local who=$1 command=$2

	shift 2
	"$JUMPVPND" "$command" --json -s "$TMP/$who.sock" "$@"
}

answers() { told "$1" ok >/dev/null 2>&1; }

# The tunnel's queue takes what comes in while its daemon waits for a processor. No more than an idle machine needs is the
# kernel's own measure, and what is lost there no daemon can know of.
deepen_queue() { ip -n "$1" link set "$2" txqueuelen 10000; }

start_server()
{
	server_config
	spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
	expect 10000 "the server answers on its control socket" answers server
	deepen_queue srv jump0
}

# launch_client NAME NAMESPACE INTERFACE...: without waiting for a session.
launch_client()
{
	local name=$1 ns=$2

	shift 2
	client_config "$name" "$@"
	spawn "$name" "$ns" "$JUMPVPND" run -c "$TMP/$name.yaml"
	expect 10000 "$name answers on its control socket" answers "$name"
	deepen_queue "$ns" "${TUNNEL[$name]:-jump0}"
}

# start_client NAME NAMESPACE INTERFACE...: and waits until it carries, with every path proven.
start_client()
{
	local name=$1 i

	launch_client "$@"
	expect 10000 "$name has a session" client_is "$name" state ATTACHED
	shift 2
	for i in "$@"; do
		expect 10000 "path ${i%0} of $name is warm" path_is_warm "$name" "${i%0}"
	done
}

# field NAME FIELD: of a client's own session; peer_field NAME FIELD: of the same on the server.
# What is asked again and again is asked by one process and no more: these are most of what a test has to do.
told() { "$TOOLS/jget" --ask "$TMP/$1.sock" "$2" status; } # WHO FIELD
field() { told "$1" "session.$2"; }
peer_field() { "$TOOLS/jget" --ask "$TMP/server.sock" "session.$2" show "$1"; }
counter() { told "$1" "counters.$2" || say 0; }

client_is() { [ "$(field "$1" "$2")" = "$3" ]; }
peer_is() { [ "$(peer_field "$1" "$2")" = "$3" ]; }
peer_has_session() { peer_field "$1" id; }
has_another_id() { local id; id=$(field "$1" id) && [ "$id" != "$2" ]; }
peer_has_no_session()
{
	ask server sessions >"$TMP/sessions.json" && ! "$TOOLS/jget" "$TMP/sessions.json" "sessions[peer=$1].id"
}
counter_above() { [ "$(counter "$1" "$2")" -gt "$3" ]; }

active_path() { field "$1" "paths[use=active].name"; }
path_use() { field "$1" "paths[name=$2].use"; }
carries_on() { client_is "$1" state ATTACHED && [ "$(active_path "$1")" = "$2" ]; }

path_is_warm()
{
	case $(path_use "$1" "$2") in
	active) return 0 ;;
	standby) [ "$(field "$1" "paths[name=$2].srtt_us")" -gt 0 ] ;;
	*) return 1 ;;
	esac
}

# order_jump NAME ID PATH: on the client, without waiting for what comes of it.
order_jump()
{
	"$JUMPVPND" jump -s "$TMP/$1.sock" "$2" "$3" >/dev/null || fail "the order to jump to path $3 was refused"
}

# jump NAME PATH: by order on the client, and waits until the session is there on both ends.
jump()
{
	order_jump "$1" "$(field "$1" id)" "$2"
	expect 5000 "the session is on path $2 after the order" carries_on "$1" "$2"
	expect 5000 "the server says ATTACHED" peer_is "$1" state ATTACHED
}

# From here on daemons run with an allocator that counts: each process has a file of its own, by its number.
count_allocations()
{
	! grep -qE '__asan_init|__tsan_init' "$JUMPVPND" || skip "a sanitizer has its own allocator"
	[ -e "$TOOLS/alloc.so" ] || fail "$TOOLS/alloc.so is missing: make it first"
	cat >"$TMP/jumpvpnd" <<-EOF
		#!/bin/sh
		export LD_PRELOAD="$TOOLS/alloc.so" ALLOC_COUNT="$TMP/allocations.\$\$"
		exec "$JUMPVPND" "\$@"
	EOF
	chmod +x "$TMP/jumpvpnd"
	JUMPVPND=$TMP/jumpvpnd
}
allocations() { od -An -tu8 -N8 "$TMP/allocations.${RIG_PID[$1]}" | tr -d ' '; } # WHO

# audit_lines WHO CONDITION...: how many records have these fields (key=value).
audit_lines()
{
	local who=$1

	shift
	"$TOOLS/jget" --lines "$TMP/$who.audit" "$@"
}

audit_expect()
{
	wait_until 3000 audit_lines "$@" || fail "no audit record of $1 with ${*:2}"
}

audit_forbid()
{
	! audit_lines "$@" >/dev/null || fail "an audit record of $1 with ${*:2}"
}

# --- traffic inside ------------------------------------------------------------------------------------------------

SINK_OPTIONS=()
start_services() # probes are echoed on port 7, bulk transfers taken on port 5001, IPv4 and IPv6
{
	spawn echo srv "$TOOLS/prober" server --listen '[::]:7' --ready-file "$TMP/echo.ready"
	spawn sink srv "$TOOLS/bulk" serve --listen '[::]:5001' --ready-file "$TMP/sink.ready" "${SINK_OPTIONS[@]}"
	expect 3000 "the echo server runs" test -e "$TMP/echo.ready"
	expect 3000 "the bulk server runs" test -e "$TMP/sink.ready"
}

# probe_start NAME NAMESPACE [OPTION...]: a probe each millisecond to 10.8.0.1 until probe_stop.
probe_start()
{
	local name=$1 ns=$2

	shift 2
	rm -f "$TMP/$name.ready"
	spawn "$name" "$ns" "$TOOLS/prober" client --to 10.8.0.1:7 --linger-ms 5000 --ready-file "$TMP/$name.ready" "$@"
	expect 5000 "the first probe comes back" test -e "$TMP/$name.ready"
}

probe_stop() { stop "$1" || fail "the prober failed"; }
result() { "$TOOLS/jget" "$TMP/$1.out" "$2"; } # NAME FIELD, of a tool that has ended
probe_summary()
{
	say "    $1: $(result "$1" sent) probes, $(result "$1" lost) lost, longest gap $(result "$1" longest_gap_ms) ms" \
		"(own stall $(result "$1" sender_stall_ms) ms)"
}

expect_no_loss()
{
	probe_summary "$1"
	[ "$(result "$1" lost)" -eq 0 ] || fail "$1: $(result "$1" lost) of $(result "$1" sent) probes lost"
}

# expect_gap_below NAME MS: it came back, and not only when a test would have given up on it.
expect_gap_below()
{
	local gap

	probe_summary "$1"
	gap=$(result "$1" longest_gap_ms)
	[ "$(result "$1" alive_at_end)" = true ] || fail "$1: nothing comes back at the end"
	[ "${gap%.*}" -lt $((PATIENCE * $2)) ] || fail "$1: longest gap $gap ms, at most $((PATIENCE * $2)) ms allowed"
}

# tcp_start NAME NAMESPACE send|recv [OPTION...]: a checked stream to 10.8.0.1, at 50 Mbit/s, until tcp_stop.
tcp_start()
{
	local name=$1 ns=$2 way=$3

	shift 3
	rm -f "$TMP/$name.ready"
	spawn "$name" "$ns" "$TOOLS/bulk" "$way" --to 10.8.0.1:5001 --mbit 50 --ready-file "$TMP/$name.ready" "$@"
	expect 5000 "the TCP connection $name is made" test -e "$TMP/$name.ready"
}

# The stream is whole, and the connection it ended on is the one it began with.
tcp_stop()
{
	stop "$1" || fail "TCP $1: $(result "$1" error)"
	tcp_check "$1"
}

tcp_check()
{
	[ "$(result "$1" ok)" = true ] || fail "TCP $1: $(result "$1" error)"
	[ "$(result "$1" bytes)" -gt 0 ] || fail "TCP $1: no bytes came through"
	[ "$(result "$1" local)" = "$(result "$1" local_at_end)" ] || fail "TCP $1: another connection"
	say "    $1: $(result "$1" bytes) bytes, checksum $(result "$1" checksum), $(result "$1" mbit_per_s) Mbit/s"
}

# tcp_whole NAME NAMESPACE send|recv OPTION...: one transfer from beginning to end.
tcp_whole()
{
	local name=$1 ns=$2 way=$3

	shift 3
	on "$ns" timeout 300 "$TOOLS/bulk" "$way" "$@" >"$TMP/$name.out" 2>>"$TMP/$name.log" || :
	[ -s "$TMP/$name.out" ] || fail "TCP $name did not end within 300 s"
	tcp_check "$name"
}

# What only a jump or a transition may change, on one line; taken from the server.
session_face()
{
	local f

	ask server show "$1" >"$TMP/face.json" || return
	for f in id state state_version binding_version epoch active.path active.remote; do
		printf '%s=%s ' "$f" "$("$TOOLS/jget" "$TMP/face.json" "session.$f" || :)"
	done
}

[ -n "${JUMPVPN_RIG-}" ] || rig_enter "$@"
RIG_USER=$JUMPVPN_RIG # who we were outside
unset JUMPVPN_RIG
TMP=/run/rig
trap 'rig_cleanup "$BASH_COMMAND"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
rig_mount
