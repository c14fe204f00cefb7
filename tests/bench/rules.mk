# Benchmarks: tunnels side by side, and instruction counts.

$(OUT)/tests/bench/%: $(OUT)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^

# Counts must be the same on every CPU: checksums in one form, not in the widest.
$(OUT)/obj/tests/bench/checksum.o: src/base/checksum.c $(OUT)/flags build/config.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(COMPILE) $(MODE_LTO) -DCHECKSUM_ONE_FORM -c -o $@ $<

MICRO_SRCS := tests/bench/micro.c src/net/offload.c $(filter-out tests/% src/base/checksum.c,$(WORLD_SRCS))
# Put together as the daemon is.
$(OUT)/tests/bench/micro: private LINK_LTO = $(MODE_CFLAGS) $(MODE_LTO)
$(OUT)/tests/bench/micro: $(call obj,$(MICRO_SRCS)) $(OUT)/obj/tests/bench/checksum.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(WORLD_LIBS)

AHEAD_SRCS := tests/bench/ahead.c $(filter-out tests/%,$(WORLD_SRCS))
$(OUT)/tests/bench/ahead: private LINK_LTO = $(MODE_CFLAGS) $(MODE_LTO)
$(OUT)/tests/bench/ahead: $(call obj,$(AHEAD_SRCS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(WORLD_LIBS)

# A sanitizer has its own allocator, and its own instructions.
ifndef SANITIZE
tools: $(OUT)/tests/bench/copier $(OUT)/tests/net/alloc.so $(OUT)/tests/net/noipv6.so
tests: $(OUT)/tests/bench/micro $(OUT)/tests/bench/ahead
endif

$(OUT)/tests/net/%.so: tests/net/preload/%.c $(OUT)/flags build/config.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) -fPIC -shared -o $@ $<

run_micro = tests/bench/micro.sh $(OUT)/tests/bench/micro

.PHONY: bench bench-micro bench-ahead
bench: deps ## jumpvpnd beside other tunnels, to build/bench/report.md (20 min; QUICK=1: 3; ARGS=-R: into README.md)
	@$(MAKE) --no-print-directory all tools $(OUT)/tests/bench/micro
	@env JUMPVPND=$(abspath $(OUT)/jumpvpnd) TOOLS=$(abspath $(OUT)/tests/net) BENCH_TOOLS=$(abspath $(OUT)/tests/bench) \
		tests/bench/bench.sh -o $(OUT)/bench $(if $(filter 1,$(QUICK)),-q) $(ARGS)

bench-micro: $(OUT)/tests/bench/micro ## instructions per packet, jump and timer against the baseline; UPDATE=1 writes it anew
	@$(run_micro) $(if $(filter 1,$(UPDATE)),--update)

bench-ahead: $(OUT)/tests/bench/ahead ## what prefetching the sessions of a batch saves, at 100 to 100,000 sessions
	@for n in 100 1000 10000 100000; do $< $$n || exit; done
