CRYPTO_SRCS := $(wildcard src/crypto/*.c) src/base/log.c src/base/text.c
CRYPTO_LIBS = $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)

test_crypto_SRCS := $(CRYPTO_SRCS)
test_crypto_LIBS = $(CRYPTO_LIBS)
test_keycache_SRCS := $(CRYPTO_SRCS)
test_keycache_LIBS = $(CRYPTO_LIBS)
test_noise_SRCS := src/proto/noise.c $(CRYPTO_SRCS)
test_noise_LIBS = $(CRYPTO_LIBS)
test_cookie_SRCS := src/proto/cookie.c src/base/hash.c $(CRYPTO_SRCS)
test_cookie_LIBS = $(CRYPTO_LIBS)
