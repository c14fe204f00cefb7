# The load generator: many clients of one server.

LOAD_SRCS := $(wildcard tests/load/*.c) $(wildcard src/proto/*.c src/crypto/*.c) src/base/addr.c src/base/checksum.c src/base/hash.c src/base/log.c \
	src/base/text.c

$(OUT)/tests/load/load: $(call obj,$(LOAD_SRCS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)

tools: $(OUT)/tests/load/load

.PHONY: load
load: deps ## many clients of one server, N (10000) of them, to build/load/load.json (root; two minutes; SCENARIOS="ramp storm", ARGS=-R: rude ones)
	@$(MAKE) --no-print-directory all tools
	@mkdir -p $(OUT)/load
	@env JUMPVPND=$(abspath $(OUT)/jumpvpnd) TOOLS=$(abspath $(OUT)/tests/net) tests/load/run.sh -n $(or $(N),10000) \
		-o $(abspath $(OUT)/load) $(ARGS) $(SCENARIOS)

.PHONY: bench-scale
bench-scale: deps ## what sessions cost by their number, NUMBERS ("1000 3000 10000"), to build/bench/scale.md and scale.svg (root; three minutes)
	@$(MAKE) --no-print-directory all tools
	@mkdir -p $(OUT)/bench
	@env JUMPVPND=$(abspath $(OUT)/jumpvpnd) TOOLS=$(abspath $(OUT)/tests/net) tests/load/scale.sh -o $(abspath $(OUT)/bench) \
		$(or $(NUMBERS),1000 3000 10000)
