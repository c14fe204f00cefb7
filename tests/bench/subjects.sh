# shellcheck shell=bash
#
# The tunnels that are compared: sourced by measure.sh, in the rig. Each start_NAME brings one up between cli and srv over
# path a, beside the others, and sets
#   INNER[NAME]    the far end's address inside
#   DAEMONS[NAME]  process ids of both ends (none: nothing runs in user space)
# have_NAME says whether it is installed. All of them get an inner MTU of 1420 (raw veth has its 1500).

# shellcheck disable=SC2034 # read by measure.sh
declare -A INNER=() DAEMONS=() ABOUT=()
ALL_SUBJECTS='veth copier jumpvpnd wireguard-go fastd-null fastd-aes nebula openvpn tinc'

version_of() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || say '?'; }

# Both ends of a device that its process has made: inner_up NAME NUMBER DEVICE-AT-SERVER DEVICE-AT-CLIENT
inner_up()
{
	local end ns device

	for end in "srv $3 1" "cli $4 2"; do
		read -r ns device end <<<"$end"
		wait_until 5000 ip -n "$ns" link show dev "$device" || fail "$1: no device $device: $(tail -n 3 "$TMP/$1"*.log)"
		ip -n "$ns" addr replace "10.9.$2.$end/24" dev "$device"
		ip -n "$ns" link set "$device" mtu 1420 up
	done
	INNER[$1]=10.9.$2.1
}

# run_both NAME [DEVICE]: the commands in the arrays SERVER and CLIENT; the client once the server has that device.
run_both()
{
	spawn "$1-srv" srv "${SERVER[@]}"
	# Whose first packet finds nobody comes again after seconds.
	[ -z "${2-}" ] || wait_until 5000 ip -n srv link show dev "$2" || :
	spawn "$1-cli" cli "${CLIENT[@]}"
	DAEMONS[$1]="${RIG_PID[$1-srv]} ${RIG_PID[$1-cli]}"
}

have_veth() { ABOUT[veth]='no tunnel, MTU 1500'; }
start_veth() { INNER[veth]=10.1.1.1 DAEMONS[veth]=; }

have_copier() { ABOUT[copier]='TUN to UDP with the same offloads, no crypto, no splitting, one thread, SCHED_BATCH at nice -10'; }
start_copier()
{
	SERVER=(nice -n -10 chrt -b 0 "$BENCH_TOOLS/copier" --device cop0 --from 10.1.1.1:5100 --to 10.1.1.2:5100)
	CLIENT=(nice -n -10 chrt -b 0 "$BENCH_TOOLS/copier" --device cop0 --from 10.1.1.2:5100 --to 10.1.1.1:5100)
	run_both copier
	inner_up copier 1 cop0 cop0
}

have_jumpvpnd() { ABOUT[jumpvpnd]="AES-256-GCM, one worker, SCHED_BATCH at nice -10 as it comes"; }
start_jumpvpnd()
{
	peer alice 2
	start_server
	start_client alice cli a0 b0
	INNER[jumpvpnd]=10.8.0.1
	DAEMONS[jumpvpnd]="${RIG_PID[server]} ${RIG_PID[alice]}"
}

have_wireguard-go()
{
	ABOUT[wireguard-go]="Debian $(version_of wireguard-go), ChaCha20-Poly1305, no offloads"
	command -v wireguard-go && command -v wg
}
start_wireguard-go()
{
	local end

	for end in srv cli; do
		(umask 077 && wg genkey >"$TMP/wg-$end.key")
		wg pubkey <"$TMP/wg-$end.key" >"$TMP/wg-$end.pub"
	done
	mkdir -p /run/wireguard
	export WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1
	SERVER=(wireguard-go -f wgs)
	CLIENT=(wireguard-go -f wgc)
	run_both wireguard-go
	wait_until 5000 test -S /run/wireguard/wgs.sock && wait_until 5000 test -S /run/wireguard/wgc.sock ||
		fail "wireguard-go: no control socket"
	on srv wg set wgs private-key "$TMP/wg-srv.key" listen-port 51820 \
		peer "$(cat "$TMP/wg-cli.pub")" allowed-ips 10.9.2.2/32
	on cli wg set wgc private-key "$TMP/wg-cli.key" \
		peer "$(cat "$TMP/wg-srv.pub")" allowed-ips 10.9.2.1/32 endpoint 10.1.1.1:51820
	inner_up wireguard-go 2 wgs wgc
}

fastd_config() # FILE INTERFACE BIND SECRET PEER-KEY PEER-ADDRESS METHOD
{
	cat >"$1" <<-END
	log level warn;
	mode tun;
	interface "$2";
	mtu 1420;
	method "$7";
	bind $3;
	secret "$4";
	peer "other" { key "$5"; remote $6; }
	END
}

start_fastd() # NAME NUMBER METHOD
{
	local n=$2 end secret public

	for end in srv cli; do
		fastd --generate-key >"$TMP/$1-$end.key" 2>&1
	done
	key_of() { sed -n "s/^$2: *//p" "$TMP/$1.key"; }
	fastd_config "$TMP/$1-srv.conf" "fd${n}" "10.1.1.1:520$n" "$(key_of "$1-srv" Secret)" "$(key_of "$1-cli" Public)" \
		"10.1.1.2:520$n" "$3"
	fastd_config "$TMP/$1-cli.conf" "fd${n}" "10.1.1.2:520$n" "$(key_of "$1-cli" Secret)" "$(key_of "$1-srv" Public)" \
		"10.1.1.1:520$n" "$3"
	SERVER=(fastd --config "$TMP/$1-srv.conf")
	CLIENT=(fastd --config "$TMP/$1-cli.conf")
	run_both "$1" "fd$n"
	inner_up "$1" "$n" "fd$n" "fd$n"
}

