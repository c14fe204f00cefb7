test_man_SRCS := $(wildcard src/crypto/*.c) src/proto/noise.c src/proto/packet.c src/proto/cookie.c src/base/hash.c \
	src/proto/frame.c src/proto/names.c src/proto/replay.c src/session/keys.c src/base/slab.c src/config/schema.c \
	src/base/addr.c src/base/text.c src/base/log.c
test_man_LIBS = $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)
