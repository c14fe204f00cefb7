test_wheel_SRCS := src/session/wheel.c
test_table_SRCS := src/session/table.c src/base/log.c
test_policies_SRCS := src/session/policies.c src/session/table.c src/base/slab.c src/base/hash.c src/base/log.c src/base/text.c
