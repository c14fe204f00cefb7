/* The line for the service manager: what it says, and how seldom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/standing.h"

static struct jv_time later(struct jv_time t)
{
	return time_add_ms(t, STANDING_MS);
}

static void test_server(void **state)
{
	struct audit_record r = { .event = AUDIT_SECURITY_VALIDATION_FAILED,
				  .reason = REASON_BAD_PROOF,
				  .count = 3,
				  .ts_ms = 1790000000000 };
	struct standing s = { 0 };
	struct jv_time now = { 10000000 };

	setenv("TZ", "UTC", 1);
	assert_string_equal(standing_news(&s, true, 0, now), "0 sessions");
	now = later(now);
	assert_null(standing_news(&s, true, 0, now)); /* nothing new */
	assert_string_equal(standing_news(&s, true, 1, now), "1 session");
	assert_null(standing_news(&s, true, 2, now)); /* too soon */
	now = later(now);
	assert_string_equal(standing_news(&s, true, 2, now), "2 sessions");
	endpoint_parse("192.0.2.7:4433", &r.remote);
	standing_note(&s, &r);
	now = later(now);
	assert_string_equal(standing_news(&s, true, 2, now),
			    "2 sessions; refused last: bad_proof, 192.0.2.7:4433, 14:13:20");
	r.has_session = true;
	strcpy(r.peer, "alice");
	r.event = AUDIT_TRANSPORT_SWITCH_DENIED;
	r.reason = REASON_SWITCH_RATE_LIMITED;
	standing_note(&s, &r);
	now = later(now);
	assert_string_equal(standing_news(&s, true, 2, now),
			    "2 sessions; refused last: switch_rate_limited, alice, 14:13:20");
}

static void test_client(void **state)
{
	struct audit_record r = {
		.event = AUDIT_SESSION_STATE_CHANGE, .client = true, .to = STATE_ATTACHED, .count = 1
	};
	struct standing s = { 0 };
	struct jv_time now = { 10000000 };

	assert_string_equal(standing_news(&s, false, 1, now), "connecting");
	standing_note(&s, &r);
	r.event = AUDIT_TRANSPORT_ATTACHED;
	strcpy(r.path_name, "wifi");
	standing_note(&s, &r);
	now = later(now);
	assert_string_equal(standing_news(&s, false, 1, now), "ATTACHED on wifi");
	r.event = AUDIT_SESSION_STATE_CHANGE;
	r.to = STATE_TERMINATED;
	standing_note(&s, &r);
	now = later(now);
	assert_string_equal(standing_news(&s, false, 1, now), "connecting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