have_fastd-null() { ABOUT[fastd-null]="Debian $(version_of fastd), null method: no crypto" && command -v fastd; }
have_fastd-aes() { ABOUT[fastd-aes]="Debian $(version_of fastd), aes128-ctr+umac" && command -v fastd; }
start_fastd-null() { start_fastd fastd-null 3 null; }
start_fastd-aes() { start_fastd fastd-aes 4 aes128-ctr+umac; }

have_nebula() { ABOUT[nebula]="Debian $(version_of nebula), AES-256-GCM" && command -v nebula && command -v nebula-cert; }
start_nebula()
{
	local end number address

	mkdir -p "$TMP/nebula"
	(
		cd "$TMP/nebula"
		nebula-cert ca -name bench
		nebula-cert sign -name srv -ip 10.9.5.1/24
		nebula-cert sign -name cli -ip 10.9.5.2/24
	) >/dev/null
	for end in 'srv true 10.1.1.1' 'cli false 10.1.1.2'; do
		read -r end number address <<<"$end"
		cat >"$TMP/nebula/$end.yaml" <<-END
		pki: { ca: $TMP/nebula/ca.crt, cert: $TMP/nebula/$end.crt, key: $TMP/nebula/$end.key }
		static_host_map: { $([ "$end" = srv ] || say '"10.9.5.1": ["10.1.1.1:4242"]') }
		lighthouse: { am_lighthouse: $number, hosts: [ $([ "$end" = srv ] || say '"10.9.5.1"') ] }
		listen: { host: $address, port: 4242 }
		tun: { dev: neb0, mtu: 1420 }
		logging: { level: warning, format: text }
		firewall:
		  outbound: [ { port: any, proto: any, host: any } ]
		  inbound: [ { port: any, proto: any, host: any } ]
		END
	done
	SERVER=(nebula -config "$TMP/nebula/srv.yaml")
	CLIENT=(nebula -config "$TMP/nebula/cli.yaml")
	run_both nebula neb0
	inner_up nebula 5 neb0 neb0
}

have_openvpn()
{
	ABOUT[openvpn]="Debian $(version_of openvpn), AES-256-GCM, no kernel offload"
	command -v openvpn && command -v openssl
}
start_openvpn()
{
	local end

	for end in srv cli; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$end" \
			-keyout "$TMP/ovpn-$end.key" -out "$TMP/ovpn-$end.crt" 2>/dev/null
	done
	print_of() { openssl x509 -in "$TMP/ovpn-$1.crt" -noout -fingerprint -sha256 | sed 's/.*=//'; }
	both=(--dev ovp0 --dev-type tun --topology p2p --proto udp --port 1194 --tun-mtu 1420 --disable-dco
		--data-ciphers AES-256-GCM --auth-nocache --verb 1)
	SERVER=(openvpn "${both[@]}" --local 10.1.1.1 --remote 10.1.1.2 --tls-server --dh none --ifconfig 10.9.6.1 10.9.6.2
		--cert "$TMP/ovpn-srv.crt" --key "$TMP/ovpn-srv.key" --peer-fingerprint "$(print_of cli)")
	CLIENT=(openvpn "${both[@]}" --local 10.1.1.2 --remote 10.1.1.1 --tls-client --ifconfig 10.9.6.2 10.9.6.1
		--cert "$TMP/ovpn-cli.crt" --key "$TMP/ovpn-cli.key" --peer-fingerprint "$(print_of srv)")
	run_both openvpn ovp0
	inner_up openvpn 6 ovp0 ovp0
}

have_tinc() { ABOUT[tinc]="Debian $(version_of tinc), AES-256-CBC and SHA-256" && command -v tincd; }
start_tinc()
{
	local end address

	for end in srv cli; do
		mkdir -p "$TMP/tinc-$end/hosts"
		address=10.1.1.$([ $end = srv ] && say 1 || say 2)
		printf '%s\n' "Name = $end" 'Interface = tnc0' 'DeviceType = tun' 'AddressFamily = ipv4' \
			"BindToAddress = $address" "$([ $end = srv ] || say 'ConnectTo = srv')" >"$TMP/tinc-$end/tinc.conf"
		printf '%s\n' "Address = $address" "Subnet = 10.9.7.${address##*.}/32" >"$TMP/tinc-$end/hosts/$end"
		tincd -c "$TMP/tinc-$end" -K 2048 </dev/null >/dev/null 2>&1
	done
	cp "$TMP/tinc-srv/hosts/srv" "$TMP/tinc-cli/hosts/"
	cp "$TMP/tinc-cli/hosts/cli" "$TMP/tinc-srv/hosts/"
	SERVER=(tincd -c "$TMP/tinc-srv" -D --pidfile="$TMP/tinc-srv.pid")
	CLIENT=(tincd -c "$TMP/tinc-cli" -D --pidfile="$TMP/tinc-cli.pid")
	run_both tinc tnc0
	inner_up tinc 7 tnc0 tnc0
}
