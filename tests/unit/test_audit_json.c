/* The encoders: exact texts, since log readers rely on them, and hostile names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "audit/encode.h"

static struct audit_record sample(enum audit_event event)
{
	struct audit_record r = {
		.at = { 1234567 },
		.ts_ms = 1700000000123,
		.event = event,
		.has_session = true,
		.session_id = { 0x3f, 0xa1, 0xb2, 0xc4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff },
		.node_id = 1,
		.worker = 2,
		.policy_version = 3,
		.state_version = 4,
		.binding_version = 5,
		.reason = REASON_HEARTBEAT_TIMEOUT,
		.from = STATE_ATTACHED,
		.to = STATE_VOLATILE,
		.path_from = AUDIT_NO_PATH,
		.path_to = AUDIT_NO_PATH,
		.peer = "alice",
		.count = 1,
	};

	return r;
}

static void expect_json(const struct audit_record *r, const char *expected)
{
	char out[AUDIT_JSON_MAX];
	json_t *parsed;

	assert_int_equal(encode_json(out, r), strlen(expected));
	assert_string_equal(out, expected);
	parsed = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(parsed);
	json_decref(parsed);
}

static void test_state_change(void **state)
{
	struct audit_record r = sample(AUDIT_SESSION_STATE_CHANGE);

	r.elapsed_ms = 77;
	r.traffic = (struct audit_traffic){ 10, 1000, 20, 2000, 2, 345 };
	expect_json(&r, "{\"ts_ms\":1700000000123,\"boot_us\":1234567,\"event_type\":\"SessionStateChange\","
			"\"session_id\":\"3fa1b2c405060708090a0b0c0d0e0fff\",\"peer\":\"alice\",\"role\":\"server\",\"node_id\":1,\"worker\":2,"
			"\"policy_version\":3,\"state_version\":4,\"binding_version\":5,\"from\":\"ATTACHED\","
			"\"to\":\"VOLATILE\",\"reason_code\":\"heartbeat_timeout\",\"budget_left\":0,\"elapsed_ms\":77,"
			"\"rx_packets\":10,\"rx_bytes\":1000,\"tx_packets\":20,\"tx_bytes\":2000,\"paths_used\":2,"
			"\"stalled_ms\":345}");
}

static void test_switch(void **state)
{
	struct audit_record r = sample(AUDIT_TRANSPORT_SWITCH);

	r.reason = REASON_REATTACH_SUCCESS;
	r.path_from = 0;
	r.path_to = 1;
	strcpy(r.path_name, "lte");
	assert_true(endpoint_parse("[2001:db8::1]:4433", &r.remote));
	r.budget_left = 7;
	expect_json(&r, "{\"ts_ms\":1700000000123,\"boot_us\":1234567,\"event_type\":\"TransportSwitch\","
			"\"session_id\":\"3fa1b2c405060708090a0b0c0d0e0fff\",\"peer\":\"alice\",\"role\":\"server\",\"node_id\":1,\"worker\":2,"
			"\"policy_version\":3,\"state_version\":4,\"binding_version\":5,\"state\":\"VOLATILE\","
			"\"reason_code\":\"reattach_success\",\"path_from\":0,\"path_to\":1,\"path_name\":\"lte\","
			"\"remote\":\"[2001:db8::1]:4433\",\"budget_left\":7,\"elapsed_ms\":0}");
}

static void test_denied(void **state)
{
	struct audit_record r = sample(AUDIT_TRANSPORT_SWITCH_DENIED);

	r.reason = REASON_COOLDOWN_ACTIVE;
	r.retry_after_ms = 900;
	r.count = 12;
	expect_json(&r, "{\"ts_ms\":1700000000123,\"boot_us\":1234567,\"event_type\":\"TransportSwitchDenied\","
			"\"session_id\":\"3fa1b2c405060708090a0b0c0d0e0fff\",\"peer\":\"alice\",\"role\":\"server\",\"node_id\":1,\"worker\":2,"
			"\"policy_version\":3,\"state_version\":4,\"binding_version\":5,\"state\":\"VOLATILE\","
			"\"reason_code\":\"cooldown_active\",\"budget_left\":0,\"retry_after_ms\":900,\"count\":12}");
}

static void test_rekeyed(void **state)
{
	struct audit_record r = sample(AUDIT_SESSION_REKEYED);
	char out[AUDIT_JSON_MAX];

	encode_json(out, &r);
	assert_non_null(strstr(out, "\"epoch\":0}"));
}

static void test_gap_without_session(void **state)
{
	struct audit_record r = sample(AUDIT_AUDIT_GAP);

	r.has_session = false;
	r.peer[0] = '\0';
	r.reason = REASON_NONE;
	r.count = 42;
	expect_json(&r, "{\"ts_ms\":1700000000123,\"boot_us\":1234567,\"event_type\":\"AuditGap\",\"role\":\"server\",\"node_id\":1,"
			"\"worker\":2,\"policy_version\":3,\"reason_code\":\"none\",\"lost\":42}");
}

static void test_numbers_without_a_name(void **state)
{
	struct audit_record r = sample((enum audit_event)99);
	char out[AUDIT_JSON_MAX];

	r.reason = (enum reason)39;
	r.to = (enum state)77;
	encode_json(out, &r);
	assert_non_null(strstr(out, "\"event_type\":\"unknown\""));
	assert_non_null(strstr(out, "\"reason_code\":\"unknown\""));
	assert_non_null(strstr(out, "\"state\":\"unknown\""));
}

static void expect_peer(const char *peer, const char *raw, const char *parsed)
{
	struct audit_record r = sample(AUDIT_SESSION_CREATED);
	char out[AUDIT_JSON_MAX];
	json_t *o;

	snprintf(r.peer, sizeof(r.peer), "%s", peer);
	encode_json(out, &r);
	assert_non_null(strstr(out, raw));
	assert_null(strchr(out, '\n'));
	o = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "peer")), parsed);
	json_decref(o);
}

static void test_escaping(void **state)
{
	expect_peer("a\"b\\c", "\"peer\":\"a\\\"b\\\\c\"", "a\"b\\c");
	expect_peer("a\nb\x01\x7f", "\"peer\":\"a\\u000ab\\u0001\\u007f\"", "a\nb\x01\x7f");
	expect_peer("J\xc3\xbcrgen \xf0\x9f\x98\x80", "\"peer\":\"J\xc3\xbcrgen \xf0\x9f\x98\x80\"",
		    "J\xc3\xbcrgen \xf0\x9f\x98\x80");
}

#define REPLACED "\xef\xbf\xbd"

static void test_not_utf8(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xff", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char expected[64] = "x", peer[16] = "x";

		strcat(peer, bad[i]);
		for (size_t n = strlen(bad[i]); n; n--)
			strcat(expected, REPLACED);
		strcat(expected, "y");
		strcat(peer, "y");
		expect_peer(peer, expected, expected);
	}
}

/* A sequence that the end of the array cuts off is not read beyond it. */
static void test_full_array(void **state)
{
	struct audit_record r, clean = sample(AUDIT_SESSION_CREATED);
	char out[AUDIT_JSON_MAX];

	memset(&r, 0x82, sizeof(r)); /* what lies behind the array would go on with the sequence */
	r.event = clean.event;
	r.reason = clean.reason;
	r.has_session = r.client = false;
	r.path_name[0] = '\0';
	memset(r.peer, 'a', sizeof(r.peer));
	r.peer[sizeof(r.peer) - 1] = '\xe2';
	encode_json(out, &r);
	assert_non_null(strstr(out, "aaa" REPLACED "\","));
}

