# Scenario files, for the simulator and the namespace runner.
SCENARIO_SRCS := $(wildcard tests/scenario/*.c) tests/link/profile.c src/proto/names.c src/audit/record.c
test_scenario_SRCS := $(SCENARIO_SRCS)
