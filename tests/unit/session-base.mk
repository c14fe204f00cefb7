test_wheel_SRCS := src/session/wheel.c
test_table_SRCS := src/session/table.c src/base/log.c
