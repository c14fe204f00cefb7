# Folded stacks of fold.awk: where the daemons' time goes, in percent of it: "share name value".

{
	n = $NF
	total += n
	if (/^kernel/) {
		kind = /;__x64_sys_sendmmsg/ ? "kernel_udp_send" : /;__x64_sys_recvmmsg/ ? "kernel_udp_receive" : \
			/;ksys_read/ ? "kernel_tun_read" : /;ksys_write/ ? "kernel_tun_write" : "kernel_other"
	} else {
		user += n
		kind = /;lib(IPSec_MB|mbedcrypto|sodium);/ ? "user_aead" : /;(__)?mem(move|cpy)/ ? "user_memcpy" : \
			/;(sum_(words|avx2|avx512)|checksum_add|is_intact) / ? "user_checksums" : /;jumpvpnd;/ ? "user_own" : "user_libraries"
	}
	share[kind] += n
}
END {
	if (!total) exit
	for (kind in share) printf "profile_%s\t%.1f\n", kind, share[kind] / total * 100
	printf "profile_outside\t%.1f\n", (user - share["user_aead"] - share["user_memcpy"]) / user * 100
}
