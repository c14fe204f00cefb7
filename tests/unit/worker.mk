test_links_SRCS := src/worker/links.c src/base/addr.c
test_nameservers_SRCS := src/worker/nameservers.c src/base/addr.c
test_way_SRCS := src/worker/way.c src/worker/links.c src/net/netlink.c src/net/route.c src/net/watch.c src/base/addr.c
test_way_LIBS := $(MNL_LIBS)
test_share_SRCS := src/worker/share.c src/base/addr.c
test_refused_SRCS := src/worker/refused.c src/base/addr.c
test_metrics_SRCS := src/ctl/metrics.c src/ctl/conn.c src/net/sockaddr.c src/session/counter.c src/proto/names.c src/audit/record.c src/base/addr.c
test_metrics_LIBS = $(UV_LIBS)
# A scripted engine stands behind the workers.
test_worker_SRCS := src/worker/worker.c src/worker/clock.c src/worker/descriptors.c src/worker/outside.c src/worker/in.c src/worker/jobs.c src/worker/pool.c src/worker/affinity.c src/worker/share.c \
	src/worker/privileges.c src/worker/refused.c \
	src/net/udp.c src/net/udpopen.c src/net/sockaddr.c src/net/tun.c src/net/offload.c src/base/checksum.c src/base/addr.c src/base/ring.c \
	src/base/log.c
test_worker_LIBS = $(UV_LIBS) $(CAPNG_LIBS) -pthread -Wl,--wrap=tun_write -Wl,--wrap=udp_send
# Workers and the control socket are the test's.
test_questions_SRCS := src/worker/gather.c src/worker/questions.c src/worker/configure.c src/worker/clock.c \
	src/ctl/notify.c $(filter-out src/worker/% src/ctl/% src/cmd/% src/report/%,$(SRCS))
test_questions_LIBS = $(ALL_LIBS)
test_questions_LDFLAGS = -Wl,--wrap=info_session -Wl,--wrap=audit_lost
# The whole of it, in a network namespace.
test_daemon_SRCS := $(SRCS)
test_daemon_LIBS = $(ALL_LIBS)
test_standing_SRCS := src/worker/standing.c src/proto/names.c src/base/addr.c src/base/text.c src/base/log.c
test_machine_SRCS := src/worker/machine.c $(CRYPTO_SRCS)
test_machine_LIBS = $(CRYPTO_LIBS)
test_wanted_SRCS := src/worker/wanted.c src/net/device.c src/net/held.c src/net/rule.c src/net/netlink.c src/base/addr.c src/base/hash.c
test_wanted_LIBS = $(MNL_LIBS)
test_remotes_SRCS := $(SRCS)
test_remotes_LIBS = $(ALL_LIBS)