static void test_longest(void **state)
{
	struct audit_record r;
	char out[AUDIT_JSON_MAX];
	json_t *o;
	size_t len;

	memset(&r, 0xff, sizeof(r));
	r.client = true;
	r.at.us = INT64_MAX;
	r.event = AUDIT_SECURITY_VALIDATION_FAILED;
	r.has_session = true;
	r.reason = REASON_INVALID_TRANSPORT_CANDIDATE;
	r.from = r.to = STATE_TERMINATED;
	r.path_from = r.path_to = 254;
	memset(r.peer, 1, sizeof(r.peer));
	memset(r.path_name, 1, sizeof(r.path_name));
	len = encode_json(out, &r);
	assert_true(len < AUDIT_JSON_MAX - 64);
	assert_int_equal(out[len - 1], '}');
	o = json_loads(out, 0, NULL);
	json_decref(o);
	len = encode_text(out, &r);
	assert_true(len < AUDIT_JSON_MAX - 64);
	r.event = AUDIT_SESSION_STATE_CHANGE;
	assert_true(encode_json(out, &r) < AUDIT_JSON_MAX - 64);
}

static void test_text(void **state)
{
	struct audit_record r = sample(AUDIT_SESSION_STATE_CHANGE);
	char out[AUDIT_JSON_MAX];

	r.elapsed_ms = 77;
	r.traffic = (struct audit_traffic){ 10, 1000, 20, 2000, 2, 345 };
	encode_text(out, &r);
	assert_string_equal(out, "SessionStateChange peer=alice session=3fa1b2c405060708090a0b0c0d0e0fff from=ATTACHED "
				 "to=VOLATILE reason=heartbeat_timeout budget_left=0 elapsed_ms=77 rx_packets=10 rx_bytes=1000 tx_packets=20 "
				 "tx_bytes=2000 paths_used=2 stalled_ms=345 state_version=4 "
				 "binding_version=5 policy_version=3 role=server node=1");
	strcpy(r.peer, "a b\"\n=x");
	r.event = AUDIT_SESSION_CREATED;
	r.elapsed_ms = 0;
	encode_text(out, &r);
	assert_string_equal(out, "SessionCreated peer=\"a b\\\"?=x\" session=3fa1b2c405060708090a0b0c0d0e0fff "
				 "state=VOLATILE reason=heartbeat_timeout state_version=4 binding_version=5 "
				 "policy_version=3 role=server node=1");
}

