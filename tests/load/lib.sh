# shellcheck shell=bash
#
# The rig of the load runs: one server in a namespace, its many clients in another. Sourced first, in the place of
# tests/net/lib.sh, which it sources itself.
#
#     cli: 64.0.0.0/2 is local, the generator        srv: jumpvpnd on 192.0.2.1:4433
#       a0 10.1.1.2  ------------------------------  sa 10.1.1.1, 64.0.0.0/2 by a0
#
# LOAD_CLIENTS, LOAD_SEED, LOAD_ARGS (options of the generator), LOAD_POLICY (lines of `policy:`), SERVER_WORKERS.

LOAD_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LOAD=${TOOLS:-$LOAD_DIR/../../build/tests/net}/../load/load
LOAD_CLIENTS=${LOAD_CLIENTS:-1000}
LOAD_SEED=${LOAD_SEED:-1}
LOAD_ARGS=${LOAD_ARGS:-}
LOAD_POLICY=${LOAD_POLICY:-'volatility: { heartbeat_idle_ms: 15000 }'}

# shellcheck source=../net/lib.sh
. "$LOAD_DIR/../net/lib.sh"

load_setup()
{
	need_daemon
	[ -x "$LOAD" ] || fail "$LOAD is missing: make it first"
	ns_server
	ns_add cli
	path_add a 1 cli
	on cli ip route add local 64.0.0.0/2 dev lo
	ip -n srv route add 64.0.0.0/2 via 10.1.1.2
	for ns in srv cli; do
		on "$ns" sysctl -qw net.core.netdev_max_backlog=100000 2>/dev/null || :
	done
	make_key server
	mkdir "$TMP/peers.d"
	"$LOAD" --clients "$LOAD_CLIENTS" --seed "$LOAD_SEED" --peers "$TMP/peers.d/many.yaml"
	cat >"$TMP/server.yaml" <<-EOF
	version: "1.0"
	role: server
	node: { id: 1, name: gw-1 }
	private_key_file: $TMP/server.key
	listen: [ "udp://192.0.2.1:4433" ]
	workers: $SERVER_WORKERS
	tunnel: { name: jump0, addresses: [ 10.0.0.1/8 ], mtu: 1420 }
	audit: { syslog: false, jsonl: $TMP/server.audit }
	control: { socket: $TMP/server.sock }
	metrics: { listen: "127.0.0.1:9551" }
	peers_dir: $TMP/peers.d
	policy:
	  $LOAD_POLICY
	EOF
}

load_server()
{
	spawn server srv "$JUMPVPND" run -c "$TMP/server.yaml"
	expect 30000 "the server answers on its control socket" answers server
	deepen_queue srv jump0
}

# The generator, which takes orders from file descriptor 7.
load_start()
{
	mkfifo "$TMP/orders"
	exec 7<>"$TMP/orders" # opened both ways, it waits for nobody
	# shellcheck disable=SC2086 # several options
	spawn load cli "$LOAD" --clients "$LOAD_CLIENTS" --seed "$LOAD_SEED" --server-key "$TMP/server.pub" \
		--to 192.0.2.1:4433 --orders "$TMP/orders" $LOAD_ARGS
	order "server ${RIG_PID[server]}"
}

order() { printf '%s\n' "$*" >&7; }

# The server is killed, and comes again.
load_restart()
{
	stop server KILL || :
	load_server
	order "server ${RIG_PID[server]}"
}

# load_begin NAME, load_end NAME: a phase and its report, in $TMP/NAME.json; what happens in between is the phase.
load_begin() { order "mark $1"; }
load_end()
{
	local before

	before=$(wc -l <"$TMP/load.out")
	order report
	while [ "$(wc -l <"$TMP/load.out")" -le "$before" ]; do
		kill -0 "${RIG_PID[load]}" 2>/dev/null || fail "the generator has ended: $(tail -n 3 "$TMP/load.log")"
		sleep 0.05
	done
	tail -n 1 "$TMP/load.out" >"$TMP/$1.json"
}

load_phase() # NAME ORDER...
{
	load_begin "$1"
	printf '%s\n' "${@:2}" >&7
	load_end "$1"
}

load_field() { "$TOOLS/jget" "$TMP/$1.json" "$2"; } # NAME FIELD
