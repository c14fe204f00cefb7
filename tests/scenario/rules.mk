# Scenario files, in the simulator and with real daemons.

SCENARIOS := $(sort $(wildcard tests/scenario/*.scn))

$(OUT)/tests/net/scenario: $(call obj,$(SCENARIO_SRCS))

# The simulator without its own script.
SCENARIO_SIM := $(if $(wildcard tests/sim/sim.c),$(OUT)/tests/scenario-sim)
SCENARIO_SIM_SRCS := $(sort tests/scenario-sim.c $(filter-out tests/sim/main.c tests/sim/script.c tests/sim/seed.c tests/sim/programme.c,$(SIM_SRCS)) $(SCENARIO_SRCS))
$(OUT)/tests/scenario-sim: $(call obj,$(SCENARIO_SIM_SRCS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)
tests: $(SCENARIO_SIM)

# All of them take minutes with real daemons; `make check` has these, and judges no times there: other work of the machine
# shows in them. The simulator does, and `make scenarios`.
CHECKED_SCENARIOS := hard-death link-down one-way-up addr-lost-v4 nat-rebind nat-poison-alone blackout-short server-restart \
	forge-flood terminate-server suspend-long
RUN_SCENARIOS = env JUMPVPND=$(abspath $(OUT)/jumpvpnd) TOOLS=$(abspath $(OUT)/tests/net) $(RUNNER) tests/net/scenario.sh

run_scenarios = $(RUNNER) $(SCENARIO_SIM) $(SCENARIOS)
run_netscenarios = $(RUN_SCENARIOS) -q -x 0 -j 2 $(CHECKED_SCENARIOS:%=tests/scenario/%.scn)

.PHONY: scenarios
RUNS ?= 1
scenarios: all tests ## all scenario files, in the simulator and with real daemons (root); RUNS=10: median and worst
	@status=0; \
	$(if $(SCENARIO_SIM),$(RUNNER) $(SCENARIO_SIM) $(SCENARIOS) || status=1;) \
	$(RUN_SCENARIOS) -n $(RUNS) -o $(OUT)/scenarios.json $(SCENARIOS) || status=1; \
	exit $$status
