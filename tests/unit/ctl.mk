CTL_TEST_SRCS := src/ctl/ctl.c src/ctl/conn.c src/ctl/request.c src/ctl/find.c src/ctl/json.c src/audit/encode.c src/audit/fields.c src/audit/record.c \
	src/proto/names.c src/session/counter.c src/session/match.c src/session/fault.c src/session/called.c src/base/addr.c src/base/text.c src/base/log.c
test_ctl_SRCS := $(CTL_TEST_SRCS) tests/unit/shortage.c src/worker/descriptors.c
test_ctl_LIBS := $(UV_LIBS) $(JANSSON_LIBS)
test_ctl_notify_SRCS := src/ctl/notify.c
test_cmd_render_SRCS := src/cmd/render.c src/cmd/render_event.c src/cmd/fill.c src/cmd/format.c src/proto/names.c
test_cmd_render_LIBS := $(JANSSON_LIBS)
test_cmd_keys_SRCS := src/cmd/keypair.c src/base/text.c src/base/log.c $(wildcard src/crypto/*.c)
test_cmd_keys_LIBS := $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)
test_cmd_client_SRCS := src/cmd/ask.c src/cmd/requests.c src/cmd/events.c src/cmd/version.c src/cmd/options.c $(test_cmd_render_SRCS) \
	src/base/text.c src/base/log.c $(wildcard src/crypto/*.c)
test_cmd_client_LIBS := $(JANSSON_LIBS) $(UV_LIBS) $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS) -pthread
