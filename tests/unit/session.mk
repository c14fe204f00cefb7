# The session room as a whole, in a virtual world.
WORLD_SRCS := tests/unit/world.c tests/unit/world_net.c tests/unit/world_check.c tests/unit/make.c \
	$(wildcard src/session/*.c) $(wildcard src/proto/*.c) $(wildcard src/crypto/*.c) src/audit/fields.c \
	src/audit/verify.c src/audit/told.c src/audit/contract.c src/base/addr.c src/base/checksum.c src/base/hash.c src/base/lpm.c src/base/log.c \
	src/base/text.c
WORLD_LIBS = $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)

test_fsm_SRCS := src/session/fsm.c
test_limit_SRCS := src/session/limit.c src/base/addr.c src/base/hash.c
test_path_SRCS := src/session/path.c src/base/addr.c
test_keys_SRCS := src/session/keys.c src/proto/replay.c src/base/log.c src/base/text.c $(wildcard src/crypto/*.c)
test_keys_LIBS = $(WORLD_LIBS)
test_handshake_SRCS := $(WORLD_SRCS)
test_handshake_LIBS = $(WORLD_LIBS)
test_engine_SRCS := $(WORLD_SRCS)
test_engine_LIBS = $(WORLD_LIBS)
test_inside_SRCS := $(WORLD_SRCS)
test_inside_LIBS = $(WORLD_LIBS)
test_jump_SRCS := $(WORLD_SRCS)
test_jump_LIBS = $(WORLD_LIBS)
test_death_SRCS := $(WORLD_SRCS)
test_death_LIBS = $(WORLD_LIBS)
test_detect_SRCS := $(WORLD_SRCS)
test_detect_LIBS = $(WORLD_LIBS)
test_life_SRCS := $(WORLD_SRCS)
test_life_LIBS = $(WORLD_LIBS)
test_hostile_SRCS := $(WORLD_SRCS)
test_hostile_LIBS = $(WORLD_LIBS)
test_ladder_SRCS := $(WORLD_SRCS)
test_ladder_LIBS = $(WORLD_LIBS)
test_trouble_SRCS := $(WORLD_SRCS)
test_trouble_LIBS = $(WORLD_LIBS)
test_renewal_SRCS := $(WORLD_SRCS)
test_renewal_LIBS = $(WORLD_LIBS)
test_rescue_SRCS := $(WORLD_SRCS)
test_rescue_LIBS = $(WORLD_LIBS)
test_rekey_SRCS := $(WORLD_SRCS)
test_rekey_LIBS = $(WORLD_LIBS)
test_endings_SRCS := $(WORLD_SRCS)
test_endings_LIBS = $(WORLD_LIBS)
test_bounds_SRCS := $(WORLD_SRCS)
test_bounds_LIBS = $(WORLD_LIBS)
test_pmtu_SRCS := $(WORLD_SRCS)
test_pmtu_LIBS = $(WORLD_LIBS)
test_runs_SRCS := $(WORLD_SRCS)
test_runs_LIBS = $(WORLD_LIBS)
test_malice_SRCS := $(WORLD_SRCS)
test_malice_LIBS = $(WORLD_LIBS)
