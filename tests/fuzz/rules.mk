# Fuzz targets. With gcc they are linked with main.c and run over tests/fuzz/corpus; `make fuzz` builds them again
# with clang's libFuzzer.
fuzz_world_SRCS := $(WORLD_SRCS)
fuzz_world_LIBS = $(WORLD_LIBS) $(CMOCKA_LIBS)
fuzz_frame_SRCS := src/proto/frame.c src/proto/names.c src/base/addr.c src/base/log.c src/base/text.c
fuzz_inner_SRCS := src/proto/inner.c src/base/checksum.c src/base/addr.c
fuzz_config_SRCS := $(CONFIG_SRCS)
fuzz_config_LIBS = $(YAML_LIBS)
fuzz_ctl_SRCS := $(CTL_TEST_SRCS) src/cmd/render.c src/cmd/render_event.c src/cmd/fill.c src/cmd/format.c
fuzz_ctl_LIBS = $(UV_LIBS) $(JANSSON_LIBS)
fuzz_audit_SRCS := $(test_ledger_SRCS)
fuzz_runs_SRCS := $(WORLD_SRCS)
fuzz_runs_LIBS = $(WORLD_LIBS) $(CMOCKA_LIBS)
fuzz_life_SRCS := $(WORLD_SRCS)
fuzz_life_LIBS = $(WORLD_LIBS) $(CMOCKA_LIBS)
fuzz_life_LDFLAGS := -Wl,--wrap=calloc
# These have the source that they reach into in themselves.
fuzz_offload_SRCS := src/net/offload.c src/proto/inner.c src/base/checksum.c src/base/addr.c
fuzz_udp_SRCS := src/net/udpopen.c src/net/sockaddr.c src/base/addr.c
fuzz_netlink_SRCS := src/base/addr.c
fuzz_netlink_LIBS = $(MNL_LIBS)
fuzz_metrics_SRCS = $(filter-out src/ctl/metrics.c,$(test_metrics_SRCS))
fuzz_metrics_LIBS = $(test_metrics_LIBS)

FUZZ_TARGETS := $(patsubst fuzz_%_SRCS,%,$(filter fuzz_%_SRCS,$(.VARIABLES)))
FUZZ_BINS := $(FUZZ_TARGETS:%=$(OUT)/tests/fuzz/%)

define fuzz_target
$(OUT)/tests/fuzz/$(1): $(call obj,tests/fuzz/$(1).c $(if $(FUZZER),,tests/fuzz/main.c) $(fuzz_$(1)_SRCS))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(LINK) $$(fuzz_$(1)_LDFLAGS) -o $$@ $$^ $$(fuzz_$(1)_LIBS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(t))))

fuzz-programs: $(FUZZ_BINS)
	@:

run_fuzz = $(RUNNER) tests/fuzz/run.sh $(OUT)/tests/fuzz

.PHONY: fuzz fuzz-programs
FUZZ_S ?= 60
FUZZ ?=
fuzz: ## FUZZ_S=60 seconds of libFuzzer a target, or for FUZZ='world config' alone (clang: not in make deps)
	@command -v clang >/dev/null || { echo 'clang is missing: apt-get install clang' >&2; exit 1; }
	@$(MAKE) fuzz-programs OUT=build/fuzz CC=clang SANITIZE=address,undefined FUZZER=1 \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' LDFLAGS=-fsanitize=fuzzer
	@tests/fuzz/run.sh -s $(FUZZ_S) build/fuzz/tests/fuzz $(FUZZ)

tests: fuzz-programs
