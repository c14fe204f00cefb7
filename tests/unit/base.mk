test_wire_SRCS :=  # all of it inline
test_addr_SRCS := src/base/addr.c
test_lpm_SRCS := src/base/lpm.c src/base/addr.c src/base/log.c
test_text_SRCS := src/base/text.c
test_hash_SRCS := src/base/hash.c
test_ring_SRCS := src/base/ring.c src/base/log.c
test_ring_LIBS := -pthread
test_log_SRCS := src/base/log.c
