# The session room as a whole, in a virtual world.
WORLD_SRCS := tests/unit/world.c tests/unit/world_net.c tests/unit/world_check.c tests/unit/world_alike.c \
	tests/unit/make.c \
	$(wildcard src/session/*.c) $(wildcard src/proto/*.c) $(wildcard src/crypto/*.c) src/audit/record.c \
	src/report/verify.c src/report/judge.c src/report/told.c src/report/contract.c src/base/addr.c src/base/checksum.c src/base/hash.c src/base/lpm.c src/base/log.c \
	src/base/text.c src/base/slab.c
WORLD_LIBS = $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)

test_fsm_SRCS := src/session/fsm.c
test_spread_SRCS := src/session/spread.c
test_limit_SRCS := src/session/limit.c src/base/addr.c src/base/hash.c
test_path_SRCS := src/session/path.c src/base/addr.c
test_near_SRCS := src/session/near.c src/base/addr.c src/base/hash.c
test_keys_SRCS := src/session/keys.c src/proto/replay.c src/base/slab.c src/base/log.c src/base/text.c $(wildcard src/crypto/*.c)
test_keys_LIBS = $(WORLD_LIBS)
test_handshake_SRCS := $(WORLD_SRCS)
test_handshake_LIBS = $(WORLD_LIBS)
test_engine_SRCS := $(WORLD_SRCS)
test_engine_LIBS = $(WORLD_LIBS)
test_inside_SRCS := $(WORLD_SRCS)
test_inside_LIBS = $(WORLD_LIBS)
test_dead_runs_SRCS := $(WORLD_SRCS)
test_dead_runs_LIBS = $(WORLD_LIBS)
test_jump_SRCS := $(WORLD_SRCS)
test_jump_LIBS = $(WORLD_LIBS)
test_death_SRCS := $(WORLD_SRCS)
test_death_LIBS = $(WORLD_LIBS)
test_pressed_SRCS := $(WORLD_SRCS)
test_pressed_LIBS = $(WORLD_LIBS)
test_detect_SRCS := $(WORLD_SRCS)
test_detect_LIBS = $(WORLD_LIBS)
test_reset_SRCS := $(WORLD_SRCS)
test_reset_LIBS = $(WORLD_LIBS)
test_proof_SRCS := $(WORLD_SRCS)
test_proof_LIBS = $(WORLD_LIBS)
test_life_SRCS := $(WORLD_SRCS)
test_life_LIBS = $(WORLD_LIBS)
test_admit_SRCS := $(WORLD_SRCS)
test_admit_LIBS = $(WORLD_LIBS)
test_room_SRCS := $(WORLD_SRCS)
test_room_LIBS = $(WORLD_LIBS)
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

test_stall_SRCS := $(WORLD_SRCS)
test_stall_LIBS = $(WORLD_LIBS)
test_endings_SRCS := $(WORLD_SRCS)
test_endings_LIBS = $(WORLD_LIBS)
test_bounds_SRCS := $(WORLD_SRCS)
test_bounds_LIBS = $(WORLD_LIBS)
test_pmtu_SRCS := $(WORLD_SRCS)
test_pmtu_LIBS = $(WORLD_LIBS)
test_runs_SRCS := $(WORLD_SRCS)
test_runs_LIBS = $(WORLD_LIBS)
test_observer_SRCS := $(WORLD_SRCS)
test_observer_LIBS = $(WORLD_LIBS)
test_malice_SRCS := $(WORLD_SRCS)
test_malice_LIBS = $(WORLD_LIBS)
test_trail_SRCS := $(WORLD_SRCS)
test_trail_LIBS = $(WORLD_LIBS)
test_uplink_SRCS := $(WORLD_SRCS)
test_uplink_LIBS = $(WORLD_LIBS)
test_failover_SRCS := $(WORLD_SRCS)
test_failover_LIBS = $(WORLD_LIBS)
test_connect_SRCS := $(WORLD_SRCS)
test_connect_LIBS = $(WORLD_LIBS)
test_shortage_SRCS := tests/unit/shortage.c $(WORLD_SRCS)
test_shortage_LIBS = $(WORLD_LIBS)
test_memory_SRCS := $(WORLD_SRCS)
test_memory_LIBS = $(WORLD_LIBS)
test_overload_SRCS := tests/unit/crowd.c tests/unit/make.c \
	$(wildcard src/session/*.c) $(wildcard src/proto/*.c) $(wildcard src/crypto/*.c) src/audit/record.c \
	src/base/addr.c src/base/checksum.c src/base/hash.c src/base/lpm.c src/base/log.c src/base/text.c src/base/slab.c
test_overload_LIBS = $(WORLD_LIBS)
