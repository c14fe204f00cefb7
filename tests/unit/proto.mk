test_replay_SRCS := src/proto/replay.c
test_inner_SRCS := src/proto/inner.c src/base/checksum.c src/base/addr.c
test_names_SRCS := src/proto/names.c src/session/counter.c
test_frame_SRCS := src/proto/frame.c src/proto/names.c src/base/addr.c src/base/log.c src/base/text.c
test_packet_SRCS := src/proto/packet.c src/base/text.c src/base/log.c $(wildcard src/crypto/*.c)
test_packet_LIBS = $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)
test_locator_SRCS :=
test_carry_SRCS := src/proto/carry.c src/base/checksum.c
