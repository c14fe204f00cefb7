VERIFY_SRCS := src/report/verify.c src/report/judge.c src/report/told.c src/report/contract.c src/audit/record.c src/proto/names.c src/base/hash.c
test_verify_SRCS := $(VERIFY_SRCS)
test_ledger_SRCS := src/report/ledger.c src/report/decode.c src/audit/chain.c src/audit/encode.c src/audit/fields.c $(VERIFY_SRCS) src/base/addr.c \
	src/base/text.c
test_timeline_SRCS := src/report/timeline.c src/cmd/options.c src/report/timeline_model.c src/report/timeline_text.c src/report/timeline_svg.c src/report/timeline_choose.c \
	src/report/logs.c src/report/lines.c src/report/decode.c src/audit/chain.c src/audit/encode.c src/audit/fields.c src/audit/record.c \
	src/proto/names.c src/base/addr.c src/base/text.c src/base/log.c $(wildcard src/crypto/*.c)
test_timeline_LIBS = $(WORLD_LIBS)