/* A record of this event with something in every field; `n` tells one from another. */
static struct audit_record full(enum audit_event event, uint64_t n)
{
	struct audit_record r = sample(event);
	const bool is_bounded = n & 1;

	r.seq = 1 + n;
	r.client = n & 1;
	r.has_session = n % 3 != 0;
	r.path_from = (uint8_t)(n % 5);
	r.path_to = (uint8_t)(n % 7);
	strcpy(r.path_name, n & 2 ? "lte" : "two words");
	strcpy(r.public_key, "c2VydmVy");
	assert_true(endpoint_parse(n & 4 ? "192.0.2.1:7" : "[2001:db8::1]:4433", &r.remote));
	r.budget_left = r.retry_after_ms = r.epoch = (uint32_t)(n * n % 4);
	r.elapsed_ms = n % 4;
	r.count = 1 + n % 3;
	r.sources = r.late_ms = r.srtt_us = r.loss_ppm = (uint32_t)(n % 2);
#define X(key) r.traffic.key = ++n;
	AUDIT_TRAFFIC_LIST(X)
#undef X
#define X(key) r.flaps.key = (uint32_t)++n;
	AUDIT_FLAPS_LIST(X)
#undef X
#define X(key) r.bounds.key = is_bounded ? (uint32_t)++n : 0;
	AUDIT_BOUNDS_LIST(X)
#undef X
	return r;
}

static uint64_t mix(uint64_t sum, const char *text)
{
	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * 0x100000001b3;
	return sum;
}

/*
 * What logs written before hold, and who reads them relies on: the bytes of all events in many forms, as one number. It
 * changes when a field comes or goes, and then on purpose.
 */
static void test_bytes_stay(void **state)
{
	uint64_t json = 0xcbf29ce484222325, text = json;
	char out[AUDIT_JSON_MAX];

	for (unsigned int event = 0; event < AUDIT_EVENT_COUNT; event++) {
		for (uint64_t n = 0; n < 500; n++) {
			const struct audit_record r = full(event, n);

			encode_json(out, &r);
			json = mix(json, out);
			encode_text(out, &r);
			text = mix(text, out);
		}
	}
	assert_int_equal(json, 0xb04cc92055050aee);
	assert_int_equal(text, 0x99412414266457d0);
}

static void test_event_names(void **state)
{
	assert_string_equal(audit_event_name(AUDIT_SESSION_CREATED), "SessionCreated");
	assert_string_equal(audit_event_name(AUDIT_SECURITY_REPLAY_DETECTED), "SecurityReplayDetected");
	assert_string_equal(audit_event_name(AUDIT_AUDIT_GAP), "AuditGap");
	assert_null(audit_event_name(AUDIT_EVENT_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_change),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_rekeyed),
		cmocka_unit_test(test_gap_without_session),
		cmocka_unit_test(test_numbers_without_a_name),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_full_array),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bytes_stay),
		cmocka_unit_test(test_event_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
