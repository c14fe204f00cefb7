test_audit_json_SRCS := src/audit/encode.c src/audit/fields.c src/audit/record.c src/proto/names.c src/base/addr.c \
	src/base/text.c
test_audit_json_LIBS := $(JANSSON_LIBS)
test_audit_queue_SRCS := src/audit/queue.c src/audit/sink.c src/base/log.c
test_audit_queue_LIBS := -pthread
test_audit_SRCS := src/audit/audit.c src/audit/queue.c src/audit/sink.c src/audit/jsonl.c src/audit/chain.c src/audit/syslog.c \
	src/audit/encode.c src/audit/fields.c src/audit/record.c src/proto/names.c src/base/addr.c \
	src/base/text.c src/base/log.c
test_audit_LIBS := $(JANSSON_LIBS) -pthread
