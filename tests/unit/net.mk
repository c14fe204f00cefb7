test_net_udp_SRCS := src/net/udp.c src/net/udpopen.c src/net/sockaddr.c src/net/tun.c src/net/offload.c src/base/checksum.c src/base/addr.c
test_net_steer_SRCS := src/net/steer.c src/net/udp.c src/net/udpopen.c src/net/sockaddr.c src/net/tun.c src/net/offload.c src/base/checksum.c src/base/log.c \
	src/base/addr.c
test_net_tun_SRCS := src/net/tun.c src/net/offload.c src/base/checksum.c src/net/netlink.c src/base/addr.c
test_net_tun_LIBS := $(MNL_LIBS)
test_net_uevent_SRCS := src/net/uevent.c
test_net_uevent_LDFLAGS := -Wl,--wrap=recvfrom
test_net_netlink_SRCS := src/net/netlink.c src/net/route.c src/net/watch.c src/base/addr.c src/base/hash.c
test_net_netlink_LIBS := $(MNL_LIBS)
test_net_offload_SRCS := src/net/offload.c src/base/checksum.c
