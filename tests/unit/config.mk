CONFIG_SRCS := $(wildcard src/config/*.c) src/base/addr.c src/base/hash.c src/base/lpm.c src/base/text.c src/base/log.c

test_config_SRCS := $(CONFIG_SRCS)
test_config_LIBS = $(YAML_LIBS)
test_config_errors_SRCS := $(CONFIG_SRCS)
test_config_errors_LIBS = $(YAML_LIBS)
test_config_files_SRCS := $(CONFIG_SRCS)
test_config_files_LIBS = $(YAML_LIBS)
test_config_reload_SRCS := $(CONFIG_SRCS) tests/unit/shortage.c
test_config_reload_LIBS = $(YAML_LIBS)
test_config_fuzz_SRCS := $(CONFIG_SRCS)
test_config_fuzz_LIBS = $(YAML_LIBS)
