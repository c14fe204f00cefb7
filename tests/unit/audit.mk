test_audit_json_SRCS := src/audit/json.c src/audit/text.c src/audit/fields.c src/proto/names.c src/base/addr.c \
	src/base/text.c
test_audit_json_LIBS := $(JANSSON_LIBS)
test_audit_queue_SRCS := src/audit/queue.c src/base/ring.c src/base/log.c
test_audit_queue_LIBS := -pthread
test_audit_SRCS := src/audit/audit.c src/audit/queue.c src/audit/sink.c src/audit/jsonl.c src/audit/chain.c src/audit/syslog.c \
	src/audit/json.c src/audit/text.c src/audit/fields.c src/proto/names.c src/base/ring.c src/base/addr.c \
	src/base/text.c src/base/log.c
test_audit_LIBS := $(JANSSON_LIBS) -pthread
VERIFY_SRCS := src/audit/verify.c src/audit/told.c src/audit/contract.c src/audit/fields.c src/proto/names.c src/base/hash.c
test_verify_SRCS := $(VERIFY_SRCS)
test_audit_log_SRCS := src/audit/log.c src/audit/read.c src/audit/chain.c src/audit/json.c $(VERIFY_SRCS) src/base/addr.c \
	src/base/text.c
test_cmd_timeline_SRCS := src/cmd/timeline.c src/cmd/options.c src/cmd/timeline_model.c src/cmd/timeline_text.c src/cmd/timeline_svg.c \
	src/cmd/logs.c src/cmd/lines.c src/audit/read.c src/audit/chain.c src/audit/json.c src/audit/fields.c \
	src/proto/names.c src/base/addr.c src/base/text.c src/base/log.c $(wildcard src/crypto/*.c)
test_cmd_timeline_LIBS = $(WORLD_LIBS)
