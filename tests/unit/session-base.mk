test_wheel_SRCS := src/session/wheel.c
test_table_SRCS := src/session/table.c src/base/log.c
test_passage_SRCS := src/session/passage.c
